// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// complete returns a preset with the fields that it leaves to its user.
func complete(name string) layout.Config {
	config := layout.Config{Preset: name}
	switch name {
	case "snowplow":
		config.Paths = paths{"properties": {`event["unstruct_event_com_acme_impression_1"]`}}
	case "tealium":
		config.Paths = paths{"user_id": {`event["customer_id"]`}}
	}
	return config
}

func TestDefaultLayouts(t *testing.T) {
	for name, row := range map[string]struct {
		given
		want identity
	}{
		"otel": {
			given{name: "page.view", attributes: raw{"user.id": "u", "device.id": "d", "log.record.uid": "i"}},
			identity{"page.view", "u", "d", "i", raw{"user.id": "u", "device.id": "d", "log.record.uid": "i"}},
		},
		"otel, name in the attribute": {
			given{attributes: raw{"event.name": "page.view"}},
			identity{eventType: "page.view", properties: raw{"event.name": "page.view"}},
		},
		"otel, EventName before the attribute": {
			given{name: "a", attributes: raw{"event.name": "b"}},
			identity{eventType: "a", properties: raw{"event.name": "b"}},
		},
		"otel, older names of the identity": {
			given{name: "a", attributes: raw{"enduser.id": "u", "app.installation.id": "d"}},
			identity{"a", "u", "d", "", raw{"enduser.id": "u", "app.installation.id": "d"}},
		},
		"otel, identity of the resource": {
			given{name: "a", resource: raw{"user.id": "u", "app.installation.id": "d"}},
			identity{"a", "u", "d", "", raw{}},
		},
		"otel, the record's identity before the resource's": {
			given{name: "a", attributes: raw{"enduser.id": "of record"}, resource: raw{"user.id": "of resource"}},
			identity{"a", "of record", "", "", raw{"enduser.id": "of record"}},
		},
		"otel, properties in the body": {
			given{name: "a", attributes: raw{"user.id": "u"}, body: raw{"flag_key": "f", "variant": "on"}},
			identity{"a", "u", "", "", raw{"flag_key": "f", "variant": "on"}},
		},
		"otel, properties in the body in post form": {
			given{name: "a", body: raw{"[Experiment] Flag Key": "f"}},
			identity{eventType: "a", properties: raw{"[Experiment] Flag Key": "f"}},
		},
		"otel, a flag key in the attributes before one in the body": {
			given{name: "a", attributes: raw{"flag_key": "f"}, body: raw{"flag_key": "g"}},
			identity{eventType: "a", properties: raw{"flag_key": "f"}},
		},
		"otel, a body that isn't a map": {
			given{name: "a", attributes: raw{"k": "v"}, body: `{"flag_key": "f"}`},
			identity{eventType: "a", properties: raw{"k": "v"}},
		},
		"amplitude": {
			given{body: raw{"event_type": "a", "user_id": "u", "device_id": "d", "insert_id": "i", "event_properties": raw{"k": "v"}}},
			identity{"a", "u", "d", "i", raw{"k": "v"}},
		},
		"amplitude in the attributes, as exported": {
			given{body: "a raw line", attributes: raw{"event_type": "a", "user_id": "u", "$insert_id": "i", "event_properties": raw{}}},
			identity{"a", "u", "", "i", raw{}},
		},
		"segment": {
			given{body: raw{
				"type": "track", "event": "a", "userId": "u", "anonymousId": "anon-1", "messageId": "i",
				"context": raw{"device": raw{"id": "d"}}, "properties": raw{"k": "v"},
			}},
			identity{"a", "u", "d", "i", raw{"k": "v"}},
		},
		"segment in the attributes": {
			given{body: "a raw line", attributes: raw{"type": nil, "event": "a", "anonymousId": "anon-1", "context": "not a map"}},
			identity{eventType: "a", deviceID: "anon-1"},
		},
		"segment, not a track call":         {given{body: raw{"type": "page", "event": "a", "userId": "u"}}, identity{}},
		"segment, type that isn't a string": {given{body: raw{"type": 3, "event": "a", "userId": "u"}}, identity{}},
		"segment, neither a type nor an id": {given{body: raw{"event": "a"}}, identity{}},
		"segment, no type and ids are null": {given{body: raw{"event": "a", "userId": nil, "messageId": nil}}, identity{}},
		"segment, a type in upper case":     {given{body: raw{"type": "TRACK", "event": "a"}}, identity{eventType: "a"}},
		"segment, a type but no id":         {given{body: raw{"type": "Track", "event": "a"}}, identity{eventType: "a"}},
		"segment, a message id but no type": {given{body: raw{"event": "a", "messageId": "i"}}, identity{eventType: "a", insertID: "i"}},
		"segment, an anonymous id, no type": {given{body: raw{"event": "a", "anonymousId": "d"}}, identity{eventType: "a", deviceID: "d"}},
		"the body before the attributes": {
			given{body: raw{"event": "of body", "userId": "b"}, attributes: raw{"event": "of attributes", "userId": "a"}},
			identity{eventType: "of body", userID: "b"},
		},
		"a body without an event type": {
			given{body: raw{"userId": "b"}, attributes: raw{"event": "of attributes", "userId": "a"}},
			identity{eventType: "of attributes", userID: "a"},
		},
		"the first layout that finds one claims": {
			given{body: raw{"event": "of segment", "type": "track", "event_type": "of amplitude"}, attributes: raw{"event.name": "of otel"}},
			identity{eventType: "of otel", properties: raw{"event.name": "of otel"}},
		},
		"an earlier layout in the attributes before a later one in the body": {
			given{body: raw{"event": "of segment", "type": "track"}, attributes: raw{"event_type": "of amplitude"}},
			identity{eventType: "of amplitude"},
		},
		"names that aren't strings": {
			given{
				body:       raw{"event": 3, "type": "track"},
				attributes: raw{"event": []any{"a"}, "type": "track", "event_type": raw{}, "event.name": nil},
			},
			identity{},
		},
		"an empty name": {given{body: raw{"event": "", "userId": "u"}}, identity{}},
		"another name":  {given{name: "other", attributes: raw{"event": "a", "userId": "u"}}, identity{}},
		"claimed by another": {
			given{body: raw{"event": "a", "userId": "u"}, attributes: raw{"event_type": "other"}}, identity{},
		},
		"not an event": {given{body: "a line", attributes: raw{"log.file.name": "a.log"}}, identity{}},
		"properties that aren't a map": {
			given{body: raw{"event": "a", "userId": "u", "properties": []any{}}}, identity{eventType: "a", userID: "u"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, row.want, identityOf(t, defaults, row.given))
		})
	}
}

