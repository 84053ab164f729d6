// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"fmt"
	"maps"
	"slices"
)

// Config is a layout as it is written in a configuration: a preset, a preset with some fields replaced, or all of it by
// hand. Each field is a list of paths; the first whose value is present, not null, not empty and convertible wins.
type Config struct {
	// Preset is the name of a known layout. Fields beside it replace the preset's.
	Preset string `mapstructure:"preset"`
	// EventType leads to the event's name, a string.
	EventType []string `mapstructure:"event_type"`
	// Properties leads to the map of the event's properties.
	Properties []string `mapstructure:"properties"`
	// UserID and DeviceID are the identity, InsertID the id by which Amplitude recognises a repeated event: strings or
	// numbers.
	UserID   []string `mapstructure:"user_id"`
	DeviceID []string `mapstructure:"device_id"`
	InsertID []string `mapstructure:"insert_id"`
	// Time leads to the event's own time. The `time` among the properties goes before it, the record's Timestamp after it.
	Time []string `mapstructure:"time"`
	// SessionID leads to the session, a string or a number.
	SessionID []string `mapstructure:"session_id"`

	// What follows is for the exporter; the processor does not read it.

	// UserProperties leads to a map of user properties, or of operations on them. It defaults to event["user_properties"]
	// in every layout.
	UserProperties []string `mapstructure:"user_properties"`
	// Groups leads to a map of the event's groups by their type.
	Groups []string `mapstructure:"groups"`
	// IP and the fields after it are texts that describe where the event happened.
	IP         []string `mapstructure:"ip"`
	AppVersion []string `mapstructure:"app_version"`
	Platform   []string `mapstructure:"platform"`
	OSName     []string `mapstructure:"os_name"`
	Language   []string `mapstructure:"language"`
	UserAgent  []string `mapstructure:"user_agent"`
}

// preset is a known layout, with what its fields cannot say.
type preset struct {
	Config
	only condition
	// needs names the fields that have no value that is right for everybody, with an example.
	needs map[string]string
}

// condition is what else an event has: a CDP's page and identify calls are no events.
type condition struct {
	key, value string
	// orAbsent says that the key may be missing or null.
	orAbsent bool
}

// trackCall is the form of an event that Segment made and others adopted.
var trackCall = preset{
	only: condition{key: "type", value: "track", orAbsent: true},
	Config: Config{
		EventType:  []string{`event["event"]`},
		Properties: []string{`event["properties"]`},
		UserID:     []string{`event["userId"]`},
		DeviceID:   []string{`event["context"]["device"]["id"]`, `event["anonymousId"]`},
		InsertID:   []string{`event["messageId"]`},
		Time: []string{
			`event["timestamp"]`, `event["originalTimestamp"]`, `event["sentAt"]`, `event["receivedAt"]`,
		},
		SessionID: []string{
			`event["integrations"]["Actions Amplitude"]["session_id"]`, `event["integrations"]["Amplitude"]["session_id"]`,
			`event["context"]["sessionId"]`,
		},
		Groups: []string{
			`event["integrations"]["Actions Amplitude"]["groups"]`, `event["integrations"]["Amplitude"]["groups"]`,
		},
		IP:         []string{`event["context"]["ip"]`},
		AppVersion: []string{`event["context"]["app"]["version"]`},
		// As Segment's own destination Amplitude (Actions) maps it.
		Platform:  []string{`event["context"]["device"]["type"]`},
		OSName:    []string{`event["context"]["os"]["name"]`},
		Language:  []string{`event["context"]["locale"]`},
		UserAgent: []string{`event["context"]["userAgent"]`},
	},
}

// amplitudePreset is the form of Amplitude's own API.
const amplitudePreset = "amplitude"

