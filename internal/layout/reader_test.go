// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

type raw = map[string]any

// given is a log record as raw values.
type given struct {
	name       string
	body       any
	attributes raw
	resource   raw
}

// read is what a Reader reads of a record.
type read struct {
	eventType, userID, deviceID, insertID string
	properties                            raw
}

func readOf(t *testing.T, configs []Config, in given) read {
	t.Helper()
	layouts, err := Compile(configs)
	require.NoError(t, err)
	resource, record := recordOf(t, in)
	reader := NewReader(layouts, eventTypes, limits)
	found := reader.Find(resource, record)
	if found == NotFound {
		return read{}
	}
	out := read{eventType: eventTypes[found]}
	out.userID, out.deviceID, out.insertID = reader.UserID(), reader.DeviceID(), reader.InsertID()
	if properties, isMap := reader.Properties(); isMap {
		out.properties = properties.AsRaw()
	}
	return out
}

func recordOf(t *testing.T, in given) (pcommon.Resource, plog.LogRecord) {
	t.Helper()
	resource, record := pcommon.NewResource(), plog.NewLogRecord()
	record.SetEventName(in.name)
	require.NoError(t, record.Body().FromRaw(in.body))
	require.NoError(t, record.Attributes().FromRaw(in.attributes))
	require.NoError(t, resource.Attributes().FromRaw(in.resource))
	return resource, record
}

// eventTypes are all event types that the tables below expect.
var eventTypes = []string{"page.view", "a", "of body", "of attributes", "of otel", "of amplitude", "of segment"}

var limits = jsonvalue.Limits{MaxDepth: 40, MaxBytes: 4 << 20, MaxValues: 100_000}

var defaults = []Config{{Preset: "otel"}, {Preset: "amplitude"}, {Preset: "segment"}}

func TestPresets(t *testing.T) {
	for name, row := range map[string]struct {
		given
		want read
	}{
		"otel": {
			given{name: "page.view", attributes: raw{"user.id": "u", "device.id": "d", "log.record.uid": "i"}},
			read{"page.view", "u", "d", "i", raw{"user.id": "u", "device.id": "d", "log.record.uid": "i"}},
		},
		"otel, name in the attribute": {
			given{attributes: raw{"event.name": "page.view"}},
			read{eventType: "page.view", properties: raw{"event.name": "page.view"}},
		},
		"otel, the field goes before the attribute": {
			given{name: "a", attributes: raw{"event.name": "b"}},
			read{eventType: "a", properties: raw{"event.name": "b"}},
		},
		"otel, older names of the identity": {
			given{name: "a", attributes: raw{"enduser.id": "u", "app.installation.id": "d"}},
			read{"a", "u", "d", "", raw{"enduser.id": "u", "app.installation.id": "d"}},
		},
		"otel, identity of the resource": {
			given{name: "a", resource: raw{"user.id": "u", "app.installation.id": "d"}},
			read{"a", "u", "d", "", raw{}},
		},
		"otel, the record's identity goes before the resource's": {
			given{name: "a", attributes: raw{"enduser.id": "of record"}, resource: raw{"user.id": "of resource"}},
			read{"a", "of record", "", "", raw{"enduser.id": "of record"}},
		},
		"amplitude": {
			given{body: raw{"event_type": "a", "user_id": "u", "device_id": "d", "insert_id": "i", "event_properties": raw{"k": "v"}}},
			read{"a", "u", "d", "i", raw{"k": "v"}},
		},
		"amplitude in the attributes, as exported": {
			given{body: "a raw line", attributes: raw{"event_type": "a", "user_id": "u", "$insert_id": "i", "event_properties": raw{}}},
			read{"a", "u", "", "i", raw{}},
		},
		"segment": {
			given{body: raw{
				"type": "track", "event": "a", "userId": "u", "anonymousId": "anonymous", "messageId": "i",
				"context": raw{"device": raw{"id": "d"}}, "properties": raw{"k": "v"},
			}},
			read{"a", "u", "d", "i", raw{"k": "v"}},
		},
		"segment in the attributes": {
			given{body: "a raw line", attributes: raw{"type": nil, "event": "a", "anonymousId": "anonymous", "context": "no map"}},
			read{eventType: "a", deviceID: "anonymous"},
		},
		"segment, no track call": {
			given{body: raw{"type": "page", "event": "a"}},
			read{},
		},
		"segment, type that is no text": {
			given{body: raw{"type": 3, "event": "a"}},
			read{},
		},
		"the body goes before the attributes": {
			given{body: raw{"event": "of body", "userId": "b"}, attributes: raw{"event": "of attributes", "userId": "a"}},
			read{eventType: "of body", userID: "b"},
		},
		"a body without event type": {
			given{body: raw{"userId": "b"}, attributes: raw{"event": "of attributes", "userId": "a"}},
			read{eventType: "of attributes", userID: "a"},
		},
		"the first layout that finds one claims": {
			given{body: raw{"event": "of segment", "event_type": "of amplitude"}, attributes: raw{"event.name": "of otel"}},
			read{eventType: "of otel", properties: raw{"event.name": "of otel"}},
		},
		"an earlier layout at the attributes goes before a later one in the body": {
			given{body: raw{"event": "of segment"}, attributes: raw{"event_type": "of amplitude"}},
			read{eventType: "of amplitude"},
		},
		"names that are no text": {given{body: raw{"event": 3}, attributes: raw{"event": []any{"a"}, "event_type": raw{}, "event.name": nil}}, read{}},
		"an empty name":          {given{body: raw{"event": ""}}, read{}},
		"another name":           {given{name: "other", attributes: raw{"event": "a"}}, read{}},
		"claimed by another":     {given{body: raw{"event": "a"}, attributes: raw{"event_type": "other"}}, read{}},
		"no event":               {given{body: "a line", attributes: raw{"log.file.name": "a.log"}}, read{}},
		"properties are no map":  {given{body: raw{"event": "a", "properties": []any{}}}, read{eventType: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, row.want, readOf(t, defaults, row.given))
		})
	}
}