// TestPresetsOfCDPs reads an event of each preset as the producer's documentation shows it.
func TestPresetsOfCDPs(t *testing.T) {
	const at = 1790000000123
	call := func(more raw) raw {
		event := raw{
			"type": "track", "event": "a", "userId": "u", "anonymousId": "anon-1", "messageId": "i", "properties": raw{"k": "v"},
			"context": raw{"device": raw{"id": "d"}, "sessionId": int64(3)},
		}
		maps.Copy(event, more)
		return event
	}
	rows := map[string]struct {
		event      raw
		user       string
		device     string
		insert     string
		time       int64
		session    int64
		invalid    bool
		properties raw
	}{
		"segment": {
			event: call(raw{"receivedAt": at + 1, "timestamp": at, "integrations": raw{"Actions Amplitude": raw{"session_id": at}}}),
			user:  "u", device: "d", insert: "i", time: at, session: at, properties: raw{"k": "v"},
		},
		"hightouch": {
			event: call(raw{"sentAt": at, "integrations": raw{"Amplitude": raw{"session_id": 7}}}),
			user:  "u", device: "d", insert: "i", time: at, session: 7, properties: raw{"k": "v"},
		},
		"customerio": {
			event: call(raw{"timestamp": "NOW", "originalTimestamp": at}),
			user:  "u", device: "d", insert: "i", time: at, session: 3, properties: raw{"k": "v"},
		},
		"rudderstack": {
			event: call(raw{"originalTimestamp": at, "receivedAt": at + 1, "session_id": 1790000000}),
			user:  "u", device: "anon-1", insert: "i", time: at, session: 1790000000000, properties: raw{"k": "v"},
		},
		"jitsu": {
			event: call(raw{"receivedAt": at, "sentAt": at + 1}),
			user:  "u", device: "anon-1", insert: "i", time: at, properties: raw{"k": "v"},
		},
		"mparticle": {
			event: raw{
				"event_type": "custom_event", "mpid": int64(7346244611012968789), "mp_deviceid": "d", "user_identities": raw{"customer_id": ""},
				"data": raw{
					"event_name": "a", "custom_attributes": raw{"k": "v"}, "source_message_id": "i", "event_id": 5.1e18,
					"timestamp_unixtime_ms": at, "session_start_unixtime_ms": at - 1,
				},
			},
			device: "d", insert: "i", time: at, session: at - 1, properties: raw{"k": "v"},
		},
		"snowplow": {
			event: raw{
				"event_name": "a", "user_id": "u", "domain_userid": "", "network_userid": "d", "event_id": "i",
				"collector_tstamp": "2026-09-21T14:13:21Z", "derived_tstamp": "2026-09-21 14:13:20.123",
				"unstruct_event_com_acme_impression_1": raw{"k": "v"},
			},
			user: "u", device: "d", insert: "i", time: at, properties: raw{"k": "v"},
		},
		"tealium": {
			event: raw{
				"tealium_event": "a", "customer_id": "u", "tealium_visitor_id": "d", "tealium_timestamp_epoch": "1790000000",
				"tealium_session_id": 5,
			},
			user: "u", device: "d", time: 1790000000000, session: 5,
			properties: raw{
				"tealium_event": "a", "customer_id": "u", "tealium_visitor_id": "d", "tealium_timestamp_epoch": "1790000000",
				"tealium_session_id": int64(5),
			},
		},
		"posthog": {
			event: raw{
				"event": "a", "distinct_id": "u", "uuid": "i", "timestamp": "2026-09-21T14:13:20.123Z", "properties": raw{"$device_id": "d"},
			},
			user: "u", device: "d", insert: "i", time: at, properties: raw{"$device_id": "d"},
		},
		"amplitude": {
			event: raw{
				"event_type": "a", "user_id": 42, "device_id": "d", "$insert_id": "i", "event_time": "2026-09-21 14:13:20.123000",
				"session_id": at, "event_properties": raw{"k": "v"},
			},
			user: "42", device: "d", insert: "i", time: at, session: at, properties: raw{"k": "v"},
		},
		"otel": {
			event: raw{"event.name": "a", "enduser.id": "u", "device.id": "d", "log.record.uid": "i", "session.id": "s"},
			user:  "u", device: "d", insert: "i", invalid: true,
			properties: raw{"event.name": "a", "enduser.id": "u", "device.id": "d", "log.record.uid": "i", "session.id": "s"},
		},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			all, _ := readRecord(t, newReader(t, []string{"a"}, complete(name)), given{attributes: row.event})
			require.Len(t, all, 1)
			assert.Equal(t, identity{"a", row.user, row.device, row.insert, row.properties}, all[0].identity())
			assert.Equal(t, row.session, all[0].integers[event.SessionID])
			assert.Equal(t, row.invalid, all[0].invalidSession)
			assert.Equal(t, row.time*1e6, all[0].integers[event.Time])
		})
	}
	for _, name := range layout.Presets() {
		assert.Contains(t, rows, name)
	}
}

