// SPDX-License-Identifier: Apache-2.0

package event // import "github.com/impression-collector/impression-bridge/internal/event"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Event is an event as a value. Its maps are those of the log record that it was read from, so they are valid as long as the
// record isn't changed. The zero Event has no fields.
type Event struct {
	texts    [NumFields]string
	integers [NumFields]int64
	maps     [NumFields]pcommon.Map

	// Passthrough is the whole event if it has the form of Amplitude's own API, in which it may have fields that aren't in
	// the table; otherwise it is the zero Map.
	Passthrough pcommon.Map
	// InvalidSession reports that the event has a session id that isn't an integer, and no valid one.
	InvalidSession bool

	// read holds the values of other fields that stand among the properties.
	read []pcommon.Value
}

// Text returns the text of a field of kind Name, Text, or ID. A number is its exact text. It is "" if the event lacks the
// field.
func (e *Event) Text(f Field) string {
	return e.texts[f]
}

// SetText sets a field of kind Name, Text, or ID.
func (e *Event) SetText(f Field, text string) {
	e.texts[f] = text
}

// Map returns a field of kind Map, and whether the event has it.
func (e *Event) Map(f Field) (pcommon.Map, bool) {
	return e.maps[f], e.maps[f] != pcommon.Map{}
}

// SetMap sets a field of kind Map. The zero Map removes it.
func (e *Event) SetMap(f Field, m pcommon.Map) {
	e.maps[f] = m
}

// Integer returns a field of kind Moment, in nanoseconds since the epoch, or Session, in milliseconds since the epoch. It is
// 0 if the event lacks the field.
func (e *Event) Integer(f Field) int64 {
	return e.integers[f]
}

// SetInteger sets a field of kind Moment or Session.
func (e *Event) SetInteger(f Field, n int64) {
	e.integers[f] = n
}

// Time returns a field of kind Moment, 0 if the event lacks it.
func (e *Event) Time(f Field) pcommon.Timestamp {
	return pcommon.Timestamp(e.integers[f])
}

// MarkRead records that a value among the properties was read as another field, so that it isn't a property.
func (e *Event) MarkRead(v pcommon.Value) {
	e.read = append(e.read, v)
}

// IsProperty reports whether a value of the properties' map is a property. It isn't if it was read as another field: the
// fields stand beside the properties if those are the attributes, the body, or the event itself.
func (e *Event) IsProperty(v pcommon.Value) bool {
	return !slices.Contains(e.read, v)
}

// Reset removes all fields. The event keeps its memory.
func (e *Event) Reset() {
	clear(e.read)
	*e = Event{read: e.read[:0]}
}
