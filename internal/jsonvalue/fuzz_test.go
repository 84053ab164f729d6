// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/jsontest"
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
		jsontest.RequireSame(t, want, got)
	})
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
