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
	"github.com/impression-collector/impression-bridge/internal/event"
)

// given holds fields of an event: texts, maps, integers, and numbers.
type given map[event.Field]any

// with returns an event with these fields.
func with(fields given) *event.Event {
	var e event.Event
	for f, value := range fields {
		switch value := value.(type) {
		case string:
			e.SetText(f, value)
		case pcommon.Map:
			e.SetMap(f, value)
		case int:
			e.SetInteger(f, int64(value))
		case float64:
			e.SetNumber(f, value)
		}
	}
	return &e
}

// encoded returns the event as written by a new encoder, and the encoder's counts of changes.
func encoded(e *event.Event) (string, [Changes]int64) {
	var encoder Encoder
	return string(encoder.Append(nil, e)), encoder.Changed
}

// assertText compares byte by byte, because the order of fields and repeated fields matter.
func assertText(t *testing.T, want, got string) {
	t.Helper()
	assert.Equal(t, want, got)
}

// changed returns counts that are 1 for these changes.
func changed(all ...Change) (counts [Changes]int64) {
	for _, change := range all {
		counts[change]++
	}
	return counts
}

func TestAppendWritesFieldsInOrder(t *testing.T) {
	single := func(key string) pcommon.Map { return mapOf(t, map[string]any{key: int64(1)}) }
	e := with(given{
		event.Type: "type", event.UserID: "user", event.DeviceID: "device", event.Time: 1764001230123456789,
		event.InsertID: "insert", event.SessionID: 1764001200000, event.Properties: single("p"),
		event.UserProperties: single("u"), event.Groups: single("g"), event.IP: "203.0.113.7", event.AppVersion: "1.2",
		event.Platform: "Web", event.OSName: "Linux", event.Language: "en", event.UserAgent: "agent", event.OSVersion: "6.1",
		event.DeviceBrand: "brand", event.DeviceManufacturer: "manufacturer", event.DeviceModel: "model", event.Carrier: "carrier",
		event.Country: "Germany", event.Region: "Saxony", event.City: "Leipzig", event.LocationLat: 51.34, event.LocationLng: -12.0,
		event.IDFA: "a", event.IDFV: "v", event.ADID: "d", event.Price: 9.99, event.Quantity: 3.0, event.Revenue: 29.97,
		event.ProductID: "p", event.RevenueType: "Purchase", event.Currency: "EUR",
	})
	e.Passthrough = single("dma")
	got, changes := encoded(e)
	assertText(t, `{"event_type":"type","user_id":"user","device_id":"device","time":1764001230123,`+
		`"insert_id":"insert","session_id":1764001200000,"event_properties":{"p":1},"user_properties":{"u":1},`+
		`"groups":{"g":1},"ip":"203.0.113.7","app_version":"1.2","platform":"Web","os_name":"Linux","language":"en",`+
		`"user_agent":"agent","os_version":"6.1","device_brand":"brand","device_manufacturer":"manufacturer","device_model":"model",`+
		`"carrier":"carrier","country":"Germany","region":"Saxony","city":"Leipzig","location_lat":51.34,"location_lng":-12,`+
		`"idfa":"a","idfv":"v","adid":"d","price":9.99,"quantity":3,"revenue":29.97,"productId":"p","revenueType":"Purchase",`+
		`"currency":"EUR","dma":1}`, got)
	assert.Zero(t, changes)

	var encoder Encoder
	assert.Equal(t, `[`+got+`,`+got, string(encoder.Append(append(encoder.Append([]byte("["), e), ','), e)))
}

// TestAppendWritesEveryField fails if the encoder forgets a kind of field, or writes a field twice.
func TestAppendWritesEveryField(t *testing.T) {
	all := pcommon.NewMap()
	var e event.Event
	for _, f := range event.Fields() {
		assert.False(t, isPassthrough(f.APIName()), "%s would be written twice", f.APIName())
		all.PutStr(f.APIName(), "written twice")
		switch f.Kind() {
		case event.Moment, event.Session:
			e.SetInteger(f, 1764001200000)
		case event.Map:
			e.SetMap(f, pcommon.NewMap())
		default:
			e.SetText(f, "text")
		}
	}
	e.Passthrough = all
	got, _ := encoded(&e)
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(got), &fields))
	assert.Len(t, fields, event.NumFields)
	for _, f := range event.Fields() {
		assert.Contains(t, fields, f.APIName())
		assert.Equal(t, 1, strings.Count(got, `"`+f.APIName()+`":`), f.APIName())
	}
}

