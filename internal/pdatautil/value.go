// SPDX-License-Identifier: Apache-2.0

package pdatautil // import "github.com/impression-collector/impression-bridge/internal/pdatautil"

import (
	"math"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// IsSet reports whether v is present and not null. The zero Value isn't present.
func IsSet(v pcommon.Value) bool {
	return v != (pcommon.Value{}) && v.Type() != pcommon.ValueTypeEmpty
}

// Text returns the text of a string, number, or boolean. For any other value, and for NaN and infinities, it returns false.
// A number is written with all its digits and without an exponent, because JSON numbers arrive as doubles and ids among
// them must keep their digits.
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

// Time returns the time that a value means. It reads RFC 3339, "YYYY-MM-DD HH:MM:SS.sss" (UTC if it names no zone), and the
// epoch in seconds, milliseconds, microseconds, or nanoseconds, as a number or as text. It tells the units apart by
// magnitude. It returns false for anything else and for times outside the years 2000 to 2099, which come from clocks that
// were never set. The zero Value has no time.
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

// epoch reads an integer. Between earliest and latest, the ranges of the units don't overlap.
func epoch(n int64) (pcommon.Timestamp, bool) {
	for unit := int64(time.Second); unit > 0; unit /= 1000 {
		perSecond := int64(time.Second) / unit
		if n >= earliest*perSecond && n < latest*perSecond {
			return pcommon.Timestamp(n * unit), true
		}
	}
	return 0, false
}

// fractionalEpoch reads a double. It keeps fractions of seconds and milliseconds; doubles aren't precise enough for smaller
// units.
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
		// A date. Trying it as a number first would allocate two errors.
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

// valueSize is about what a value or a key takes beside its text.
const valueSize = 16

// Size returns about how many bytes a value takes: those of its texts, and 16 for each value and key.
func Size(v pcommon.Value) int {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return valueSize + len(v.Str())
	case pcommon.ValueTypeBytes:
		return valueSize + v.Bytes().Len()
	case pcommon.ValueTypeMap:
		return valueSize + MapSize(v.Map())
	case pcommon.ValueTypeSlice:
		size := valueSize
		for _, element := range v.Slice().All() {
			size += Size(element)
		}
		return size
	default:
		return valueSize
	}
}

// MapSize returns the sizes of all keys and values of a map, as Size counts them.
func MapSize(m pcommon.Map) int {
	size := 0
	for key, value := range m.All() {
		size += EntrySize(key, value)
	}
	return size
}

// EntrySize returns the size of one key and its value, as Size counts them.
func EntrySize(key string, value pcommon.Value) int {
	return valueSize + len(key) + Size(value)
}
