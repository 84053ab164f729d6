// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// limits are the processor's defaults.
var limits = Limits{MaxDepth: 40, MaxBytes: 4 << 20, MaxValues: 100_000}

func TestParseNumbers(t *testing.T) {
	for text, want := range map[string]any{
		"0":                    0,
		"-1":                   -1,
		"9007199254740993":     int64(9007199254740993),
		"9223372036854775807":  int64(math.MaxInt64),
		"-9223372036854775808": int64(math.MinInt64),

		"9223372036854775808":             "9223372036854775808",
		"-9223372036854775809":            "-9223372036854775809",
		"18446744073709551615":            "18446744073709551615",
		"123456789012345678901234567890":  "123456789012345678901234567890",
		"1e400":                           "1e400",
		"-1.5E+999":                       "-1.5E+999",
		"-0":                              math.Copysign(0, -1),
		"-0.0":                            math.Copysign(0, -1),
		"0.0":                             0.0,
		"1.0":                             1.0,
		"19.95":                           19.95,
		"1E2":                             100.0,
		"1e-400":                          0.0,
		"1.7976931348623157e308":          math.MaxFloat64,
		"123456789012345678901234567890.": nil,
		"01":                              nil,
		"-":                               nil,
		"1.":                              nil,
		".5":                              nil,
		"+1":                              nil,
		"1e":                              nil,
		"0x1":                             nil,
		"NaN":                             nil,
		"-Infinity":                       nil,
	} {
		t.Run(text, func(t *testing.T) {
			for _, text := range []string{text, " \t\r\n" + text + "\n", `[` + text + `]`, `{"k" : ` + text + `}`} {
				got := pcommon.NewValueEmpty()
				err := NewParser(limits).Parse(text, got)
				if want == nil {
					require.ErrorIs(t, err, ErrInvalid)
					continue
				}
				require.NoError(t, err)
				switch got.Type() {
				case pcommon.ValueTypeSlice:
					got = got.Slice().At(0)
				case pcommon.ValueTypeMap:
					got, _ = got.Map().Get("k")
				default:
				}
				wanted := pcommon.NewValueEmpty()
				require.NoError(t, wanted.FromRaw(want))
				assert.Equal(t, wanted.Type(), got.Type())
				assert.Equal(t, wanted.AsRaw(), got.AsRaw())
				assert.Equal(t, math.Signbit(wanted.Double()), math.Signbit(got.Double()))
			}
		})
	}
}

func TestParseStrings(t *testing.T) {
	const replaced = "\uFFFD"
	for _, test := range []struct{ name, text, want string }{
		{"empty", `""`, ""},
		{"plain", `"plain"`, "plain"},
		{"beyond ASCII", `"ключ 😀"`, "ключ 😀"},
		{"line separator", "\"\u2028\"", "\u2028"},
		{"every escape", `"\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00"`, "\"\\/\b\f\n\r\tAé😀"},
		{"escaped zero", `"a\u0000b"`, "a\x00b"},
		{"escaped backslashes before the end", `"a\\\\"`, `a\\`},
		{"separators inside", `", : ,"`, ", : ,"},
		{"unpaired high surrogate", `"\ud83d"`, replaced},
		{"unpaired low surrogate", `"\ude00"`, replaced},
		{"high surrogate before text", `"a\ud83db"`, "a" + replaced + "b"},
		{"high surrogate before another escape", `"\ud83d\n"`, replaced + "\n"},
		{"high surrogate before a letter", `"\ud83d\u0041"`, replaced + "A"},
		{"high surrogate before a pair", `"\ud83d\ud83d\ude00"`, replaced + "😀"},
		{"surrogates in reverse", `"\ude00\ud83d"`, replaced + replaced},
		{"invalid UTF-8", "\"\xff\"", "\xff"},
		{"invalid UTF-8 and escapes", "\"\xff\\n\xfe\\u0041\"", "\xff\n\xfeA"},
		{"invalid UTF-8 and an unpaired surrogate", "\"\xc3\\ud83d\xa9\"", "\xc3" + replaced + "\xa9"},
		{"invalid UTF-8 and a pair", "\"\xff\\ud83d\\ude00\xff\"", "\xff😀\xff"},
		{"surrogate in UTF-8", "\"\xed\xa0\xbd\\t\"", "\xed\xa0\xbd\t"},
		{"truncated UTF-8", "\"\xf0\x9f\x98\"", "\xf0\x9f\x98"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := pcommon.NewValueEmpty()
			parser := NewParser(limits)
			require.NoError(t, parser.Parse("\n"+test.text, got))
			assert.Equal(t, pcommon.ValueTypeStr, got.Type())
			assert.Equal(t, test.want, got.Str())

			require.NoError(t, parser.Parse("{ "+test.text+":1 }", got))
			value, found := got.Map().Get(test.want)
			assert.True(t, found)
			assert.Equal(t, int64(1), value.Int())
		})
	}
}

