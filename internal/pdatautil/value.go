// SPDX-License-Identifier: Apache-2.0

package pdatautil // import "github.com/impression-collector/impression-bridge/internal/pdatautil"

import (
	"math"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// IsSet reports whether v is present and not null. The zero Value isn't present.
func IsSet(v pcommon.Value) bool {
	return v != (pcommon.Value{}) && v.Type() != pcommon.ValueTypeEmpty
}

// Text returns the text of a string, number, or boolean. It reports false for any other value, and for NaN and infinities.
// A number is written with all its digits and without an exponent, because it may be an id.
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

// Time converts a value to a time. It accepts RFC 3339 with or without a zone, "YYYY-MM-DD HH:MM:SS.sss", and the time since
// the Unix epoch in seconds, milliseconds, microseconds, or nanoseconds, as a number or as text. A time without a zone is UTC.
// The unit of a number follows from its magnitude. Time reports false for anything else, for the zero Value, and for times
// outside the years 2000 to 2099, because they come from clocks that were never set.
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

// Plausible times are from earliest, which is 2000-01-01, to before latest, which is 2100-01-01, in seconds since the epoch.
const (
	earliest = 946_684_800
	latest   = 4_102_444_800
)

// epoch converts an integer. The ranges of plausible times in different units don't overlap.
func epoch(n int64) (pcommon.Timestamp, bool) {
	for unit := int64(time.Second); unit > 0; unit /= 1000 {
		perSecond := int64(time.Second) / unit
		if n >= earliest*perSecond && n < latest*perSecond {
			return pcommon.Timestamp(n * unit), true
		}
	}
	return 0, false
}

// fractionalEpoch converts a double. It rounds to microseconds, because a double isn't more precise.
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
		// Parsing a date as a number first would allocate two errors.
		return parseDate(text)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return epoch(n)
	}
	// ParseFloat also accepts hexadecimal numbers, which no producer writes for a time.
	if f, err := strconv.ParseFloat(text, 64); err == nil && !strings.ContainsAny(text, "xX") {
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

// valueSize is the approximate size, in bytes, of a value or key without its text.
const valueSize = 16

// Size returns the approximate size of a value in memory, in bytes: the length of its texts, and 16 for each value and key.
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

// MapSize returns the total size of the keys and values of a map, as Size counts them.
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
