// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// texts are the seed corpus. Each has another kind of token or fault.
var texts = []string{
	segmentEvent,
	`{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n",null,true,false,{}],"b":{"c":[]}}`,
	`[9007199254740993,9223372036854775808,-0,1e400,0.1]`,
	"\"\xff\\ud83d\\n\xfe\"",
	`"\ud83d\ud83d\ude00\ude00"`,
	`{"a":1,"a":{"a":2,"a":3}}`,
	" \t\r\n[ 1 , 2 ] ",
	`{"a":1} {"b":2}`,
	`[[[[[[[[[[[]]]]]]]]]]]`,
	`{"a":{"a":{"a":{"a":{"a":{"a":`,
	`"\u12`, `01`, `tru`, `[1,]`, "\ufeff1", ``,
}

// FuzzParseAgainstEncodingJSON compares validity and values with the standard library.
func FuzzParseAgainstEncodingJSON(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	parser := NewParser(Limits{MaxDepth: maxDepth, MaxBytes: 1 << 20})
	f.Fuzz(func(t *testing.T, text string) {
		got := pcommon.NewValueEmpty()
		err := parser.Parse(text, got)
		if errors.Is(err, ErrTooDeep) || errors.Is(err, ErrTooLarge) {
			t.Skip()
		}
		require.Equal(t, json.Valid([]byte(text)), err == nil)
		if err != nil || !utf8.ValidString(text) {
			return
		}
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var want any
		require.NoError(t, decoder.Decode(&want))
		requireSame(t, want, got)
	})
}

// requireSame compares everything except objects with duplicate keys, because encoding/json keeps only the last.
func requireSame(t *testing.T, want any, got pcommon.Value) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		require.Equal(t, pcommon.ValueTypeMap, got.Type())
		if got.Map().Len() != len(want) {
			require.Greater(t, got.Map().Len(), len(want))
			return
		}
		for key, value := range got.Map().All() {
			require.Contains(t, want, key)
			requireSame(t, want[key], value)
		}
	case []any:
		require.Equal(t, pcommon.ValueTypeSlice, got.Type())
		require.Equal(t, len(want), got.Slice().Len())
		for i, value := range got.Slice().All() {
			requireSame(t, want[i], value)
		}
	case json.Number:
		requireSameNumber(t, want, got)
	default:
		require.Equal(t, want, got.AsRaw())
	}
}

func requireSameNumber(t *testing.T, want json.Number, got pcommon.Value) {
	t.Helper()
	switch got.Type() {
	case pcommon.ValueTypeInt:
		require.Equal(t, want.String(), strconv.FormatInt(got.Int(), 10))
	case pcommon.ValueTypeDouble:
		double, err := want.Float64()
		require.NoError(t, err)
		assert.InDelta(t, double, got.Double(), 0)
		require.True(t, want == "-0" || strings.ContainsAny(want.String(), ".eE"))
	default:
		require.Equal(t, want.String(), got.Str())
		if _, err := want.Int64(); err == nil {
			require.Fail(t, "an integer that fits became a string", want)
		}
	}
}

// FuzzParseOfAnything checks that results stay within the limits, that an error leaves the target untouched, and that the
// parser stays usable.
func FuzzParseOfAnything(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text), uint8(5), uint8(7))
	}
	f.Fuzz(func(t *testing.T, text []byte, depth, values uint8) {
		parser := NewParser(Limits{MaxDepth: int(depth), MaxBytes: 10_000, MaxValues: int(values)})
		to := pcommon.NewValueStr("before")
		err := parser.Parse(string(text), to)
		switch {
		case err == nil:
			require.True(t, json.Valid(text))
			require.LessOrEqual(t, depthOf(to), int(depth))
			require.True(t, values == 0 || valuesOf(to) <= int(values))
		case errors.Is(err, ErrInvalid), errors.Is(err, ErrTooDeep), errors.Is(err, ErrTooLarge):
			require.Equal(t, "before", to.Str())
		case errors.Is(err, ErrTooMany):
			require.NotZero(t, values)
			require.Equal(t, "before", to.Str())
		default:
			require.NoError(t, err)
		}

		again := pcommon.NewValueEmpty()
		require.Equal(t, err, parser.Parse(string(text), again))
		require.True(t, err != nil || again.Type() == to.Type())
		require.NoError(t, parser.Parse(`"after"`, to))
		require.Equal(t, "after", to.Str())
	})
}

func depthOf(value pcommon.Value) int {
	deepest := 0
	switch value.Type() {
	case pcommon.ValueTypeMap:
		for _, field := range value.Map().All() {
			deepest = max(deepest, depthOf(field))
		}
	case pcommon.ValueTypeSlice:
		for _, element := range value.Slice().All() {
			deepest = max(deepest, depthOf(element))
		}
	default:
		return 0
	}
	return deepest + 1
}

// valuesOf counts a value and everything in it.
func valuesOf(value pcommon.Value) int {
	count := 1
	switch value.Type() {
	case pcommon.ValueTypeMap:
		for _, field := range value.Map().All() {
			count += valuesOf(field)
		}
	case pcommon.ValueTypeSlice:
		for _, element := range value.Slice().All() {
			count += valuesOf(element)
		}
	default:
	}
	return count
}
