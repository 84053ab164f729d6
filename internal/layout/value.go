// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"math"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Text returns the text of a string, a number or a boolean, and false for every other value. Numbers are never rounded
// nor written with an exponent: JSON numbers arrive as doubles, and ids among them must keep their digits. NaN and the
// infinities are no numbers.
func Text(v pcommon.Value) (string, bool) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return v.Str(), true
	case pcommon.ValueTypeInt:
		return strconv.FormatInt(v.Int(), 10), true
	case pcommon.ValueTypeBool:
		return strconv.FormatBool(v.Bool()), true
	case pcommon.ValueTypeDouble:
		number := v.Double()
		if math.IsNaN(number) || math.IsInf(number, 0) {
			return "", false
		}
		return strconv.FormatFloat(number, 'f', -1, 64), true
	default:
		return "", false
	}
}

// Time returns the time that a value means: RFC 3339, "YYYY-MM-DD HH:MM:SS.sss" (UTC where it names no zone), or the
// epoch in seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude, as a number or its text. It
// returns false for what is none of these, or not from 2000 to 2099: a clock that was never set is no time.
func Time(v pcommon.Value) (pcommon.Timestamp, bool) {
	if v == (pcommon.Value{}) {
		return 0, false
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return parseTime(v.Str())
	case pcommon.ValueTypeInt:
		return epoch(v.Int())
	case pcommon.ValueTypeDouble:
		return fractionalEpoch(v.Double())
	default:
		return 0, false
	}
}

// earliest and latest bound plausible times, in seconds since the epoch: 2000-01-01 and 2100-01-01.
const (
	earliest = 946_684_800
	latest   = 4_102_444_800
)

// epoch reads an integer. The units' ranges do not overlap between earliest and latest.
func epoch(n int64) (pcommon.Timestamp, bool) {
	for unit := int64(time.Second); unit > 0; unit /= 1000 {
		perSecond := int64(time.Second) / unit
		if n >= earliest*perSecond && n < latest*perSecond {
			return pcommon.Timestamp(n * unit), true
		}
	}
	return 0, false
}

// fractionalEpoch reads a double. A fraction counts for seconds and milliseconds; doubles have no room for finer ones.
func fractionalEpoch(f float64) (pcommon.Timestamp, bool) {
	whole := math.Trunc(f)
	if math.IsNaN(f) || math.Abs(whole) >= math.MaxInt64 {
		return 0, false
	}
	at, valid := epoch(int64(whole))
	if !valid || whole == f {
		return at, valid
	}
	unit := float64(at) / whole
	return at + pcommon.Timestamp(math.Round((f-whole)*unit/1000)*1000), true
}

func parseTime(text string) (pcommon.Timestamp, bool) {
	if text == "" || text[0] < '0' || text[0] > '9' {
		return 0, false
	}
	if len(text) > 4 && text[4] == '-' {
		// No number that is a time has a sign there, and the errors of the next two cost allocations.
		return parseDate(text)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return epoch(n)
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return fractionalEpoch(f)
	}
	return 0, false
}

func parseDate(text string) (pcommon.Timestamp, bool) {
	for _, form := range []string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05"} {
		at, err := time.Parse(form, text)
		if err != nil {
			continue
		}
		if seconds := at.Unix(); seconds < earliest || seconds >= latest {
			return 0, false
		}
		return pcommon.NewTimestampFromTime(at), true
	}
	return 0, false
}
