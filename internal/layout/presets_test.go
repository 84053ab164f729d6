// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// TestPresetsOfCDPs reads an event of each as its documentation shows it.
func TestPresetsOfCDPs(t *testing.T) {
	const at = 1790000000123
	call := func(more raw) raw {
		event := raw{
			"type": "track", "event": "a", "userId": "u", "anonymousId": "anonymous", "messageId": "i", "properties": raw{"k": "v"},
			"context": raw{"device": raw{"id": "d"}, "sessionId": int64(3)},
		}
		for key, value := range more {
			event[key] = value
		}
		return event
	}
	for name, row := range map[string]struct {
		config Config
		event  raw
		user   string
		device string
		insert string
		time   int64
		// session is the text of the session's id.
		session    string
		properties raw
	}{
		"segment": {
			event: call(raw{"receivedAt": at + 1, "timestamp": at, "integrations": raw{"Actions Amplitude": raw{"session_id": at}}}),
			user:  "u", device: "d", insert: "i", time: at, session: "1790000000123", properties: raw{"k": "v"},
		},
		"hightouch": {
			event: call(raw{"sentAt": at, "integrations": raw{"Amplitude": raw{"session_id": 7}}}),
			user:  "u", device: "d", insert: "i", time: at, session: "7", properties: raw{"k": "v"},
		},
		"customerio": {
			event: call(raw{"timestamp": "NOW", "originalTimestamp": at}),
			user:  "u", device: "d", insert: "i", time: at, session: "3", properties: raw{"k": "v"},
		},
		"rudderstack": {
			event: call(raw{"originalTimestamp": at, "receivedAt": at + 1, "session_id": 9}),
			user:  "u", device: "anonymous", insert: "i", time: at, session: "9", properties: raw{"k": "v"},
		},
		"jitsu": {
			event: call(raw{"receivedAt": at, "sentAt": at + 1}),
			user:  "u", device: "anonymous", insert: "i", time: at, properties: raw{"k": "v"},
		},
		"mparticle": {
			event: raw{
				"event_type": "custom_event", "mpid": int64(7346244611012968789), "mp_deviceid": "d", "user_identities": raw{"customer_id": ""},
				"data": raw{
					"event_name": "a", "custom_attributes": raw{"k": "v"}, "source_message_id": "i", "event_id": 5.1e18,
					"timestamp_unixtime_ms": at, "session_start_unixtime_ms": at - 1,
				},
			},
			user: "7346244611012968789", device: "d", insert: "i", time: at, session: "1790000000122", properties: raw{"k": "v"},
		},
		"snowplow": {
			config: Config{Properties: []string{`event["unstruct_event_com_acme_impression_1"]`}},
			event: raw{
				"event_name": "a", "user_id": "u", "domain_userid": "", "network_userid": "d", "event_id": "i",
				"collector_tstamp": "2026-09-21T14:13:21Z", "derived_tstamp": "2026-09-21 14:13:20.123",
				"unstruct_event_com_acme_impression_1": raw{"k": "v"},
			},
			user: "u", device: "d", insert: "i", time: at, properties: raw{"k": "v"},
		},
		"tealium": {
			config: Config{UserID: []string{`event["customer_id"]`}},
			event:  raw{"tealium_event": "a", "customer_id": "u", "tealium_visitor_id": "d", "tealium_timestamp_epoch": "1790000000", "tealium_session_id": 5},
			user:   "u", device: "d", time: 1790000000000, session: "5",
			properties: raw{"tealium_event": "a", "customer_id": "u", "tealium_visitor_id": "d", "tealium_timestamp_epoch": "1790000000", "tealium_session_id": int64(5)},
		},
		"amplitude": {
			event: raw{"event_type": "a", "user_id": 42, "device_id": "d", "$insert_id": "i", "event_time": "2026-09-21 14:13:20.123000", "session_id": at, "event_properties": raw{"k": "v"}},
			user:  "42", device: "d", insert: "i", time: at, session: "1790000000123", properties: raw{"k": "v"},
		},
		"otel": {
			event: raw{"event.name": "a", "enduser.id": "u", "device.id": "d", "log.record.uid": "i", "session.id": "s"},
			user:  "u", device: "d", insert: "i", session: "s",
			properties: raw{"event.name": "a", "enduser.id": "u", "device.id": "d", "log.record.uid": "i", "session.id": "s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			row.config.Preset = name
			layouts, err := Compile([]Config{row.config})
			require.NoError(t, err)
			reader := NewReader(layouts, []string{"a"}, limits)
			resource, record := recordOf(t, given{attributes: row.event})
			require.Equal(t, 0, reader.Find(resource, record))
			assert.Equal(t, row.user, reader.UserID())
			assert.Equal(t, row.device, reader.DeviceID())
			assert.Equal(t, row.insert, reader.InsertID())
			assert.Equal(t, row.session, reader.SessionID())
			assert.Equal(t, pcommon.Timestamp(row.time*1e6), reader.Time(pcommon.Value{}))
			properties, isMap := reader.Properties()
			require.True(t, isMap)
			assert.Equal(t, row.properties, properties.AsRaw())
		})
	}
	require.Len(t, Presets(), 10)
}

func TestConditionsOfPresets(t *testing.T) {
	for name, row := range map[string]struct {
		preset string
		event  raw
		finds  bool
	}{
		"a track call":               {"jitsu", raw{"type": "track", "event": "a"}, true},
		"a call without type":        {"jitsu", raw{"event": "a"}, true},
		"a page call":                {"jitsu", raw{"type": "page", "event": "a"}, false},
		"mParticle's custom event":   {"mparticle", raw{"event_type": "custom_event", "data": raw{"event_name": "a"}}, true},
		"mParticle's screen view":    {"mparticle", raw{"event_type": "screen_view", "data": raw{"event_name": "a"}}, false},
		"mParticle without type":     {"mparticle", raw{"data": raw{"event_name": "a"}}, false},
		"mParticle with a null type": {"mparticle", raw{"event_type": nil, "data": raw{"event_name": "a"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			layouts, err := Compile([]Config{{Preset: row.preset}})
			require.NoError(t, err)
			resource, record := recordOf(t, given{body: row.event})
			assert.Equal(t, row.finds, NewReader(layouts, []string{"a"}, limits).Find(resource, record) == 0)
		})
	}
}