func TestConditionsOfPresets(t *testing.T) {
	for name, row := range map[string]struct {
		preset string
		event  raw
		finds  bool
	}{
		"a track call":                      {"jitsu", raw{"type": "track", "event": "a"}, true},
		"a track call in mixed case":        {"jitsu", raw{"type": "tRaCk", "event": "a"}, true},
		"a call without type":               {"jitsu", raw{"event": "a", "messageId": "i"}, true},
		"a call without type and ids":       {"jitsu", raw{"event": "a"}, false},
		"an id within the context":          {"jitsu", raw{"event": "a", "context": raw{"userId": "u"}}, false},
		"a page call":                       {"jitsu", raw{"type": "page", "event": "a", "messageId": "i"}, false},
		"a call of an empty type":           {"jitsu", raw{"type": "", "event": "a", "messageId": "i"}, false},
		"hightouch without type and ids":    {"hightouch", raw{"event": "a"}, false},
		"customerio without type and ids":   {"customerio", raw{"event": "a"}, false},
		"rudderstack without type and ids":  {"rudderstack", raw{"event": "a"}, false},
		"mParticle's custom event":          {"mparticle", raw{"event_type": "custom_event", "data": raw{"event_name": "a"}}, true},
		"mParticle's type in upper case":    {"mparticle", raw{"event_type": "CUSTOM_EVENT", "data": raw{"event_name": "a"}}, true},
		"mParticle's screen view":           {"mparticle", raw{"event_type": "screen_view", "data": raw{"event_name": "a"}}, false},
		"mParticle without type":            {"mparticle", raw{"data": raw{"event_name": "a"}}, false},
		"mParticle with a null type":        {"mparticle", raw{"event_type": nil, "data": raw{"event_name": "a"}}, false},
		"PostHog's distinct id":             {"posthog", raw{"event": "a", "distinct_id": "u"}, true},
		"PostHog's, among the properties":   {"posthog", raw{"event": "a", "properties": raw{"distinct_id": "u"}}, true},
		"PostHog without distinct id":       {"posthog", raw{"event": "a", "properties": raw{"k": "v"}}, false},
		"PostHog with a null distinct id":   {"posthog", raw{"event": "a", "distinct_id": nil}, false},
		"PostHog, with a type all the same": {"posthog", raw{"event": "a", "type": "page", "distinct_id": "u"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, types := range [][]string{{"a"}, nil} {
				reader := newReader(t, types, layout.Config{Preset: row.preset})
				body, _ := readRecord(t, reader, given{body: row.event})
				attributes, _ := readRecord(t, reader, given{attributes: row.event})
				list, _ := readRecord(t, reader, given{body: []any{row.event}})
				for _, all := range [][]yielded{body, attributes, list} {
					assert.Equal(t, row.finds, len(typesOf(all)) == 1)
				}
			}
		})
	}
}

