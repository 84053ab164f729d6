// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/amplitude/sample"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

// rules computes what Append must write, in the obvious and slow way.
type rules struct {
	changed [Changes]int64
}

func (r *rules) text(s string) string {
	characters := []rune(s)
	if len(characters) > MaxStringLength {
		r.changed[TooLong]++
		end := 0
		for range MaxStringLength {
			_, size := utf8.DecodeRuneInString(s[end:])
			end += size
		}
		s, characters = s[:end], characters[:MaxStringLength]
	}
	if !utf8.ValidString(s) {
		r.changed[InvalidUTF8]++
	}
	return string(characters)
}

// of returns the value as encoding/json decodes it with UseNumber.
func (r *rules) of(v pcommon.Value, depth int) any {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return r.text(v.Str())
	case pcommon.ValueTypeInt:
		return json.Number(strconv.FormatInt(v.Int(), 10))
	case pcommon.ValueTypeDouble:
		text, err := json.Marshal(v.Double())
		if err != nil {
			r.changed[NotFinite]++
			return nil
		}
		return json.Number(text)
	case pcommon.ValueTypeBytes:
		return r.text(base64.StdEncoding.EncodeToString(v.Bytes().AsRaw()))
	case pcommon.ValueTypeMap, pcommon.ValueTypeSlice:
		if depth > MaxDepth {
			r.changed[TooDeep]++
			return nil
		}
		if v.Type() == pcommon.ValueTypeMap {
			return r.mapping(v.Map(), depth)
		}
		list := []any{}
		for _, element := range v.Slice().All() {
			list = append(list, r.of(element, depth+1))
		}
		return list
	default:
		return v.AsRaw()
	}
}

func (r *rules) mapping(m pcommon.Map, depth int) map[string]any {
	written := map[string]any{}
	seen := map[string]bool{}
	for key, value := range m.All() {
		if seen[key] {
			r.changed[RepeatedKey]++
			continue
		}
		seen[key] = true
		written[r.text(key)] = r.of(value, depth+1)
	}
	return written
}

// requireByRules compares the JSON that Append writes for these properties with the rules.
func requireByRules(t *testing.T, properties pcommon.Map) {
	t.Helper()
	var encoder Encoder
	text := encoder.Append(nil, with(given{event.Properties: properties}))
	require.True(t, json.Valid(text), "%s", text)
	require.True(t, utf8.Valid(text), "%s", text)

	var got struct {
		Properties any `json:"event_properties"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&got))
	var want rules
	require.Equal(t, any(want.mapping(properties, 1)), got.Properties)
	require.Equal(t, want.changed, encoder.Changed)
}

func TestAppendByRules(t *testing.T) {
	requireByRules(t, mapOf(t, sample.Impression.Properties))
	requireByRules(t, mapOf(t, map[string]any{
		"bytes": make([]byte, 10_000), "infinite": math.Inf(1), "\xff": []any{"\xfe", math.Copysign(0, -1), nil},
	}))
	for _, keys := range []int{3, 20, 200} {
		m, _ := repeating(keys, keys)
		requireByRules(t, m)
	}
}

func FuzzAppend(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n",null,true,false,{}],"b":{"c":[]}}`,
		`[9007199254740993,9223372036854775808,-0,1e400,0.1,1e-7]`,
		"{\"\xff\":\"\xff\\ud83d\\n\xfe\",\"<&>\":\"\u2028\"}",
		`{"a":1,"a":{"a":2,"a":3},"":{"":"","":""}}`,
		`[[[[[[[[[[[]]]]]]]]]]]`,
		`"12345678\"12345678\\"`,
		strings.Repeat("é", MaxStringLength), strings.Repeat("é", MaxStringLength+1), strings.Repeat("\xff", MaxStringLength+1),
	} {
		f.Add(text)
	}
	parser := jsonvalue.NewParser(jsonvalue.Limits{MaxDepth: MaxDepth + 10, MaxBytes: 1 << 20})
	f.Fuzz(func(t *testing.T, text string) {
		value := pcommon.NewValueEmpty()
		if err := parser.Parse(text, value); err != nil {
			// A text that isn't JSON is still used as a string and a key.
			value.SetStr(text)
		}
		properties := pcommon.NewMap()
		value.CopyTo(properties.PutEmpty(text))
		properties.PutStr("text", text)
		// Nest the value so deeply that its own nesting may exceed the limit.
		inner := properties.PutEmpty("deep")
		for range MaxDepth - 3 {
			inner = inner.SetEmptySlice().AppendEmpty()
		}
		value.MoveTo(inner)
		requireByRules(t, properties)
		requireFieldsByRules(t, text)
	})
}

func requireFieldsByRules(t *testing.T, text string) {
	t.Helper()
	var encoder Encoder
	e := with(given{event.Type: text, event.UserID: text, event.DeviceID: text, event.InsertID: text, event.UserAgent: text})
	var got sample.Event
	require.NoError(t, json.Unmarshal(encoder.Append(nil, e), &got))
	var want rules
	wanted := want.text(text)
	require.Equal(t, wanted, SentText(text))
	for _, field := range []string{got.Type, got.UserID, got.DeviceID, got.UserAgent} {
		require.Equal(t, wanted, field)
	}
	if utf8.RuneCountInString(text) > MaxStringLength {
		hash := sha256.Sum256([]byte(text))
		wanted = hex.EncodeToString(hash[:16])
	}
	require.Equal(t, wanted, got.InsertID)
}
