// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/impression-collector/impression-bridge/internal/amplitude/sample"
)

// encoded returns the event as a new encoder writes it, and the counts of changes.
func encoded(event *Event) (string, [Changes]int64) {
	var encoder Encoder
	return string(encoder.Append(nil, event)), encoder.Changed
}

// assertText compares byte by byte, because the order of fields and repeated fields matter.
func assertText(t *testing.T, want, got string) {
	t.Helper()
	assert.Equal(t, want, got)
}

// changed returns counts of 1 for each of the changes.
func changed(all ...Change) (counts [Changes]int64) {
	for _, change := range all {
		counts[change]++
	}
	return counts
}

func TestAppendWritesFieldsInOrder(t *testing.T) {
	single := func(key string) pcommon.Map { return mapOf(t, map[string]any{key: int64(1)}) }
	event := Event{
		Type: "type", UserID: "user", DeviceID: "device", Time: 1764001230123456789, InsertID: "insert",
		SessionID: "1764001200000", Properties: single("p"), UserProperties: single("u"), Groups: single("g"),
		IP: "203.0.113.7", AppVersion: "1.2", Platform: "Web", OSName: "Linux", Language: "en", UserAgent: "agent",
		Other: single("price"),
	}
	got, changes := encoded(&event)
	assertText(t, `{"event_type":"type","user_id":"user","device_id":"device","time":1764001230123,`+
		`"insert_id":"insert","session_id":1764001200000,"event_properties":{"p":1},"user_properties":{"u":1},`+
		`"groups":{"g":1},"ip":"203.0.113.7","app_version":"1.2","platform":"Web","os_name":"Linux","language":"en",`+
		`"user_agent":"agent","price":1}`, got)
	assert.Zero(t, changes)

	var encoder Encoder
	assert.Equal(t, `[`+got+`,`+got, string(encoder.Append(append(encoder.Append([]byte("["), &event), ','), &event)))
}

func TestAppendLeavesOutZeroFields(t *testing.T) {
	for want, event := range map[string]Event{
		`{}`:                              {},
		`{"event_type":"type"}`:           {Type: "type"},
		`{"user_id":"user"}`:              {UserID: "user"},
		`{"event_properties":{}}`:         {Properties: pcommon.NewMap()},
		`{"insert_id":"insert"}`:          {InsertID: "insert"},
		`{"time":0,"insert_id":"insert"}`: {Time: 999_999, InsertID: "insert"},
		`{"groups":{"a":["b","c"]}}`:      {Groups: mapOf(t, map[string]any{"a": []any{"b", "c"}})},
	} {
		got, changes := encoded(&event)
		assert.Equal(t, want, got)
		assert.Zero(t, changes)
	}
}

func TestAppendInsertHash(t *testing.T) {
	event := Event{Type: "type", UserID: "user", Time: 1764001230123456789}
	got, _ := encoded(&event)
	assert.Regexp(t, `^\{"event_type":"type","user_id":"user","time":1764001230123,"insert_id":"[0-9a-f]{32}"\}$`, got)

	var encoder Encoder
	assert.Equal(t, "before"+got, string(encoder.Append([]byte("before"), &event)), "what is before must not matter")
	later, other := event, event
	later.Time++
	other.UserID = "other"
	insertID := func(event *Event) (id string) {
		got, _ := encoded(event)
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(got), &fields))
		id, _ = fields["insert_id"].(string)
		return id
	}
	assert.NotEqual(t, insertID(&event), insertID(&later))
	assert.NotEqual(t, insertID(&event), insertID(&other))
	other.Properties = mapOf(t, map[string]any{"not finite": math.NaN()})
	assert.Equal(t, insertID(&other), encoder.InsertHash(&other))
	assert.Zero(t, encoder.Changed, "what is not sent is not counted")

	event.Time = 0
	assert.Empty(t, insertID(&event))
}

func TestSentText(t *testing.T) {
	long := strings.Repeat("ü", MaxStringLength)
	for text, want := range map[string]string{
		"": "", "user-17": "user-17", long: long, long + "x": long, "a\xff\xfeb": "a\uFFFD\uFFFDb", "\xff" + long: "\uFFFD" + long[:len(long)-2],
	} {
		assert.Equal(t, want, SentText(text))
	}
}

func TestAppendSessionID(t *testing.T) {
	for text, want := range map[string]string{
		"1764001200000":        "1764001200000",
		"-1":                   "-1",
		"0":                    "0",
		"007":                  "7",
		"-0":                   "0",
		"9223372036854775807":  "9223372036854775807",
		"-9223372036854775808": "-9223372036854775808",
		"9223372036854775808":  "",
		"1.5":                  "",
		"1e3":                  "",
		"+1":                   "",
		"-":                    "",
		"--1":                  "",
		"1 2":                  "",
		"1_000":                "",
		"session-1":            "",
		"٣":                    "",
	} {
		got, changes := encoded(&Event{SessionID: text})
		if want == "" {
			assert.Equal(t, `{}`, got, text)
			assert.Equal(t, changed(NotInteger), changes, text)
			continue
		}
		assert.Equal(t, `{"session_id":`+want+`}`, got)
		assert.Zero(t, changes)
	}
}

