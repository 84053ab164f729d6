// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fields are what a Reader reads for the exporter alone.
type fields struct {
	userProperties, groups                                raw
	ip, appVersion, platform, osName, language, userAgent string
}

func fieldsOf(r *Reader) fields {
	read := fields{
		ip: r.IP(), appVersion: r.AppVersion(), platform: r.Platform(), osName: r.OSName(), language: r.Language(), userAgent: r.UserAgent(),
	}
	if m, isMap := r.UserProperties(); isMap {
		read.userProperties = m.AsRaw()
	}
	if m, isMap := r.Groups(); isMap {
		read.groups = m.AsRaw()
	}
	return read
}

func foundIn(t *testing.T, config Config, in given) *Reader {
	t.Helper()
	layouts, err := Compile([]Config{config})
	require.NoError(t, err)
	reader := NewReader(layouts, nil, limits)
	resource, record := recordOf(t, in)
	require.Equal(t, 0, reader.Find(resource, record))
	return reader
}

// TestFieldsForTheExporter reads an event of each preset as its documentation shows it.
func TestFieldsForTheExporter(t *testing.T) {
	of := func(groups raw) fields {
		return fields{raw{"plan": "pro"}, groups, "203.0.113.7", "1.2.0", "ios", "iOS", "en-US", "Mozilla/5.0"}
	}
	call := func(more raw) raw {
		event := raw{
			"event": "a", "user_properties": raw{"plan": "pro"},
			"context": raw{
				"ip": "203.0.113.7", "app": raw{"version": "1.2.0"}, "device": raw{"type": "ios"}, "os": raw{"name": "iOS"},
				"locale": "en-US", "userAgent": "Mozilla/5.0",
			},
		}
		for key, value := range more {
			event[key] = value
		}
		return event
	}
	inAmplitude := raw{"Amplitude": raw{"groups": raw{"company": "acme"}}}
	for name, row := range map[string]struct {
		preset string
		given
		want fields
	}{
		"segment": {"segment", given{body: call(raw{"integrations": raw{
			"Actions Amplitude": raw{"groups": raw{"company": "acme"}}, "Amplitude": raw{"groups": raw{"company": "other"}},
		}})}, of(raw{"company": "acme"})},
		"hightouch":   {"hightouch", given{body: call(raw{"integrations": inAmplitude})}, of(raw{"company": "acme"})},
		"customerio":  {"customerio", given{attributes: call(raw{"integrations": inAmplitude})}, of(raw{"company": "acme"})},
		"rudderstack": {"rudderstack", given{body: call(raw{"integrations": inAmplitude})}, of(raw{"company": "acme"})},
		"jitsu":       {"jitsu", given{body: call(raw{"integrations": inAmplitude})}, of(nil)},
		"amplitude": {"amplitude", given{body: raw{
			"event_type": "a", "user_properties": raw{"plan": "pro"}, "groups": raw{"company": "acme"}, "ip": "203.0.113.7",
			"app_version": "1.2.0", "platform": "ios", "os_name": "iOS", "language": "en-US", "user_agent": "Mozilla/5.0",
		}}, of(raw{"company": "acme"})},
		"amplitude, as exported": {"amplitude", given{body: raw{
			"event_type": "a", "user_properties": raw{}, "groups": raw{}, "ip_address": "203.0.113.7", "version_name": "1.2.0",
			"platform": "ios", "os_name": "iOS", "language": "English",
		}}, fields{raw{}, raw{}, "203.0.113.7", "1.2.0", "ios", "iOS", "English", ""}},
		"mparticle": {"mparticle", given{body: raw{
			"event_type": "custom_event", "data": raw{"event_name": "a"}, "user_properties": raw{"plan": "pro"}, "ip": "203.0.113.7",
			"application_info": raw{"application_version": "1.2.0", "os": "MobileWeb"},
			"device_info":      raw{"platform": "iOS", "locale_language": "en", "http_header_user_agent": "Mozilla/5.0"},
		}}, fields{raw{"plan": "pro"}, nil, "203.0.113.7", "1.2.0", "iOS", "", "en", "Mozilla/5.0"}},
		"snowplow": {"snowplow", given{body: raw{
			"event_name": "a", "user_ipaddress": "203.0.113.7", "platform": "mob", "os_name": "iOS", "br_lang": "en-US", "useragent": "Mozilla/5.0",
		}}, fields{nil, nil, "203.0.113.7", "", "mob", "iOS", "en-US", "Mozilla/5.0"}},
		"tealium": {
			"tealium",
			given{body: raw{"tealium_event": "a", "app_version": "1.2.0", "device_language": "en"}},
			fields{appVersion: "1.2.0", language: "en"},
		},
		"otel": {"otel", given{
			name: "a",
			attributes: raw{
				"client.address": "203.0.113.7", "os.type": "darwin", "user_agent.original": "Mozilla/5.0", "user_properties": raw{"plan": "pro"},
			},
			resource: raw{"service.version": "1.2.0", "os.name": "iOS", "browser.language": "en-US", "user_agent.original": "other"},
		}, fields{raw{"plan": "pro"}, nil, "203.0.113.7", "1.2.0", "", "darwin", "en-US", "Mozilla/5.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, row.want, fieldsOf(foundIn(t, complete(row.preset), row.given)))
		})
	}
}

