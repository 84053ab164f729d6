// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// eventsOfPresets are minimal events of each preset that looks at the event's root.
var eventsOfPresets = map[string]raw{
	"amplitude":   {"event_type": "any of them"},
	"segment":     {"type": "track", "event": "any of them"},
	"hightouch":   {"type": "Track", "event": "any of them"},
	"customerio":  {"event": "any of them", "messageId": "i"},
	"rudderstack": {"type": "track", "event": "any of them"},
	"jitsu":       {"event": "any of them", "anonymousId": "d"},
	"mparticle":   {"event_type": "custom_event", "data": raw{"event_name": "any of them"}},
	"snowplow":    {"event_name": "event", "se_action": "any of them"},
	"tealium":     {"tealium_event": "any of them"},
	"posthog":     {"event": "any of them", "properties": raw{"distinct_id": "u"}},
}

// place is one way in which an event arrives, with the records that are left and the index of the event.
type place struct {
	given
	records, index int
}

func placesOf(t *testing.T, of raw) map[string]place {
	t.Helper()
	text := func(v any) string {
		written, err := json.Marshal(v)
		require.NoError(t, err)
		return string(written)
	}
	other := raw{"no": "event"}
	return map[string]place{
		"body":                             {given{body: of}, 1, 0},
		"attributes":                       {given{attributes: of}, 1, 0},
		"attributes beside the line":       {given{body: text(of), attributes: of}, 1, 0},
		"JSON text":                        {given{body: text(of)}, 1, 0},
		"JSON text beside other things":    {given{body: text(of), attributes: raw{"log.file.name": "a.log"}}, 1, 0},
		"list":                             {given{body: []any{other, of}}, 2, 1},
		"batch in the body":                {given{body: raw{"batch": []any{of, other}}}, 2, 0},
		"events in the attributes":         {given{attributes: raw{"events": []any{of}}}, 1, 0},
		"list of batches":                  {given{body: []any{raw{"batch": []any{of}}}}, 1, 0},
		"list of batches of batches":       {given{body: []any{raw{"batch": []any{other, raw{"events": []any{other, of}}}}}}, 3, 2},
		"JSON text of a batch":             {given{body: text(raw{"batch": []any{other, of}})}, 2, 1},
		"JSON text of a list of envelopes": {given{body: text([]any{raw{"events": []any{of}}})}, 1, 0},
	}
}

func TestEventsOfEachPresetAtEachPlace(t *testing.T) {
	require.Len(t, eventsOfPresets, len(layout.Presets())-1)
	for name, event := range eventsOfPresets {
		for place, row := range placesOf(t, event) {
			t.Run(name+"/"+place, func(t *testing.T) {
				for _, types := range [][]string{nil, {"other", "any of them"}} {
					reader := newReader(t, types, layout.Config{Preset: "otel"}, complete(name))
					all, records := readRecord(t, reader, row.given)
					require.Equal(t, row.records, records.Len())
					require.Equal(t, []string{"any of them"}, typesOf(all))
					found := all[slices.IndexFunc(all, func(y yielded) bool { return y.problem == NoProblem })]
					assert.Equal(t, row.index, found.index)
					if types == nil {
						assert.Zero(t, found.typeIndex)
						assert.Len(t, all, row.records)
						continue
					}
					assert.Equal(t, 1, found.typeIndex)
					assert.Len(t, all, 1)
				}
			})
		}
	}
}

