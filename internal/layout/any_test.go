// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// complete is a preset with what it leaves to its user.
func complete(name string) Config {
	return Config{
		Preset: name, UserID: []string{`event["user"]`},
		Properties: map[string][]string{"snowplow": {`event["unstruct_event_com_acme_impression_1"]`}}[name],
	}
}

// eventsOfPresets are the least of an event of each preset that starts at a root.
var eventsOfPresets = map[string]raw{
	"amplitude":   {"event_type": "any of them"},
	"segment":     {"type": "track", "event": "any of them"},
	"hightouch":   {"type": "track", "event": "any of them"},
	"customerio":  {"event": "any of them"},
	"rudderstack": {"type": "track", "event": "any of them"},
	"jitsu":       {"type": "track", "event": "any of them"},
	"mparticle":   {"event_type": "custom_event", "data": raw{"event_name": "any of them"}},
	"snowplow":    {"event_name": "any of them"},
	"tealium":     {"tealium_event": "any of them"},
}

// placesOf are all ways in which an event arrives, with what Find says of each.
func placesOf(t *testing.T, event raw) map[string]struct {
	given
	want int
} {
	t.Helper()
	text := func(v any) string {
		written, err := json.Marshal(v)
		require.NoError(t, err)
		return string(written)
	}
	other := raw{"no": "event"}
	type place = struct {
		given
		want int
	}
	return map[string]place{
		"body":                             {given{body: event}, 0},
		"attributes":                       {given{attributes: event}, 0},
		"attributes beside the line":       {given{body: text(event), attributes: event}, 0},
		"JSON text":                        {given{body: text(event)}, 0},
		"JSON text beside other things":    {given{body: text(event), attributes: raw{"log.file.name": "a.log"}}, 0},
		"list":                             {given{body: []any{other, event}}, Envelope},
		"batch in the body":                {given{body: raw{"batch": []any{event, other}}}, Envelope},
		"events in the attributes":         {given{attributes: raw{"events": []any{event}}}, Envelope},
		"list of batches":                  {given{body: []any{raw{"batch": []any{event}}}}, Envelope},
		"JSON text of a batch":             {given{body: text(raw{"batch": []any{other, event}})}, Envelope},
		"JSON text of a list of envelopes": {given{body: text([]any{raw{"events": []any{event}}})}, Envelope},
	}
}

func TestAnyTypeOfEachPresetAtEachPlace(t *testing.T) {
	require.Len(t, eventsOfPresets, len(Presets())-1)
	for name, event := range eventsOfPresets {
		layouts, err := Compile([]Config{{Preset: "otel"}, complete(name)})
		require.NoError(t, err)
		for place, row := range placesOf(t, event) {
			t.Run(name+"/"+place, func(t *testing.T) {
				for _, types := range [][]string{nil, {"other", "any of them"}} {
					reader := NewReader(layouts, types, limits)
					resource, record := recordOf(t, row.given)
					require.False(t, reader.IsOther(record))
					records := plog.NewLogRecordSlice()
					record.MoveTo(records.AppendEmpty())
					found := reader.Find(resource, records.At(0))
					if types != nil && found > 0 {
						found--
					}
					require.Equal(t, row.want, found)
					reader.UnrollAll(resource, records, 0)
					assert.Equal(t, []string{"any of them"}, typesIn(reader, resource, records))
				}
			})
		}
	}
}

// typesIn are the types of the events among records.
func typesIn(reader *Reader, resource pcommon.Resource, records plog.LogRecordSlice) []string {
	var types []string
	for _, record := range records.All() {
		if reader.Find(resource, record) >= 0 {
			types = append(types, reader.EventType())
		}
	}
	return types
}

