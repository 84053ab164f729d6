// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impressionprocessor/internal/layout"

import (
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
}

// preset is a known layout, with what its fields cannot say.
type preset struct {
	Config
	// onlyType is the `type` that an event has, where it has one: a CDP's identify and page calls are no events.
	onlyType string
}

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
		InsertID: []string{`log.attributes["log.record.uid"]`},
		Time:     []string{`log.time`},
	}},
	// Amplitude HTTP V2 API, and `$insert_id` as Amplitude's exports spell it.
	"amplitude": {Config: Config{
		EventType:  []string{`event["event_type"]`},
		Properties: []string{`event["event_properties"]`},
		UserID:     []string{`event["user_id"]`},
		DeviceID:   []string{`event["device_id"]`},
		InsertID:   []string{`event["insert_id"]`, `event["$insert_id"]`},
		Time:       []string{`event["time"]`, `event["event_time"]`},
	}},
	// Segment Spec: track calls with the common fields.
	"segment": {onlyType: "track", Config: Config{
		EventType:  []string{`event["event"]`},
		Properties: []string{`event["properties"]`},
		UserID:     []string{`event["userId"]`},
		DeviceID:   []string{`event["context"]["device"]["id"]`, `event["anonymousId"]`},
		InsertID:   []string{`event["messageId"]`},
		Time: []string{
			`event["timestamp"]`, `event["originalTimestamp"]`, `event["sentAt"]`, `event["receivedAt"]`,
		},
	}},
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