func TestIDs(t *testing.T) {
	for _, row := range []struct {
		user   any
		device any
		want   string
	}{
		{user: "u", want: "u"},
		{user: " kept 'as' \"it\" is ", want: " kept 'as' \"it\" is "},
		{user: 42, want: "42"},
		{user: float64(20260101000000001), want: "20260101000000000"},
		{user: "", want: ""},
		{user: nil, want: ""},
		{user: true, want: ""},
		{user: []any{"u"}, want: ""},
		{user: raw{"id": "u"}, want: ""},
	} {
		got := readOf(t, defaults, given{body: raw{"event": "a", "userId": row.user}})
		assert.Equal(t, row.want, got.userID, row.user)
	}
}

func TestLayoutsByHand(t *testing.T) {
	t.Run("all by hand", func(t *testing.T) {
		configs := []Config{{
			EventType:  []string{`log.attributes["name"]`},
			Properties: []string{`log.attributes["missing"]`, `log.body`},
			UserID:     []string{`log.attributes["empty"]`, `resource.attributes["user"]["id"]`},
			DeviceID:   []string{`event["device"]`},
			InsertID:   []string{`log.body["id"]`},
		}}
		got := readOf(t, configs, given{
			body: raw{"id": "i"}, attributes: raw{"name": "a", "empty": "", "device": "d"}, resource: raw{"user": raw{"id": "u"}},
		})
		assert.Equal(t, read{"a", "u", "d", "i", raw{"id": "i"}}, got)
	})
	t.Run("the event starts where its type is", func(t *testing.T) {
		configs := []Config{{
			EventType: []string{`log.attributes["name"]`, `log.body["inner"]["name"]`}, Properties: []string{`event`}, UserID: []string{`event["id"]`},
		}}
		body, attributes := raw{"id": "of body", "inner": raw{"name": "a"}}, raw{"id": "of attributes"}
		assert.Equal(t, read{eventType: "a", userID: "of body", properties: body}, readOf(t, configs, given{body: body, attributes: attributes}))
		attributes["name"] = "a"
		assert.Equal(t, read{eventType: "a", userID: "of attributes", properties: attributes}, readOf(t, configs, given{body: body, attributes: attributes}))
	})
	t.Run("the body is the event type", func(t *testing.T) {
		configs := []Config{{EventType: []string{`log.body`}, Properties: []string{`log.attributes`}, UserID: []string{`event["u"]`}}}
		attributes := raw{"u": "user"}
		assert.Equal(t, read{eventType: "a", userID: "user", properties: attributes}, readOf(t, configs, given{body: "a", attributes: attributes}))
		assert.Equal(t, read{}, readOf(t, configs, given{body: raw{"a": "b"}, attributes: attributes}))
	})
	t.Run("a preset with fields replaced and removed", func(t *testing.T) {
		configs := []Config{{Preset: "segment", UserID: []string{`event["anon"]`}, InsertID: []string{}}}
		body := raw{"event": "a", "anon": "u", "userId": "not this", "messageId": "not this"}
		assert.Equal(t, read{eventType: "a", userID: "u"}, readOf(t, configs, given{body: body}))
	})
	t.Run("a preset keeps its condition where its event type is replaced", func(t *testing.T) {
		for _, replaced := range []string{`log.event_name`, `log.attributes["name"]`, `event["name"]`} {
			configs := []Config{{Preset: "segment", EventType: []string{replaced}}}
			in := given{name: "a", attributes: raw{"name": "a", "type": "page"}}
			assert.Equal(t, read{}, readOf(t, configs, in), replaced)
			in.attributes["type"] = "track"
			assert.Equal(t, "a", readOf(t, configs, in).eventType, replaced)
		}
	})
}

