// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
)

func TestAppendValues(t *testing.T) {
	for _, test := range []struct {
		value   any
		want    string
		changes [Changes]int64
	}{
		{nil, `null`, changed()},
		{true, `true`, changed()},
		{false, `false`, changed()},
		{int64(math.MaxInt64), `9223372036854775807`, changed()},
		{int64(math.MinInt64), `-9223372036854775808`, changed()},
		{int64(9007199254740993), `9007199254740993`, changed()},
		{3.0, `3`, changed()},
		{1764001230123.0, `1764001230123`, changed()},
		{math.NaN(), `null`, changed(NotFinite)},
		{math.Inf(1), `null`, changed(NotFinite)},
		{math.Inf(-1), `null`, changed(NotFinite)},
		{[]byte{}, `""`, changed()},
		{[]byte("\x00\xff\x10a"), `"AP8QYQ=="`, changed()},
		{make([]byte, 768), `"` + strings.Repeat("A", 1024) + `"`, changed()},
		{make([]byte, 769), `"` + strings.Repeat("A", 1024) + `"`, changed(TooLong)},
		{map[string]any{}, `{}`, changed()},
		{[]any{}, `[]`, changed()},
		{
			[]any{nil, []any{}, map[string]any{"a": []any{"b", int64(1), math.NaN()}}},
			`[null,[],{"a":["b",1,null]}]`, changed(NotFinite),
		},
	} {
		got, changes := encoded(with(given{event.Properties: mapOf(t, map[string]any{"k": test.value})}))
		assert.Equal(t, `{"event_properties":{"k":`+test.want+`}}`, got)
		assert.Equal(t, test.changes, changes, test.want)
	}
}

func TestAppendDoublesAsEncodingJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	doubles := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 19.95, 1e-6, 9.99e-7, 1e-7, 1e-9, 1e-10, -1e-9, 1e-100, 1e20, 1e21, -1e21,
		1e100, 1 << 53, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi,
	}
	for range 10_000 {
		if f := math.Float64frombits(random.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			doubles = append(doubles, f, float64(random.IntN(1_000_000))/100)
		}
	}
	var encoder Encoder
	for _, f := range doubles {
		want, err := json.Marshal(f)
		require.NoError(t, err)
		require.Equal(t, string(want), string(encoder.double(nil, f)))
	}
	assert.Zero(t, encoder.Changed)
}

func TestAppendStrings(t *testing.T) {
	long := strings.Repeat("é", MaxStringLength)
	for _, test := range []struct {
		text, want string
		changes    [Changes]int64
	}{
		{"", ``, changed()},
		{"plain text, longer than 8", `plain text, longer than 8`, changed()},
		{"<a href='x'>&</a>", `<a href='x'>&</a>`, changed()},
		{"\"\\/\b\f\n\r\t\x00\x1f\x7f", `\"\\/\b\f\n\r\t\u0000\u001f` + "\x7f", changed()},
		{"ключ 😀 \u2028", "ключ 😀 \u2028", changed()},
		{"\uFFFD", "\uFFFD", changed()},
		{"a\xffb\xfe\xfd", "a\uFFFDb\uFFFD\uFFFD", changed(InvalidUTF8)},
		{"\xff\n\xc3", "\uFFFD\\n\uFFFD", changed(InvalidUTF8)},
		{"\xed\xa0\xbd", "\uFFFD\uFFFD\uFFFD", changed(InvalidUTF8)},
		{long, long, changed()},
		{long + "x", long, changed(TooLong)},
		{strings.Repeat("x", 1023) + "éé", strings.Repeat("x", 1023) + "é", changed(TooLong)},
		{strings.Repeat("\"", 1025), strings.Repeat(`\"`, 1024), changed(TooLong)},
		{strings.Repeat("\xff", 1025), strings.Repeat("\uFFFD", 1024), changed(TooLong, InvalidUTF8)},
		{long + "\xff", long, changed(TooLong)},
	} {
		var encoder Encoder
		assert.Equal(t, `"`+test.want+`"`, string(encoder.text(nil, test.text)))
		assert.Equal(t, test.changes, encoder.Changed, "%.20q", test.text)

		key := pcommon.NewMap()
		key.PutStr(test.text, "v")
		got, changes := encoded(with(given{event.Groups: key}))
		assert.Equal(t, `{"groups":{"`+test.want+`":"v"}}`, got)
		assert.Equal(t, test.changes, changes)

		if test.text != "" {
			got, changes = encoded(with(given{event.DeviceID: test.text}))
			assert.Equal(t, `{"device_id":"`+test.want+`"}`, got)
			assert.Equal(t, test.changes, changes)
		}
	}
}

func TestAppendEveryByteAtEveryPlace(t *testing.T) {
	var encoder Encoder
	for length := 1; length <= 18; length++ {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("!", length))
				text[at] = byte(c)
				var got string
				require.NoError(t, json.Unmarshal(encoder.text(nil, string(text)), &got))
				require.Equal(t, string([]rune(string(text))), got)
			}
		}
	}
}

func TestAppendDepth(t *testing.T) {
	nested := func(depth int, asList bool) pcommon.Map {
		root := pcommon.NewMap()
		inner := root.PutEmpty("k")
		for range depth - 1 {
			if asList {
				inner = inner.SetEmptySlice().AppendEmpty()
			} else {
				inner = inner.SetEmptyMap().PutEmpty("k")
			}
		}
		inner.SetInt(1)
		return root
	}
	for _, asList := range []bool{true, false} {
		deepest, changes := encoded(with(given{event.UserProperties: nested(MaxDepth, asList)}))
		assert.Equal(t, 1, strings.Count(deepest, "1"))
		assert.Zero(t, changes)

		for _, depth := range []int{MaxDepth + 1, 10_000} {
			got, changes := encoded(with(given{event.UserProperties: nested(depth, asList)}))
			assert.Equal(t, strings.Replace(deepest, "1", "null", 1), got)
			assert.Equal(t, changed(TooDeep), changes)
		}
	}
	plan := pcommon.NewMap()
	nested(MaxDepth, false).CopyTo(plan.PutEmptyMap("plan"))
	e := with(nil)
	e.Passthrough = plan
	_, changes := encoded(e)
	assert.Zero(t, changes)
}