func TestAppendOther(t *testing.T) {
	other := pcommon.NewMap()
	other.PutStr("event_type", "not this")
	other.PutStr("country", "France")
	other.PutStr("user_agent", "not this")
	other.PutDouble("price", -19.95)
	other.PutInt("event_id", 7)
	other.PutEmpty("city")
	other.PutBool("$skip_user_properties_sync", true)
	other.PutStr("unknown", "not this")
	other.PutEmptyMap("plan").PutStr("branch", "main")
	other.PutDouble("revenue", math.Inf(1))
	got, changes := encoded(&Event{Type: "type", Other: other})
	assertText(t, `{"event_type":"type","country":"France","price":-19.95,"event_id":7,`+
		`"$skip_user_properties_sync":true,"plan":{"branch":"main"},"revenue":null}`, got)
	assert.Equal(t, changed(NotFinite), changes)
}

func TestAppendWithoutFields(t *testing.T) {
	isField := func(key string) bool { return key == "time" }
	properties := pcommon.NewMap()
	properties.PutInt("time", 1)
	properties.PutInt("a", 2)
	properties.PutEmptyMap("b").PutInt("time", 3)
	got, _ := encoded(&Event{Properties: properties, UserProperties: properties, IsField: isField})
	assertText(t, `{"event_properties":{"a":2,"b":{"time":3}},"user_properties":{"time":1,"a":2,"b":{"time":3}}}`, got)

	properties.RemoveIf(func(key string, _ pcommon.Value) bool { return key != "time" })
	got, _ = encoded(&Event{Properties: properties, IsField: isField})
	assertText(t, `{"event_properties":{}}`, got)
}

// repeating returns a map in which each of this number of keys occurs twice, the second time with a value that must not
// count. Unless inner is 0, the first value of every tenth key is such a map too.
func repeating(keys, inner int) (m pcommon.Map, want map[string]any) {
	m = pcommon.NewMap()
	want = map[string]any{}
	var fields xpdata.MapBuilder
	for round := range 2 {
		for i := range keys {
			key := fmt.Sprint("key ", i)
			value := fields.AppendEmpty(key)
			switch {
			case round == 1:
				value.SetStr("repeated")
			case inner > 0 && i%10 == 0:
				of, wanted := repeating(inner, 0)
				of.MoveTo(value.SetEmptyMap())
				want[key] = wanted
			default:
				value.SetBool(true)
				want[key] = true
			}
		}
	}
	fields.UnsafeIntoMap(m)
	return m, want
}

func TestAppendRepeatedKeys(t *testing.T) {
	var encoder Encoder
	for _, test := range []struct{ keys, inner int }{
		{1, 0},
		{3, 3},
		{maxFiltered / 2, maxFiltered / 2},
		{maxFiltered/2 + 1, 3},
		{maxFiltered, maxFiltered},
		{200, 100},
		{maxKept, 3},
		{20_000, 0},
	} {
		m, want := repeating(test.keys, test.inner)
		encoder.Changed = [Changes]int64{}
		text := encoder.Append(nil, &Event{Properties: m})
		var got struct {
			Properties map[string]any `json:"event_properties"`
		}
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got.Properties)
		written := test.keys + (test.keys+9)/10*test.inner
		assert.Equal(t, int64(written), encoder.Changed[RepeatedKey])
		assert.Equal(t, written, strings.Count(string(text), `"key `))
		assert.Empty(t, encoder.repeats)
		assert.Empty(t, encoder.keys)
	}

	var fields xpdata.MapBuilder
	fields.AppendEmpty("city").SetStr("first")
	fields.AppendEmpty("city").SetStr("second")
	other := pcommon.NewMap()
	fields.UnsafeIntoMap(other)
	got, changes := encoded(&Event{Other: other})
	assertText(t, `{"city":"first"}`, got)
	assert.Equal(t, changed(RepeatedKey), changes)

	wide, _ := repeating(maxFiltered, 0)
	got, changes = encoded(&Event{Properties: wide, IsField: func(key string) bool { return key != "key 3" }})
	assertText(t, `{"event_properties":{"key 3":true}}`, got)
	assert.Equal(t, changed(RepeatedKey), changes)
}

func TestChangeString(t *testing.T) {
	seen := map[string]bool{}
	for change := range Change(Changes) {
		assert.Regexp(t, `^[a-z0-9_]+$`, change.String())
		assert.False(t, seen[change.String()])
		seen[change.String()] = true
	}
	assert.Equal(t, "unknown", Change(Changes).String())
	assert.False(t, seen["unknown"])
}

func TestAppendDoesNotAllocate(t *testing.T) {
	hashed := eventOf(t, &sample.Impression)
	hashed.InsertID = ""
	hashed.SessionID = "no integer"
	hashed.IsField = func(key string) bool { return key == "variant" }
	// A text with invalid bytes isn't among these, because it costs an allocation for the error that says so.
	hashed.Groups = mapOf(t, map[string]any{"bytes": []byte("bytes"), "\n": math.NaN(), "long": strings.Repeat("é", 2000)})
	hashed.Other, _ = repeating(maxFiltered, 0)
	hashed.UserProperties, _ = repeating(100, 50)
	var encoder Encoder
	to := encoder.Append(nil, &hashed)
	assert.Zero(t, testing.AllocsPerRun(100, func() { to = encoder.Append(to[:0], &hashed) }))
}
