// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"math"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// integer converts a number or a decimal text to an integer. isInvalid reports whether the value is a number or a
// non-empty text that isn't an integer. For all other values, both results are false.
func integer(v pcommon.Value) (n int64, isInteger, isInvalid bool) {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return v.Int(), true, false
	case pcommon.ValueTypeDouble:
		number := v.Double()
		if number != math.Trunc(number) || math.Abs(number) >= 1<<63 {
			return 0, false, true
		}
		return int64(number), true, false
	case pcommon.ValueTypeStr:
		if v.Str() == "" {
			return 0, false, false
		}
		n, isInteger = decimal(v.Str())
		return n, isInteger, !isInteger
	default:
		return 0, false, false
	}
}

// decimal parses an int64 from a non-empty text. It checks the digits first, because ParseInt accepts a plus sign and
// allocates an error for most other texts.
func decimal(text string) (int64, bool) {
	digits := text
	if digits[0] == '-' {
		digits = digits[1:]
	}
	if digits == "" {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// number converts a number or a decimal text to a finite number. It checks the characters of a text first, because ParseFloat
// also accepts names and hexadecimal digits, and allocates an error for most other texts.
func number(v pcommon.Value) (float64, bool) {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return float64(v.Int()), true
	case pcommon.ValueTypeDouble:
		n := v.Double()
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	case pcommon.ValueTypeStr:
		text := v.Str()
		if text == "" || strings.Trim(text, "0123456789+-.eE") != "" {
			return 0, false
		}
		n, err := strconv.ParseFloat(text, 64)
		return n, err == nil
	default:
		return 0, false
	}
}