func TestParseStructure(t *testing.T) {
	for text, want := range map[string]any{
		`null`:  nil,
		`true`:  true,
		`false`: false,
		`{}`:    map[string]any{},
		`[]`:    []any{},
		` [ ] `: []any{},
		"\t{ \"a\" :\n[ 1 , {\"b\":null} ] , \"\":\r false}\n": map[string]any{
			"a": []any{int64(1), map[string]any{"b": nil}}, "": false,
		},
		`[[],[[]],{"a":{"b":{}}},"x"]`: []any{
			[]any{}, []any{[]any{}}, map[string]any{"a": map[string]any{"b": map[string]any{}}}, "x",
		},
	} {
		t.Run(text, func(t *testing.T) {
			got := pcommon.NewValueEmpty()
			require.NoError(t, NewParser(limits).Parse(text, got))
			assert.Equal(t, want, got.AsRaw())
		})
	}
}

func TestParseKeepsFieldsInOrderWithDuplicates(t *testing.T) {
	got := pcommon.NewValueEmpty()
	require.NoError(t, NewParser(limits).Parse(`{"z":1,"a":{"z":2,"z":3},"z":null,"\u007a":4}`, got))

	var keys []string
	var values []any
	for key, value := range got.Map().All() {
		keys = append(keys, key)
		if value.Type() == pcommon.ValueTypeMap {
			for key, value := range value.Map().All() {
				keys = append(keys, "a."+key)
				values = append(values, value.AsRaw())
			}
			continue
		}
		values = append(values, value.AsRaw())
	}
	assert.Equal(t, []string{"z", "a", "a.z", "a.z", "z", "z"}, keys)
	assert.Equal(t, []any{int64(1), int64(2), int64(3), nil, int64(4)}, values)
}