func TestAppendLeavesOutZeroFields(t *testing.T) {
	for want, fields := range map[string]given{
		`{}`:                              {},
		`{"event_type":"type"}`:           {event.Type: "type"},
		`{"user_id":"user"}`:              {event.UserID: "user"},
		`{"event_properties":{}}`:         {event.Properties: pcommon.NewMap()},
		`{"insert_id":"insert"}`:          {event.InsertID: "insert"},
		`{"time":0,"insert_id":"insert"}`: {event.Time: 999_999, event.InsertID: "insert"},
		`{"groups":{"a":["b","c"]}}`:      {event.Groups: mapOf(t, map[string]any{"a": []any{"b", "c"}})},
	} {
		got, changes := encoded(with(fields))
		assert.Equal(t, want, got)
		assert.Zero(t, changes)
	}
}

func TestAppendInsertHash(t *testing.T) {
	of := func(user string, at int) *event.Event {
		return with(given{event.Type: "type", event.UserID: user, event.Time: at})
	}
	e := of("user", 1764001230123456789)
	got, _ := encoded(e)
	assert.Regexp(t, `^\{"event_type":"type","user_id":"user","time":1764001230123,"insert_id":"[0-9a-f]{32}"\}$`, got)

	var encoder Encoder
	assert.Equal(t, "before"+got, string(encoder.Append([]byte("before"), e)), "the hash doesn't depend on what precedes the event")
	insertID := func(e *event.Event) (id string) {
		got, _ := encoded(e)
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(got), &fields))
		id, _ = fields["insert_id"].(string)
		return id
	}
	other := of("other", 1764001230123456789)
	assert.NotEqual(t, insertID(e), insertID(of("user", 1764001230123456790)))
	assert.NotEqual(t, insertID(e), insertID(other))
	other.SetMap(event.Properties, mapOf(t, map[string]any{"not finite": math.NaN()}))
	assert.Equal(t, insertID(other), encoder.InsertHash(other))
	assert.Zero(t, encoder.Changed, "InsertHash doesn't count changes")

	assert.Empty(t, insertID(of("user", 0)))
}

// TestInsertHashDiffersByOperation: a flag is set and unset at the same time, even to the value that an unset has.
func TestInsertHashDiffersByOperation(t *testing.T) {
	var encoder Encoder
	ids := map[string]bool{}
	for _, operation := range []string{"$set", "$unset", "$setOnce"} {
		ids[encoder.InsertHash(with(given{
			event.Type: "$identify", event.UserID: "user-17", event.Time: 1764001230123456789,
			event.UserProperties: mapOf(t, map[string]any{operation: map[string]any{"[Experiment] checkout": "-"}}),
		}))] = true
	}
	assert.Len(t, ids, 3)
}

func TestAppendHashesALongInsertID(t *testing.T) {
	long := strings.Repeat("x", MaxStringLength)
	got, changes := encoded(with(given{event.InsertID: long}))
	assert.Equal(t, `{"insert_id":"`+long+`"}`, got)
	assert.Zero(t, changes)

	ids := map[string]bool{}
	for _, id := range []string{long + "a", long + "b", long + "-user-property"} {
		got, changes = encoded(with(given{event.InsertID: id, event.Time: 1764001230123456789}))
		assert.Regexp(t, `^\{"time":1764001230123,"insert_id":"[0-9a-f]{32}"\}$`, got)
		assert.Equal(t, changed(TooLong), changes)
		ids[got] = true
	}
	assert.Len(t, ids, 3)
}

func TestSentText(t *testing.T) {
	long := strings.Repeat("ü", MaxStringLength)
	for text, want := range map[string]string{
		"": "", "user-17": "user-17", long: long, long + "x": long, "a\xff\xfeb": "a\uFFFD\uFFFDb", "\xff" + long: "\uFFFD" + long[:len(long)-2],
	} {
		assert.Equal(t, want, SentText(text))
	}
}