func TestAnyType(t *testing.T) {
	a := func(more raw) raw {
		more["event"] = "a"
		return more
	}
	for name, row := range map[string]struct {
		given
		// want is the type of the event, "" if there is none.
		want string
	}{
		"EventName":                        {given{name: "page.view", attributes: call("u")}, "page.view"},
		"event.name":                       {given{attributes: raw{"event.name": "page.view"}}, "page.view"},
		"the first layout claims":          {given{body: a(raw{"event_type": "b", "userId": "u"})}, "b"},
		"the body before the attributes":   {given{body: call("u"), attributes: raw{"event": "b", "userId": "u"}}, "a"},
		"the condition is met":             {given{body: a(raw{"type": "track"})}, "a"},
		"the condition isn't met":          {given{body: a(raw{"type": "page", "userId": "u"})}, ""},
		"the condition is met in the text": {given{body: `{"event": "a", "userId": "u"}`, attributes: raw{"event": "b", "type": "page"}}, "a"},
		"neither a type nor an id":         {given{body: a(raw{})}, ""},
		"an empty type":                    {given{body: raw{"event": "", "userId": "u"}}, ""},
		"not a string":                     {given{body: raw{"event": 3.5, "userId": "u"}, attributes: raw{"event_type": raw{}}}, ""},
		"not an event":                     {given{body: raw{"level": "info"}, attributes: raw{"log.file.name": "a.log"}}, ""},
		"a line":                           {given{body: "GET /"}, ""},
		"a JSON text of something else":    {given{body: `{"level": "info"}`}, ""},
		"an empty record":                  {given{}, ""},
		"an envelope without an event":     {given{body: raw{"batch": []any{a(raw{"type": "page"})}}}, ""},
		"a list of other things":           {given{body: []any{"a", true}}, ""},
		"an empty list":                    {given{body: raw{"batch": []any{}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			reader := newReader(t, nil, defaults...)
			all, records := readRecord(t, reader, row.given)
			require.Len(t, all, 1)
			assert.Equal(t, row.body, records.At(0).Body().AsRaw())
			assert.Equal(t, row.want, all[0].texts[event.Type])
			if row.want == "" {
				assert.Equal(t, yielded{problem: NotAnEvent, bodyType: records.At(0).Body().Type()}, all[0])
			} else {
				assert.Equal(t, NoProblem, all[0].problem)
			}
		})
	}
}

// FuzzAnyType holds a reader of any type against one of some: what the other finds, it finds too, or it yields why not. It
// also reads twice, which must not change anything more.
func FuzzAnyType(f *testing.F) {
	f.Add("", `{"event": "a", "userId": 3}`, `{}`, false)
	f.Add("a", `"a line"`, `{"event.name": "b", "user.id": "u"}`, false)
	f.Add("", `{"batch": [{"event_type": "a"}, {"tealium_event": "b"}], "type": "page"}`, `{"event": "b"}`, true)
	f.Add("", `[{"events": [{"event_type": "custom_event", "data": {"event_name": "a"}}]}]`, `{"batch": [{"event": "c"}]}`, true)
	f.Add("", `{"userId": "u", "timestamp": 1, "batch": [{"events": [{"event": "a", "originalTimestamp": 2}]}]}`, `{"x": null}`, false)
	f.Add("", `{"batch": [{"batch": [{"batch": [{"batch": [{"event_type": "a"}]}]}]}, {"event_name": "event", "se_action": "b"}]}`, `{}`, true)
	f.Add("", `{"event": "a", "distinct_id": "d", "properties": {"$device_id": "d"}}`, `{"events": [{"event": "b", "type": "Track"}, 1]}`, true)
	configs := []layout.Config{
		{Preset: "otel"},
		{Preset: "mparticle"},
		{Preset: "amplitude"},
		{Preset: "segment"},
		{Preset: "posthog"},
		complete("snowplow"), complete("tealium"),
	}
	orders := [][]layout.Config{configs, configs[1:]}
	f.Fuzz(func(t *testing.T, name, body, attributes string, asText bool) {
		in := given{name: name}
		if json.Unmarshal([]byte(attributes), &in.attributes) != nil || json.Unmarshal([]byte(body), &in.body) != nil {
			return
		}
		if asText {
			in.body = body
		}
		for _, order := range orders {
			assertAnyFindsMore(t, order, in)
		}
	})
}

func assertAnyFindsMore(t *testing.T, configs []layout.Config, in given) {
	t.Helper()
	types := []string{"a", "b"}
	some, anyType := newReader(t, types, configs...), newReader(t, nil, configs...)
	found, records := readRecord(t, some, in)
	assertReadingAgainChangesNothing(t, some, records, found)
	foundAny, records := readRecord(t, anyType, in)
	assertReadingAgainChangesNothing(t, anyType, records, foundAny)
	require.Len(t, foundAny, records.Len())
	for i := range found {
		require.True(t, found[i].problem != NoProblem || types[found[i].typeIndex] == found[i].texts[event.Type])
	}
	problems := slices.ContainsFunc(foundAny, func(y yielded) bool { return y.problem > NotAnEvent })
	for i := range foundAny {
		require.Equal(t, foundAny[i].problem == NoProblem, foundAny[i].texts[event.Type] != "")
	}
	if len(typesOf(found)) > 0 {
		require.True(t, problems || len(typesOf(foundAny)) > 0)
	}
	if _, isText := in.body.(string); isText && (in.attributes["batch"] != nil || in.attributes["events"] != nil) {
		// Events of other types in the attributes can hide those in the text.
		return
	}
	if !problems && len(typesOf(found)) > 0 {
		listed := slices.DeleteFunc(typesOf(foundAny), func(eventType string) bool { return !slices.Contains(types, eventType) })
		require.Equal(t, typesOf(found), listed)
	}
}

func assertReadingAgainChangesNothing(t *testing.T, reader *Reader, records plog.LogRecordSlice, first []yielded) {
	t.Helper()
	before := rawOf(records)
	require.Equal(t, first, readAll(reader, pcommon.NewResource(), records))
	require.Equal(t, before, rawOf(records))
}