func TestParseRefuses(t *testing.T) {
	deep := func(depth int) string { return strings.Repeat(`[`, depth) + strings.Repeat(`]`, depth) }
	for _, test := range []struct {
		name, text string
		want       error
	}{
		{"empty", ``, ErrInvalid},
		{"only white space", " \n", ErrInvalid},
		{"text", `plain text`, ErrInvalid},
		{"byte order mark", "\ufeff{}", ErrInvalid},
		{"Unicode white space", "\u00a0{}", ErrInvalid},
		{"vertical tab", "\v{}", ErrInvalid},
		{"comment", `{/* */}`, ErrInvalid},
		{"incomplete literal", `nul`, ErrInvalid},
		{"overlong literal", `nulll`, ErrInvalid},
		{"single quotes", `{'a':1}`, ErrInvalid},
		{"unquoted name", `{a:1}`, ErrInvalid},
		{"number as a name", `{1:1}`, ErrInvalid},
		{"missing colon", `{"a" 1}`, ErrInvalid},
		{"comma instead of a colon", `{"a",1}`, ErrInvalid},
		{"missing value", `{"a":}`, ErrInvalid},
		{"name only", `{"a"}`, ErrInvalid},
		{"missing comma", `[1 2]`, ErrInvalid},
		{"leading comma", `[,1]`, ErrInvalid},
		{"trailing comma in an array", `[1,]`, ErrInvalid},
		{"trailing comma in an object", `{"a":1,}`, ErrInvalid},
		{"colon in an array", `["a":1]`, ErrInvalid},
		{"wrong closing bracket", `[1}`, ErrInvalid},
		{"closing bracket alone", `]`, ErrInvalid},
		{"unclosed object", `{"a":1`, ErrInvalid},
		{"unclosed array", `[1`, ErrInvalid},
		{"unclosed string", `"a`, ErrInvalid},
		{"unfinished escape", `"\`, ErrInvalid},
		{"unknown escape", `"\x41"`, ErrInvalid},
		{"short escape", `"\u12"`, ErrInvalid},
		{"escape with a sign", `"\u+123"`, ErrInvalid},
		{"control character", "\"a\tb\"", ErrInvalid},
		{"zero byte", "\"a\x00b\"", ErrInvalid},
		{"second value", `{} {}`, ErrInvalid},
		{"second line", "{\"a\":1}\n{\"a\":2}", ErrInvalid},
		{"comma after the value", `{},`, ErrInvalid},
		{"closing brace after the value", `{}}`, ErrInvalid},
		{"zero byte after the value", "{}\x00", ErrInvalid},
		{"deep arrays", deep(41), ErrTooDeep},
		{"deep objects", strings.Repeat(`{"a":`, 41), ErrTooDeep},
		{"deep mixture", strings.Repeat(`[{"a":`, 20) + `[`, ErrTooDeep},
		{"large", `"` + strings.Repeat("a", 4<<20-1) + `"`, ErrTooLarge},
		{"large and not JSON", strings.Repeat("[", 4<<20+1), ErrTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			parser := NewParser(limits)
			to := pcommon.NewValueStr("before")
			require.ErrorIs(t, parser.Parse(test.text, to), test.want)
			assert.Equal(t, "before", to.Str())
			// A fault further inside leaves more of a half-built value behind.
			require.Error(t, parser.Parse(`{"a":[{"b":"c"},`+test.text, to))
			assert.Equal(t, "before", to.Str())

			require.NoError(t, parser.Parse(`{"a":[{}]}`, to))
			assert.Equal(t, map[string]any{"a": []any{map[string]any{}}}, to.AsRaw())
		})
	}
}

func TestParseUpToTheLimits(t *testing.T) {
	const text = `[{"a":[1]}]`
	for _, test := range []struct {
		limits Limits
		want   error
	}{
		{Limits{MaxDepth: 3, MaxBytes: len(text)}, nil},
		{Limits{MaxDepth: 3, MaxBytes: len(text), MaxValues: 4}, nil},
		{Limits{MaxDepth: 3, MaxBytes: len(text), MaxValues: 3}, ErrTooMany},
		{Limits{MaxDepth: 2, MaxBytes: len(text)}, ErrTooDeep},
		{Limits{MaxDepth: 3, MaxBytes: len(text) - 1}, ErrTooLarge},
		{Limits{}, ErrTooLarge},
	} {
		require.ErrorIs(t, NewParser(test.limits).Parse(text, pcommon.NewValueEmpty()), test.want)
	}
	require.NoError(t, NewParser(Limits{MaxBytes: 1}).Parse("1", pcommon.NewValueEmpty()))
	require.ErrorIs(t, NewParser(Limits{MaxBytes: 2}).Parse("[]", pcommon.NewValueEmpty()), ErrTooDeep)
}

func TestParseCountsEveryValue(t *testing.T) {
	for text, values := range map[string]int{
		`null`: 1, `true`: 1, `"a"`: 1, `-1.5`: 1, `{}`: 1, `[]`: 1, `[1,2]`: 3, `{"a":1,"b":2}`: 3,
		`[null,[],{},"x",0.5,{"a":{"b":[false]}}]`: 10,
	} {
		t.Run(text, func(t *testing.T) {
			within := NewParser(Limits{MaxDepth: 4, MaxBytes: len(text), MaxValues: values})
			// Each text has the whole limit.
			for range 2 {
				got := pcommon.NewValueEmpty()
				require.NoError(t, within.Parse(text, got))
				assert.Equal(t, values, valuesOf(got))
			}
			if values > 1 {
				beyond := NewParser(Limits{MaxDepth: 4, MaxBytes: len(text), MaxValues: values - 1})
				to := pcommon.NewValueStr("before")
				require.ErrorIs(t, beyond.Parse(text, to), ErrTooMany)
				assert.Equal(t, "before", to.Str())
			}
		})
	}
}

func TestParseStopsAtTheLimitOfValues(t *testing.T) {
	parser := NewParser(limits)
	for _, text := range []string{
		"[" + strings.Repeat("0,", 1_000_000), "[" + strings.Repeat("{},", 1_000_000), `{"a":0` + strings.Repeat(`,"":0`, 700_000),
	} {
		// The parser stops at the limit, so it doesn't notice that the text is incomplete.
		require.ErrorIs(t, parser.Parse(text, pcommon.NewValueEmpty()), ErrTooMany)
	}
}

func TestParseLimitsTheDepthByItself(t *testing.T) {
	parser := NewParser(Limits{MaxDepth: math.MaxInt, MaxBytes: math.MaxInt})
	for _, open := range []string{"[", `{"":`} {
		got := pcommon.NewValueEmpty()
		end := map[string]string{"[": "]", `{"":`: "}"}[open]
		require.NoError(t, parser.Parse(strings.Repeat(open, maxDepth-1)+"[]"+strings.Repeat(end, maxDepth-1), got))
		require.ErrorIs(t, parser.Parse(strings.Repeat(open, 1_000_000), got), ErrTooDeep)
	}
}

func TestParseOfHostileNestingIsCheap(t *testing.T) {
	for _, open := range []string{"[", `{"a":`, `[{"a":`, "[\n"} {
		text := strings.Repeat(open, 1_000_000/len(open))
		parser := NewParser(limits)
		to := pcommon.NewValueEmpty()
		require.ErrorIs(t, parser.Parse(text, to), ErrTooDeep)

		const runs = 10
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			require.ErrorIs(t, parser.Parse(text, to), ErrTooDeep)
		}
		runtime.ReadMemStats(&after)
		assert.Less(t, (after.TotalAlloc-before.TotalAlloc)/runs, uint64(64<<10), open)
	}
}

func TestParseOfManyFieldsIsLinear(t *testing.T) {
	// Searching for duplicates at each field would take a minute.
	const fields = 300_000
	got := pcommon.NewValueEmpty()
	unlimited := Limits{MaxDepth: 2, MaxBytes: math.MaxInt}
	require.NoError(t, NewParser(unlimited).Parse(`{"":0`+strings.Repeat(`,"a":[1]`, fields)+`}`, got))
	assert.Equal(t, fields+1, got.Map().Len())
}

func TestParserReleasesItsText(t *testing.T) {
	parser := NewParser(limits)
	first, second := pcommon.NewValueEmpty(), pcommon.NewValueEmpty()
	long := strings.Repeat(`\u0061`, maxKept)
	require.NoError(t, NewParser(Limits{MaxBytes: math.MaxInt}).Parse(`"`+long+`"`, first))
	assert.Equal(t, strings.Repeat("a", maxKept), first.Str())

	require.NoError(t, parser.Parse(`{"a":"one","b":"\u0031","c":["`+strings.Repeat("x", maxKept)+`"]}`, first))
	assert.LessOrEqual(t, parser.input.Cap(), maxKept)
	assert.Empty(t, parser.text)
	require.NoError(t, parser.Parse(`{"a":"two","b":"\u0032","c":[2]}`, second))

	// The next parse must not change an earlier value.
	assert.Equal(t, map[string]any{"a": "one", "b": "1", "c": []any{strings.Repeat("x", maxKept)}}, first.AsRaw())
	assert.Equal(t, map[string]any{"a": "two", "b": "2", "c": []any{int64(2)}}, second.AsRaw())
}

func TestParseIntoPartOfARecord(t *testing.T) {
	record := pcommon.NewMap()
	record.PutStr("before", "kept")
	body := record.PutEmpty("body")
	body.SetStr(`{"a":[1,"b"]}`)
	require.NoError(t, NewParser(limits).Parse(body.Str(), body))
	body.Map().PutStr("new", "field")
	assert.Equal(t, map[string]any{
		"before": "kept",
		"body":   map[string]any{"a": []any{int64(1), "b"}, "new": "field"},
	}, record.AsRaw())
}

func TestParseEach(t *testing.T) {
	for text, want := range map[string][]any{
		"":                              nil,
		" \n":                           nil,
		`{"a":1}`:                       {map[string]any{"a": int64(1)}},
		"{\"a\":1}\n[\"\\u00e9\"]\r\n3": {map[string]any{"a": int64(1)}, []any{"é"}, int64(3)},
		`{}{} null`:                     {map[string]any{}, map[string]any{}, nil},
	} {
		slice := pcommon.NewSlice()
		require.NoError(t, NewParser(limits).ParseEach(text, slice.AppendEmpty), text)
		assert.Equal(t, append([]any{}, want...), slice.AsRaw(), text)
	}
}

func TestParseEachOfBadTexts(t *testing.T) {
	parser := NewParser(Limits{MaxDepth: 2, MaxBytes: 20, MaxValues: 3})
	for text, want := range map[string]error{
		"{}\n{":                 ErrInvalid,
		"{}\n]":                 ErrInvalid,
		"{},{}":                 ErrInvalid,
		"[[[]]]":                ErrTooDeep,
		"1\n2\n3\n4":            ErrTooMany,
		strings.Repeat("1", 21): ErrTooLarge,
	} {
		require.ErrorIs(t, parser.ParseEach(text, pcommon.NewSlice().AppendEmpty), want, text)
		slice := pcommon.NewSlice()
		require.NoError(t, parser.ParseEach("[1]", slice.AppendEmpty), "after %s", text)
		require.Equal(t, []any{[]any{int64(1)}}, slice.AsRaw())
	}
}