func TestAppendCountsAnInvalidSessionID(t *testing.T) {
	e := with(given{event.SessionID: 7})
	got, changes := encoded(e)
	assert.Equal(t, `{"session_id":7}`, got)
	assert.Zero(t, changes)

	e = with(nil)
	e.InvalidSession = true
	got, changes = encoded(e)
	assert.Equal(t, `{}`, got)
	assert.Equal(t, changed(NotInteger), changes)
}

func TestAppendCountsARemoteIP(t *testing.T) {
	e := with(given{event.IP: "203.0.113.7"})
	e.RemoteIP = true
	got, changes := encoded(e)
	assertText(t, `{"ip":"203.0.113.7"}`, got)
	assert.Equal(t, changed(RemoteIP), changes)
}

func TestAppendDefaults(t *testing.T) {
	hashed := func(encoder *Encoder) string {
		return string(encoder.Append(nil, with(given{event.Type: "type", event.Time: 1764001230123456789})))
	}
	without := hashed(&Encoder{})
	encoder := Encoder{Library: "bridge/1", PartnerID: "partner"}
	assert.Equal(t, strings.TrimSuffix(without, "}")+`,"library":"bridge/1","partner_id":"partner"}`, hashed(&encoder),
		"the insert id doesn't depend on them")

	for _, test := range []struct {
		own  map[string]any
		want string
	}{
		{map[string]any{"partner_id": "other"}, `{"partner_id":"other","library":"bridge/1"}`},
		{map[string]any{"library": "other"}, `{"library":"other","partner_id":"partner"}`},
		{map[string]any{"library": nil, "dma": "d"}, `{"dma":"d","library":"bridge/1","partner_id":"partner"}`},
	} {
		e := with(nil)
		e.Passthrough = mapOf(t, test.own)
		assert.Equal(t, test.want, string(encoder.Append(nil, e)))
	}
}

func TestAppendSkipsTheSynchronization(t *testing.T) {
	encoder := Encoder{SkipUserPropertiesSync: true}
	e := with(given{event.Type: "type"})
	assertText(t, `{"event_type":"type","$skip_user_properties_sync":true}`, string(encoder.Append(nil, e)))
	e.Passthrough = mapOf(t, map[string]any{"$skip_user_properties_sync": false})
	assertText(t, `{"event_type":"type","$skip_user_properties_sync":true}`, string(encoder.Append(nil, e)))
}

func TestAppendPassthrough(t *testing.T) {
	other := pcommon.NewMap()
	other.PutStr("event_type", "not this")
	other.PutStr("dma", "Paris")
	other.PutStr("user_agent", "not this")
	other.PutInt("event_id", 7)
	other.PutEmpty("android_id")
	other.PutBool("$skip_user_properties_sync", true)
	other.PutStr("unknown", "not this")
	other.PutEmptyMap("plan").PutStr("branch", "main")
	other.PutDouble("ingestion_metadata", math.Inf(1))
	e := with(given{event.Type: "type"})
	e.Passthrough = other
	got, changes := encoded(e)
	assertText(t, `{"event_type":"type","dma":"Paris","event_id":7,`+
		`"$skip_user_properties_sync":true,"plan":{"branch":"main"},"ingestion_metadata":null}`, got)
	assert.Equal(t, changed(NotFinite), changes)
}

func TestPassthroughWritesNoFieldTwice(t *testing.T) {
	for _, f := range event.Fields() {
		assert.False(t, isPassthrough(f.APIName()), f.APIName())
	}
}

func TestAppendZeroAsANumber(t *testing.T) {
	got, _ := encoded(with(given{event.Price: 0.0, event.LocationLat: math.Copysign(0, -1)}))
	assertText(t, `{"location_lat":-0,"price":0}`, got)
}