func TestAnyType(t *testing.T) {
	for name, row := range map[string]struct {
		given
		want      int
		eventType string
	}{
		"EventName":                    {given{name: "page.view", attributes: raw{"event": "a"}}, 0, "page.view"},
		"event.name":                   {given{attributes: raw{"event.name": "page.view"}}, 0, "page.view"},
		"the first layout claims":      {given{body: raw{"event": "a", "event_type": "b"}}, 0, "b"},
		"the body goes first":          {given{body: raw{"event": "a"}, attributes: raw{"event": "b"}}, 0, "a"},
		"the condition is met":         {given{body: raw{"event": "a", "type": "track"}}, 0, "a"},
		"the condition is not met":     {given{body: raw{"event": "a", "type": "page"}}, NotFound, ""},
		"met in the text":              {given{body: `{"event": "a"}`, attributes: raw{"event": "b", "type": "page"}}, 0, "a"},
		"an empty type":                {given{body: raw{"event": ""}}, NotFound, ""},
		"no text":                      {given{body: raw{"event": 3}, attributes: raw{"event_type": raw{}}}, NotFound, ""},
		"no event":                     {given{body: raw{"level": "info"}, attributes: raw{"log.file.name": "a.log"}}, NotFound, ""},
		"a line":                       {given{body: "GET /"}, NotFound, ""},
		"a JSON text of something":     {given{body: `{"level": "info"}`}, NotFound, ""},
		"an empty record":              {given{}, NotFound, ""},
		"an envelope without an event": {given{body: raw{"batch": []any{raw{"event": "a", "type": "page"}}}}, NotFound, ""},
		"a list of other things":       {given{body: []any{"a", 3}}, NotFound, ""},
		"an empty list":                {given{body: raw{"batch": []any{}}}, NotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			layouts, err := Compile(defaults)
			require.NoError(t, err)
			reader := NewReader(layouts, nil, limits)
			resource, record := recordOf(t, row.given)
			_, before := recordOf(t, row.given)
			require.Equal(t, row.want, reader.Find(resource, record))
			assert.Equal(t, row.eventType, reader.EventType())
			if row.want == NotFound {
				assert.Equal(t, before.Body().AsRaw(), record.Body().AsRaw())
			}
			reader.Reset()
			assert.Empty(t, reader.EventType())
		})
	}
}

// TestUpdatesOfTheProcessor reads the user property record that the processor emits: its EventName makes it one of otel's
// where that layout is the first, but its fields have Amplitude's names.
func TestUpdatesOfTheProcessor(t *testing.T) {
	in := given{name: "$identify", attributes: raw{
		"event_type": "$identify", "user_id": "u", "device_id": "d", "insert_id": "i-user-property", "user_properties": raw{"$set": raw{"k": "v"}},
	}}
	reader := foundIn(t, Config{Preset: "amplitude"}, in)
	assert.Equal(t, []string{"$identify", "u", "d", "i-user-property"}, []string{reader.EventType(), reader.UserID(), reader.DeviceID(), reader.InsertID()})
	assert.Equal(t, fields{userProperties: raw{"$set": raw{"k": "v"}}}, fieldsOf(reader))
	reader = foundIn(t, Config{Preset: "otel"}, in)
	assert.Empty(t, reader.UserID())
}

func TestAnyTypeSkipsNoLength(t *testing.T) {
	layouts, err := Compile(defaults)
	require.NoError(t, err)
	reader := NewReader(layouts, nil, limits)
	name := ""
	for range 130 {
		_, record := recordOf(t, given{name: name})
		assert.False(t, reader.IsOther(record), name)
		name += "x"
	}
}

func TestNoTypesAreNotAnyType(t *testing.T) {
	layouts, err := Compile(defaults)
	require.NoError(t, err)
	reader := NewReader(layouts, []string{}, limits)
	for _, in := range []given{{name: "a"}, {body: raw{"event": "a"}}, {body: `{"event": "a"}`}} {
		resource, record := recordOf(t, in)
		assert.Equal(t, NotFound, reader.Find(resource, record))
	}
}

