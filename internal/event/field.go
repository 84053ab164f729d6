// SPDX-License-Identifier: Apache-2.0

// Package event defines what an analytics event is: its fields, and an event as a value, independent of the log record that
// carried it.
package event // import "github.com/impression-collector/impression-bridge/internal/event"

// Field is a part of an event that a layout can locate.
type Field uint8

// The fields, in the order in which they are encoded. The order is part of the insert ids that are hashes of an encoded
// event: changing it makes Amplitude take a repeated event for a new one.
const (
	Type Field = iota
	UserID
	DeviceID
	Time
	InsertID
	SessionID
	Properties
	UserProperties
	Groups
	IP
	AppVersion
	Platform
	OSName
	Language
	UserAgent

	// NumFields is the number of fields.
	NumFields = iota
)

// Kind is what the value of a field can be, and which of several candidates is used.
type Kind uint8

const (
	// Name is a string that isn't empty.
	Name Kind = iota
	// Text is a string that isn't empty, or a number.
	Text
	// ID is a Text. An id that Amplitude refuses is used only if there is no other.
	ID
	// Map is a map.
	Map
	// Moment is a time, as pdatautil.Time reads it.
	Moment
	// Session is the start of a session: a positive integer, in milliseconds since the epoch. Ten digits are seconds.
	Session
)

// fields is the table of fields: a field's key in the configuration of a layout, its kind, and its name in Amplitude's HTTP
// V2 API (https://amplitude.com/docs/apis/analytics/http-v2). Everything else that depends on the set of fields follows from
// this table or is tested against it.
var fields = [NumFields]struct {
	key  string
	kind Kind
	api  string
}{
	Type:           {"event_type", Name, "event_type"},
	UserID:         {"user_id", ID, "user_id"},
	DeviceID:       {"device_id", ID, "device_id"},
	Time:           {"time", Moment, "time"},
	InsertID:       {"insert_id", Text, "insert_id"},
	SessionID:      {"session_id", Session, "session_id"},
	Properties:     {"properties", Map, "event_properties"},
	UserProperties: {"user_properties", Map, "user_properties"},
	Groups:         {"groups", Map, "groups"},
	IP:             {"ip", Text, "ip"},
	AppVersion:     {"app_version", Text, "app_version"},
	Platform:       {"platform", Text, "platform"},
	OSName:         {"os_name", Text, "os_name"},
	Language:       {"language", Text, "language"},
	UserAgent:      {"user_agent", Text, "user_agent"},
}

// Fields returns all fields.
func Fields() []Field {
	all := make([]Field, NumFields)
	for i := range all {
		all[i] = Field(i)
	}
	return all
}

// FieldOf returns the field that has this key in the configuration of a layout.
func FieldOf(key string) (Field, bool) {
	for i := range fields {
		if fields[i].key == key {
			return Field(i), true
		}
	}
	return 0, false
}

// Key returns the field's key in the configuration of a layout.
func (f Field) Key() string {
	return fields[f].key
}

// Kind returns the field's kind.
func (f Field) Kind() Kind {
	return fields[f].kind
}

// APIName returns the field's name in Amplitude's HTTP V2 API.
func (f Field) APIName() string {
	return fields[f].api
}