// presets follow each producer's public documentation, read 2026-11-23.
var presets = map[string]preset{
	// OpenTelemetry semantic conventions: events, user, device, app, session and log.record attributes.
	"otel": {Config: Config{
		EventType:  []string{`log.event_name`, `log.attributes["event.name"]`},
		Properties: []string{`log.attributes`},
		UserID: []string{
			`log.attributes["user.id"]`, `log.attributes["enduser.id"]`,
			`resource.attributes["user.id"]`, `resource.attributes["enduser.id"]`,
		},
		DeviceID: []string{
			`log.attributes["device.id"]`, `log.attributes["app.installation.id"]`,
			`resource.attributes["device.id"]`, `resource.attributes["app.installation.id"]`,
		},
		InsertID:   []string{`log.attributes["log.record.uid"]`},
		Time:       []string{`log.time`},
		SessionID:  []string{`log.attributes["session.id"]`},
		IP:         ofRecordOrResource("client.address"),
		AppVersion: ofRecordOrResource("service.version"),
		// No attribute says what Amplitude calls a platform: browser.platform is an operating system.
		OSName:    ofRecordOrResource("user_agent.os.name", "os.name", "os.type", "browser.platform"),
		Language:  ofRecordOrResource("browser.language"),
		UserAgent: ofRecordOrResource("user_agent.original"),
	}},
	// Amplitude HTTP V2 API, and what Amplitude's exports call otherwise.
	amplitudePreset: {Config: Config{
		EventType:  []string{`event["event_type"]`},
		Properties: []string{`event["event_properties"]`},
		UserID:     []string{`event["user_id"]`},
		DeviceID:   []string{`event["device_id"]`},
		InsertID:   []string{`event["insert_id"]`, `event["$insert_id"]`},
		Time:       []string{`event["time"]`, `event["event_time"]`},
		SessionID:  []string{`event["session_id"]`},
		Groups:     []string{`event["groups"]`},
		IP:         []string{`event["ip"]`, `event["ip_address"]`},
		AppVersion: []string{`event["app_version"]`, `event["version_name"]`},
		Platform:   []string{`event["platform"]`},
		OSName:     []string{`event["os_name"]`},
		Language:   []string{`event["language"]`},
		UserAgent:  []string{`event["user_agent"]`},
	}},
	"segment":    trackCall,
	"hightouch":  trackCall,
	"customerio": trackCall,
	"rudderstack": trackCall.with(Config{
		DeviceID:  []string{`event["anonymousId"]`, `event["context"]["device"]["id"]`},
		Time:      []string{`event["timestamp"]`, `event["originalTimestamp"]`},
		SessionID: []string{`event["session_id"]`, `event["context"]["sessionId"]`},
		Groups:    []string{`event["integrations"]["Amplitude"]["groups"]`},
	}),
	"jitsu": trackCall.with(Config{
		DeviceID:  []string{`event["anonymousId"]`},
		Time:      []string{`event["timestamp"]`, `event["receivedAt"]`},
		SessionID: []string{},
		Groups:    []string{},
	}),
	// mParticle's event batches, unrolled: an event of `events` with the batch's fields beside its own. Not `event_id`,
	// which is above 2^53 and arrives rounded.
	"mparticle": {
		only: condition{key: "event_type", value: "custom_event"},
		Config: Config{
			EventType:  []string{`event["data"]["event_name"]`},
			Properties: []string{`event["data"]["custom_attributes"]`},
			UserID:     []string{`event["user_identities"]["customer_id"]`, `event["mpid"]`},
			DeviceID:   []string{`event["mp_deviceid"]`},
			InsertID:   []string{`event["data"]["source_message_id"]`},
			Time:       []string{`event["data"]["timestamp_unixtime_ms"]`},
			SessionID:  []string{`event["data"]["session_start_unixtime_ms"]`},
			IP:         []string{`event["ip"]`},
			AppVersion: []string{`event["application_info"]["application_version"]`},
			// `application_info.os` tells SDKs apart, such as MobileWeb, not operating systems.
			Platform:  []string{`event["device_info"]["platform"]`},
			Language:  []string{`event["device_info"]["locale_language"]`},
			UserAgent: []string{`event["device_info"]["http_header_user_agent"]`},
		},
	},
	// Snowplow's enriched events as JSON.
	"snowplow": {
		needs: map[string]string{"properties": `event["unstruct_event_com_acme_impression_1"]`},
		Config: Config{
			EventType: []string{`event["event_name"]`, `event["se_action"]`},
			UserID:    []string{`event["user_id"]`},
			DeviceID:  []string{`event["domain_userid"]`, `event["network_userid"]`},
			InsertID:  []string{`event["event_id"]`},
			Time:      []string{`event["derived_tstamp"]`, `event["collector_tstamp"]`},
			// The version of the app is in a list of entities, which no path leads into.
			IP:        []string{`event["user_ipaddress"]`},
			Platform:  []string{`event["platform"]`},
			OSName:    []string{`event["os_name"]`},
			Language:  []string{`event["br_lang"]`},
			UserAgent: []string{`event["useragent"]`},
		},
	},
	// Tealium's flat data layer.
	"tealium": {
		needs: map[string]string{"user_id": `event["customer_id"]`},
		Config: Config{
			EventType:  []string{`event["tealium_event"]`},
			Properties: []string{`event`},
			DeviceID:   []string{`event["tealium_visitor_id"]`},
			Time: []string{
				`event["tealium_timestamp_epoch_milliseconds"]`, `event["tealium_timestamp_utc"]`, `event["tealium_timestamp_epoch"]`,
			},
			SessionID:  []string{`event["tealium_session_id"]`},
			AppVersion: []string{`event["app_version"]`},
			Language:   []string{`event["device_language"]`},
		},
	},
}

// with returns the preset with the fields that are given, an empty list too, in place of its own.
func (p preset) with(given Config) preset {
	for _, field := range []struct{ given, own *[]string }{
		{&given.EventType, &p.EventType},
		{&given.Properties, &p.Properties},
		{&given.UserID, &p.UserID},
		{&given.DeviceID, &p.DeviceID},
		{&given.InsertID, &p.InsertID},
		{&given.Time, &p.Time},
		{&given.SessionID, &p.SessionID},
		{&given.UserProperties, &p.UserProperties},
		{&given.Groups, &p.Groups},
		{&given.IP, &p.IP},
		{&given.AppVersion, &p.AppVersion},
		{&given.Platform, &p.Platform},
		{&given.OSName, &p.OSName},
		{&given.Language, &p.Language},
		{&given.UserAgent, &p.UserAgent},
	} {
		if *field.given != nil {
			*field.own = *field.given
		}
	}
	return p
}

// ofRecordOrResource are the paths of attributes of the record, then of the resource.
func ofRecordOrResource(keys ...string) []string {
	var paths []string
	for _, start := range []string{"log.attributes", "resource.attributes"} {
		for _, key := range keys {
			paths = append(paths, fmt.Sprintf("%s[%q]", start, key))
		}
	}
	return paths
}

// Presets returns the names of the known layouts, sorted.
func Presets() []string {
	return slices.Sorted(maps.Keys(presets))
}

// HasIdentity says whether the layout looks for a user or a device. It is true for a preset that is not known, which
// Compile refuses.
func (c Config) HasIdentity() bool {
	known, err := resolvePreset(c)
	return err != nil || len(known.UserID)+len(known.DeviceID) > 0
}