func TestUnrollAll(t *testing.T) {
	layouts, err := Compile(defaults)
	require.NoError(t, err)
	reader := NewReader(layouts, nil, limits)
	records := plog.NewLogRecordSlice()
	for _, in := range []given{
		{body: raw{"batch": []any{raw{"event": "left"}, raw{"event": "as it is"}}}},
		{name: "first"},
		{body: []any{raw{"batch": []any{raw{"event": "b"}, raw{"no": "event"}, raw{"event": "c"}}}, raw{"event": "d"}}},
		{body: "a line"},
		{body: `{"events": [{"event_type": "e"}, {"event_type": "f"}]}`},
		{attributes: raw{"event": "last"}},
	} {
		_, record := recordOf(t, in)
		record.MoveTo(records.AppendEmpty())
	}
	resource := pcommon.NewResource()
	reader.UnrollAll(resource, records, 1)
	assert.Equal(t, 10, records.Len())
	assert.Equal(t, Envelope, reader.Find(resource, records.At(0)))
	assert.Equal(t, []string{"first", "b", "c", "d", "e", "f", "last"}, typesIn(reader, resource, records))
	assert.Zero(t, reader.Seen.Untouched)
}

func TestEventsOfAnyTypeAllocateNothing(t *testing.T) {
	layouts, err := Compile(defaults)
	require.NoError(t, err)
	reader := NewReader(layouts, nil, limits)
	for name, in := range map[string]given{
		"named":      {name: "page.view", attributes: raw{"user.id": "u"}},
		"attributes": {body: "line", attributes: raw{"event": "a", "userId": "u", "context": raw{"ip": "203.0.113.7"}}},
		"body":       {body: raw{"event_type": "a", "user_id": "u", "event_properties": raw{}}},
	} {
		resource, record := recordOf(t, in)
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			require.Equal(t, 0, reader.Find(resource, record))
			_, _ = reader.Properties()
			_, _ = reader.UserProperties()
			_, _, _ = reader.UserID(), reader.IP(), reader.IsField("userId")
		}), name)
	}
}

// FuzzAnyType holds a reader of any type against one of some: it finds what the other finds, or counts why not.
func FuzzAnyType(f *testing.F) {
	f.Add("", `{"event": "a", "userId": 3}`, `{}`, false)
	f.Add("a", `"a line"`, `{"event.name": "b", "user.id": "u"}`, false)
	f.Add("", `{"batch": [{"event_type": "a"}, {"tealium_event": "b"}], "type": "page"}`, `{"event": "b"}`, true)
	f.Add("", `[{"events": [{"event_type": "custom_event", "data": {"event_name": "a"}}]}]`, `{"batch": [{"event": "c"}]}`, true)
	configs := []Config{{Preset: "otel"}, {Preset: "mparticle"}, {Preset: "amplitude"}, {Preset: "segment"}, complete("tealium")}
	var compiled []*Layouts
	for _, order := range [][]Config{configs, configs[1:]} {
		layouts, err := Compile(order)
		require.NoError(f, err)
		compiled = append(compiled, layouts)
	}
	f.Fuzz(func(t *testing.T, name, body, attributes string, asText bool) {
		in := given{name: name}
		if json.Unmarshal([]byte(attributes), &in.attributes) != nil || json.Unmarshal([]byte(body), &in.body) != nil {
			return
		}
		if asText {
			in.body = body
		}
		for _, layouts := range compiled {
			assertAnyFindsMore(t, layouts, in)
		}
	})
}

func assertAnyFindsMore(t *testing.T, layouts *Layouts, in given) {
	t.Helper()
	types := []string{"a", "b"}
	some, anyType := NewReader(layouts, types, limits), NewReader(layouts, nil, limits)
	resource, record := recordOf(t, in)
	found := some.Find(resource, record)
	resource, record = recordOf(t, in)
	foundAny := anyType.Find(resource, record)
	switch {
	case found == NotFound:
	case found >= 0 && foundAny >= 0:
		require.Equal(t, types[found], anyType.EventType())
	default:
		require.True(t, foundAny != NotFound || anyType.Seen.Untouched != [UntouchedReasons]int64{})
	}
	if foundAny >= 0 {
		require.NotEmpty(t, anyType.EventType())
		_ = fieldsOf(anyType)
		for key := range anyType.Root().All() {
			anyType.IsField(key)
		}
	}
	records := plog.NewLogRecordSlice()
	record.MoveTo(records.AppendEmpty())
	anyType.UnrollAll(resource, records, 0)
	if foundAny >= 0 || foundAny == Envelope {
		require.NotEmpty(t, typesIn(anyType, resource, records))
	}
}