func TestCompileBoundsTheKeys(t *testing.T) {
	var configs []Config
	for i := range 31 {
		configs = append(configs, Config{EventType: []string{fmt.Sprintf(`event["%d"]`, i)}, Properties: []string{"event"}})
	}
	_, err := Compile(configs[:30])
	require.NoError(t, err)
	_, err = Compile(configs)
	assert.ErrorContains(t, err, `layouts[30].event_type: "30": the layouts look for event types under more than 30 different keys`)
}

func TestTimeOfAnEvent(t *testing.T) {
	const own, listed, second, recorded = 1790000000001, 1790000000002, 1790000000003, 1790000000004
	millisecond := func(ms int64) pcommon.Timestamp { return pcommon.Timestamp(ms * 1e6) }
	for name, row := range map[string]struct {
		in       given
		own      any
		recorded int64
		want     int64
	}{
		"the properties' own goes first": {in: given{body: raw{"event": "a", "timestamp": listed}}, own: own, recorded: recorded, want: own},
		"then the layout's":              {in: given{body: raw{"event": "a", "timestamp": listed}}, own: "NOW", recorded: recorded, want: listed},
		"in their order":                 {in: given{body: raw{"event": "a", "timestamp": 0, "sentAt": second, "receivedAt": listed}}, want: second},
		"then the record's":              {in: given{body: raw{"event": "a"}}, recorded: recorded, want: recorded},
		"none":                           {in: given{body: raw{"event": "a", "timestamp": "9999-12-31T00:00:00Z"}}, own: -1, want: 0},
		"otel: the record's":             {in: given{name: "a"}, recorded: recorded, want: recorded},
		"otel: none":                     {in: given{name: "a"}, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			layouts, err := Compile(defaults)
			require.NoError(t, err)
			resource, record := recordOf(t, row.in)
			record.SetTimestamp(millisecond(row.recorded))
			reader := NewReader(layouts, []string{"a"}, limits)
			require.Equal(t, 0, reader.Find(resource, record))
			assert.Equal(t, millisecond(row.want), reader.Time(value(t, row.own)))
		})
	}
}

func TestSetEventType(t *testing.T) {
	layouts, err := Compile([]Config{{
		EventType: []string{`log.event_name`, `log.attributes["name"]`, `event["inner"]["name"]`}, Properties: []string{"event"},
	}})
	require.NoError(t, err)
	resource, record := recordOf(t, given{name: "a", attributes: raw{"name": "another", "inner": raw{"name": "a"}}})
	reader := NewReader(layouts, []string{"a"}, limits)
	require.Equal(t, 0, reader.Find(resource, record))
	reader.SetEventType("a", "b")
	assert.Equal(t, "b", record.EventName())
	assert.Equal(t, raw{"name": "another", "inner": raw{"name": "b"}}, record.Attributes().AsRaw())
}

func TestRecordsThatAreNoEventsAllocateNothing(t *testing.T) {
	layouts, err := Compile(defaults)
	require.NoError(t, err)
	reader := NewReader(layouts, []string{"$impression"}, limits)
	for name, in := range map[string]given{
		"named":      {name: "page.view", attributes: raw{"a": "b"}},
		"attributes": {body: "line", attributes: raw{"event": "a", "type": "track", "context": raw{}}},
		"body":       {body: raw{"event": "a", "type": "page", "context": raw{}}},
		"line":       {body: "line", attributes: raw{"log.file.name": "a.log"}},
	} {
		resource, record := recordOf(t, in)
		assert.Equal(t, NotFound, reader.Find(resource, record), name)
		assert.Zero(t, testing.AllocsPerRun(100, func() { reader.Find(resource, record) }), name)
	}
}

func TestIsOtherOnlyWhatFindDoesNotFind(t *testing.T) {
	long := strings.Repeat("x", 64+len("$impression"))
	for _, configs := range [][]Config{defaults, {{Preset: "segment"}, {Preset: "otel"}}} {
		layouts, err := Compile(configs)
		require.NoError(t, err)
		reader := NewReader(layouts, []string{"$impression", strings.Repeat("y", 64)}, limits)
		for _, name := range []string{"", "page.view", "$impression", "page.viewed", long, strings.Repeat("y", 64)} {
			resource, record := recordOf(t, given{name: name, attributes: raw{"event.name": "$impression"}})
			if reader.IsOther(record) {
				assert.Equal(t, NotFound, reader.Find(resource, record), name)
			}
		}
		_, other := recordOf(t, given{name: "page.view"})
		assert.Equal(t, configs[0].Preset == "otel", reader.IsOther(other))
	}
}