// TestAppendRepeatedPassthrough repeats a key so often behind other keys that a lookup for each doesn't finish within the
// test's time limit.
func TestAppendRepeatedPassthrough(t *testing.T) {
	const n = 500_000
	var entries xpdata.MapBuilder
	for range n {
		entries.AppendEmpty("unknown")
	}
	for i := range n {
		entries.AppendEmpty("event_id").SetInt(int64(i))
		entries.AppendEmpty("dma")
	}
	e := with(given{event.Type: "type"})
	e.Passthrough = pcommon.NewMap()
	entries.UnsafeIntoMap(e.Passthrough)
	var encoder Encoder
	assertText(t, `{"event_type":"type","event_id":0}`, string(encoder.Append(nil, e)))
	assert.Equal(t, int64(n-1), encoder.Changed[RepeatedKey])
}

func TestAppendLeavesOutPropertiesThatAreOtherFields(t *testing.T) {
	properties := pcommon.NewMap()
	properties.EnsureCapacity(3)
	time := properties.PutEmpty("time")
	time.SetInt(1)
	properties.PutInt("a", 2)
	properties.PutEmptyMap("b").PutInt("time", 3)
	e := with(given{event.Properties: properties, event.UserProperties: properties})
	e.MarkRead(time)
	got, _ := encoded(e)
	assertText(t, `{"event_properties":{"a":2,"b":{"time":3}},"user_properties":{"time":1,"a":2,"b":{"time":3}}}`, got)

	alone := pcommon.NewMap()
	e = with(given{event.Properties: alone})
	e.MarkRead(alone.PutEmpty("time"))
	got, _ = encoded(e)
	assertText(t, `{"event_properties":{}}`, got)
}

// repeating returns a map with this number of keys, each of which occurs twice. Only the first value counts. Unless inner is
// 0, the first value of every tenth key is itself such a map, with inner keys.
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
		text := encoder.Append(nil, with(given{event.Properties: m}))
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
	fields.AppendEmpty("dma").SetStr("first")
	fields.AppendEmpty("dma").SetStr("second")
	other := pcommon.NewMap()
	fields.UnsafeIntoMap(other)
	e := with(nil)
	e.Passthrough = other
	got, changes := encoded(e)
	assertText(t, `{"dma":"first"}`, got)
	assert.Equal(t, changed(RepeatedKey), changes)

	wide, _ := repeating(maxFiltered, 0)
	e = with(given{event.Properties: wide})
	for key, value := range wide.All() {
		if key != "key 3" {
			e.MarkRead(value)
		}
	}
	got, changes = encoded(e)
	assertText(t, `{"event_properties":{"key 3":true}}`, got)
	assert.Equal(t, int64(maxFiltered), changes[RepeatedKey], "duplicates of other fields aren't properties either")
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
	hashed.SetText(event.InsertID, "")
	hashed.InvalidSession = true
	properties, _ := hashed.Map(event.Properties)
	variant, _ := properties.Get("variant")
	hashed.MarkRead(variant)
	// No text has invalid bytes, because the error that reports them costs an allocation.
	hashed.SetMap(event.Groups, mapOf(t, map[string]any{"bytes": []byte("bytes"), "\n": math.NaN(), "long": strings.Repeat("é", 2000)}))
	hashed.Passthrough, _ = repeating(maxFiltered, 0)
	userProperties, _ := repeating(100, 50)
	hashed.SetMap(event.UserProperties, userProperties)
	var encoder Encoder
	to := encoder.Append(nil, hashed)
	assert.Zero(t, testing.AllocsPerRun(100, func() { to = encoder.Append(to[:0], hashed) }))
}

func TestAppendAddedProperties(t *testing.T) {
	value := pcommon.NewValueStr("added")
	for want, e := range map[string]*event.Event{
		`{"event_properties":{"a":1,"b":"added"}}`:       with(given{event.Properties: mapOf(t, map[string]any{"a": int64(1)})}),
		`{"event_properties":{"a":"added","b":"added"}}`: with(nil),
	} {
		e.AddProperty("a", value)
		e.AddProperty("b", value)
		got, changes := encoded(e)
		assertText(t, want, got)
		assert.Zero(t, changes)
		e.Reset()
		e.SetMap(event.Properties, mapOf(t, map[string]any{}))
		got, _ = encoded(e)
		assertText(t, `{"event_properties":{}}`, got)
	}
}