func TestEventTypesOfSnowplow(t *testing.T) {
	for name, row := range map[string]struct {
		event raw
		want  []string
	}{
		"a name":                                  {raw{"event_name": "a"}, []string{"a"}},
		"a name before an action":                 {raw{"event_name": "a", "se_action": "b"}, []string{"a"}},
		"the action of a structured event":        {raw{"event_name": "event", "se_action": "b"}, []string{"b"}},
		"a structured event without action":       {raw{"event_name": "event"}, []string{"event"}},
		"a structured event with an empty action": {raw{"event_name": "event", "se_action": ""}, []string{"event"}},
		"neither": {raw{"event_id": "i"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			reader := newReader(t, nil, complete("snowplow"))
			alone, _ := readRecord(t, reader, given{body: row.event})
			assert.Equal(t, row.want, typesOf(alone))
			listed, _ := readRecord(t, reader, given{body: []any{row.event}})
			assert.Equal(t, row.want, typesOf(listed))
		})
	}
}

func TestIdentityOfPostHog(t *testing.T) {
	for name, row := range map[string]struct {
		event        raw
		user, device string
	}{
		"an identified user": {
			raw{"distinct_id": "u", "properties": raw{"distinct_id": "other", "$device_id": "d"}}, "u", "d",
		},
		"among the properties alone":         {raw{"properties": raw{"distinct_id": "u", "$device_id": "d"}}, "u", "d"},
		"an anonymous user has a device":     {raw{"distinct_id": "d", "properties": raw{"distinct_id": "d", "$device_id": "d"}}, "", "d"},
		"anonymous, among properties alone":  {raw{"properties": raw{"distinct_id": "d", "$device_id": "d"}}, "", "d"},
		"a server's event, without a device": {raw{"distinct_id": "u", "properties": raw{}}, "u", ""},
	} {
		t.Run(name, func(t *testing.T) {
			row.event["event"] = "a"
			got := identityOf(t, []layout.Config{{Preset: "posthog"}}, given{body: row.event})
			assert.Equal(t, []string{row.user, row.device}, []string{got.userID, got.deviceID})
		})
	}
}