func TestUserPropertiesOfLayoutsByHand(t *testing.T) {
	config := Config{EventType: []string{`event["e"]`}, Properties: []string{`event["p"]`}}
	in := given{
		body: raw{"e": "a", "user_properties": raw{"from": "default"}, "traits": raw{"from": "path"}, "company": raw{"type": "acme"}},
	}
	assert.Equal(t, fields{userProperties: raw{"from": "default"}}, fieldsOf(foundIn(t, config, in)))
	config.UserProperties, config.Groups = []string{`event["e"]`, `event["traits"]`}, []string{`log.body["company"]`}
	assert.Equal(t, fields{userProperties: raw{"from": "path"}, groups: raw{"type": "acme"}}, fieldsOf(foundIn(t, config, in)))
	config.UserProperties, config.Groups = []string{}, nil
	assert.Equal(t, fields{}, fieldsOf(foundIn(t, config, in)))
}

func TestIsField(t *testing.T) {
	byHand := func(properties ...string) Config {
		return Config{
			EventType: []string{`log.attributes["name"]`}, Properties: properties,
			UserID:   []string{`log.attributes["user"]["id"]`, `log.attributes["user"]["ids"]["first"]`, `resource.attributes["owner"]`},
			DeviceID: []string{`event["device"]`}, InsertID: []string{`log.body["id"]`},
		}
	}
	for name, row := range map[string]struct {
		config Config
		given
		are, areNot []string
	}{
		"otel": {
			Config{Preset: "otel"},
			given{name: "a", attributes: raw{
				"user.id": "u", "enduser.id": "e", "device.id": raw{"no": "text"}, "app.installation.id": "d", "log.record.uid": "l",
				"session.id": "", "user_properties": raw{}, "os.name": "iOS", "os.type": "darwin",
			}},
			[]string{"event.name", "user.id", "app.installation.id", "log.record.uid", "user_properties", "os.name"},
			[]string{"flag_key", "user", "event", "", "enduser.id", "device.id", "session.id", "client.address", "os.type"},
		},
		"tealium in the body": {
			complete("tealium"),
			given{body: raw{"tealium_event": "a", "user": "u", "tealium_visitor_id": "v", "app_version": 2}},
			[]string{"tealium_event", "user", "tealium_visitor_id", "tealium_timestamp_utc", "app_version"},
			[]string{"customer_id", "tealium_account", "tealium_session_id"},
		},
		"segment": {
			Config{Preset: "segment"},
			given{body: raw{"event": "a", "properties": raw{}}},
			nil,
			[]string{"event", "type", "userId", "messageId", "user_properties"},
		},
		"segment with flat properties": {
			Config{Preset: "segment", Properties: []string{`event`}},
			given{body: raw{"event": "a", "userId": "u", "messageId": "m", "user_properties": raw{"a": "b"}}},
			[]string{"event", "type", "userId", "messageId", "user_properties"},
			[]string{"context", "integrations", "properties"},
		},
		"the attributes, by hand": {
			byHand(`log.attributes`),
			given{attributes: raw{"name": "a", "device": "d", "user_properties": raw{}}},
			[]string{"name", "device", "user_properties"},
			[]string{"user", "owner", "id"},
		},
		"the event, by hand": {
			byHand(`event`),
			given{attributes: raw{"name": "a", "device": "d", "user_properties": "no map"}},
			[]string{"name", "device"},
			[]string{"user", "owner", "id", "user_properties"},
		},
		"the body beside the event": {
			byHand(`log.body`),
			given{body: raw{"id": "i"}, attributes: raw{"name": "a"}},
			[]string{"id"},
			[]string{"name", "device", "user_properties"},
		},
		"the first properties that are a map": {
			byHand(`log.attributes["p"]`, `log.attributes`),
			given{attributes: raw{"name": "a", "p": raw{}}},
			nil,
			[]string{"name", "device"},
		},
		"the first are no map": {
			byHand(`log.attributes["p"]`, `log.attributes`),
			given{attributes: raw{"name": "a", "p": "q", "device": "d"}},
			[]string{"name", "device"},
			[]string{"p"},
		},
		"no properties": {
			byHand(`log.body`), given{body: "a line", attributes: raw{"name": "a"}}, nil, []string{"name", "id"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			reader := foundIn(t, row.config, row.given)
			for _, key := range row.are {
				assert.True(t, reader.IsField(key), key)
			}
			for _, key := range row.areNot {
				assert.False(t, reader.IsField(key), key)
			}
		})
	}
}

func TestOtherFields(t *testing.T) {
	body := raw{"event_type": "a", "event": "a", "city": "Berlin", "price": 3.5}
	for preset, isAmplitudes := range map[string]bool{"amplitude": true, "segment": false} {
		other, has := foundIn(t, Config{Preset: preset}, given{body: body}).OtherFields()
		require.Equal(t, isAmplitudes, has, preset)
		if has {
			assert.Equal(t, body, other.AsRaw())
		}
	}
	_, has := foundIn(t, Config{EventType: []string{`event["event_type"]`}, Properties: []string{`event`}}, given{body: body}).OtherFields()
	assert.False(t, has)
}