// TestUpdatesOfTheProcessor reads the user property record that the processor emits: its EventName makes it one of otel's
// if that layout is the first, but its fields have Amplitude's names.
func TestUpdatesOfTheProcessor(t *testing.T) {
	in := given{name: "$identify", attributes: raw{
		"event_type": "$identify", "user_id": "u", "device_id": "d", "insert_id": "i-user-property", "user_properties": raw{"$set": raw{"k": "v"}},
	}}
	all, _ := readRecord(t, newReader(t, nil, layout.Config{Preset: "amplitude"}), in)
	require.Len(t, all, 1)
	assert.Equal(t, identity{"$identify", "u", "d", "i-user-property", nil}, all[0].identity())
	assert.Equal(t, raw{"$set": raw{"k": "v"}}, all[0].maps[event.UserProperties])
	all, _ = readRecord(t, newReader(t, nil, layout.Config{Preset: "otel"}), in)
	require.Len(t, all, 1)
	assert.Equal(t, "$identify", all[0].texts[event.Type])
	assert.Empty(t, all[0].texts[event.UserID])
}

func TestLayoutOfUpdates(t *testing.T) {
	for _, behind := range [][]layout.Config{defaults, {{Preset: "segment"}}, {{Preset: "segment"}, {Preset: "otel"}}} {
		compiled, err := layout.Compile(behind)
		require.NoError(t, err)
		layouts := append([]layout.Layout{layout.OfUpdates("$identify")}, compiled...)
		for _, types := range [][]string{nil, {"$identify", "a"}} {
			reader := New(Settings{Layouts: layouts, Types: types, Fields: event.Fields(), Limits: limits})
			read := func(in given) identity {
				t.Helper()
				all, _ := readRecord(t, reader, in)
				if len(all) == 0 {
					return identity{}
				}
				require.Len(t, all, 1)
				return all[0].identity()
			}
			updates := func() int64 { return reader.Stats().ByLayout[0] }
			fields := raw{"event_type": "$identify", "user_id": "u", "user.id": "v", "insert_id": "i"}
			assert.Equal(t, identity{"$identify", "u", "", "i", nil}, read(given{name: "$identify", attributes: fields}))
			assert.Equal(t, int64(1), updates())
			// Without the one or the other, it isn't an update of the processor.
			read(given{attributes: fields})
			read(given{name: "a", attributes: fields})
			read(given{name: "$identify", attributes: raw{"user_id": "u"}})
			read(given{body: []any{fields}})
			assert.Equal(t, int64(1), updates())
			if behind[0].Preset == "otel" {
				assert.Equal(t, identity{"a", "v", "", "", fields}, read(given{name: "a", attributes: fields}))
				assert.Equal(t, "$identify", read(given{name: "$identify", attributes: raw{"user_id": "u"}}).eventType)
			}
			assert.Equal(t, "a", read(given{body: raw{"event": "a", "userId": "u"}}).eventType)
		}
	}
}

// TestConditionOfATypeBesideTheAttributes has layouts whose only path to the event type doesn't lead into the attributes,
// where the condition looks.
func TestConditionOfATypeBesideTheAttributes(t *testing.T) {
	for _, start := range []string{`log.event_name`, `log.body`} {
		configs := []layout.Config{{Preset: "segment", Paths: paths{"event_type": {start}}}}
		for name, row := range map[string]struct {
			attributes raw
			finds      bool
		}{
			"a track call":           {raw{"type": "track"}, true},
			"another call":           {raw{"type": "page", "userId": "u"}, false},
			"no type, but a user id": {raw{"userId": "u"}, true},
			"neither":                {raw{}, false},
		} {
			got := identityOf(t, configs, given{name: "a", body: "a", attributes: row.attributes})
			assert.Equal(t, row.finds, got.eventType == "a", start+": "+name)
		}
	}
}
