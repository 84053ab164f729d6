// SPDX-License-Identifier: Apache-2.0

package event // import "github.com/impression-collector/impression-bridge/internal/event"

import (
	"math"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Event is an event as a value. Its maps are parts of the log record that it was read from, so they are valid only until the
// record changes. The zero Event has no fields.
type Event struct {
	// set has a bit for each field that the event has. The values of other fields are stale.
	set      uint64
	texts    [NumFields]string
	integers [NumFields]int64
	maps     [NumFields]pcommon.Map

	// Passthrough is the whole event if it has the form of Amplitude's own API, because it may then have fields that the
	// table of fields lacks. Otherwise, it is the zero Map.
	Passthrough pcommon.Map
	// InvalidSession reports whether the event has a session id that isn't an integer, and no valid one.
	InvalidSession bool
	// RemoteIP reports whether the event asks for the address that sends the request in place of the user's.
	RemoteIP bool
	// UserTraits reports whether the user properties are traits: plain properties, of which null ones are to be unset.
	UserTraits bool

	// Added are properties that count if the map of properties lacks them.
	Added []Added
	// GroupTraits are the traits of the event's group, like UserTraits, or the zero Map.
	GroupTraits pcommon.Map

	// read has the values among the properties that were read as other fields.
	read []pcommon.Value
}

// AddProperty adds a property.
func (e *Event) AddProperty(key string, value pcommon.Value) {
	if _, has := e.Map(Properties); !has {
		e.SetMap(Properties, pcommon.NewMap())
	}
	e.Added = append(e.Added, Added{Key: key, Value: value})
}

// Added is a property with the name Key.
type Added struct {
	Key   string
	Value pcommon.Value
}

// Has reports whether the event has a field.
func (e *Event) Has(f Field) bool {
	return e.set>>f&1 != 0
}

// Text returns a field of kind Name, Text, ID, or Address, or "" if the event lacks it. A number is returned as decimal text with all
// its digits.
func (e *Event) Text(f Field) string {
	if !e.Has(f) {
		return ""
	}
	return e.texts[f]
}

// SetText sets a field of kind Name, Text, ID, or Address.
func (e *Event) SetText(f Field, text string) {
	e.set |= 1 << f
	e.texts[f] = text
}

// Map returns a field of kind Map, and reports whether the event has it.
func (e *Event) Map(f Field) (pcommon.Map, bool) {
	if !e.Has(f) {
		return pcommon.Map{}, false
	}
	return e.maps[f], e.maps[f] != pcommon.Map{}
}

// SetMap sets a field of kind Map. The zero Map removes it.
func (e *Event) SetMap(f Field, m pcommon.Map) {
	e.set |= 1 << f
	e.maps[f] = m
}

// Integer returns a field of kind Moment, in nanoseconds since the Unix epoch, or of kind Session, in milliseconds since the
// Unix epoch. It returns 0 if the event lacks the field.
func (e *Event) Integer(f Field) int64 {
	if !e.Has(f) {
		return 0
	}
	return e.integers[f]
}

// SetInteger sets a field of kind Moment or Session, in the units of Integer.
func (e *Event) SetInteger(f Field, n int64) {
	e.set |= 1 << f
	e.integers[f] = n
}

// Number returns a field of kind Number, and reports whether the event has it.
func (e *Event) Number(f Field) (float64, bool) {
	return math.Float64frombits(uint64(e.Integer(f))), e.Has(f) //nolint:gosec // the bits of SetNumber
}

// SetNumber sets a field of kind Number.
func (e *Event) SetNumber(f Field, n float64) {
	e.SetInteger(f, int64(math.Float64bits(n))) //nolint:gosec // keeps all bits
}

// Remove removes a field.
func (e *Event) Remove(f Field) {
	e.set &^= 1 << f
}

// Time returns a field of kind Moment, or 0 if the event lacks it.
func (e *Event) Time(f Field) pcommon.Timestamp {
	return pcommon.Timestamp(e.Integer(f))
}

// MarkRead marks a value among the properties as read as another field, so that IsProperty reports false for it.
func (e *Event) MarkRead(v pcommon.Value) {
	e.read = append(e.read, v)
}

// UnmarkRead makes all values that were marked as read properties again.
func (e *Event) UnmarkRead() {
	e.read = e.read[:0:0]
}

// IsProperty reports whether a value in the map of properties is a property. If the map is the record's attributes, its body,
// or the whole event, it also has other fields, which were marked by MarkRead.
func (e *Event) IsProperty(v pcommon.Value) bool {
	return !slices.Contains(e.read, v)
}

// Release removes all fields and lets go of their values.
func (e *Event) Release() {
	clear(e.read[:cap(e.read)])
	clear(e.Added[:cap(e.Added)])
	*e = Event{read: e.read[:0], Added: e.Added[:0]}
}

// Reset removes all fields, but doesn't let go of their values.
func (e *Event) Reset() {
	e.set, e.Passthrough, e.GroupTraits, e.read = 0, pcommon.Map{}, pcommon.Map{}, e.read[:0]
	e.InvalidSession, e.RemoteIP, e.UserTraits, e.Added = false, false, false, e.Added[:0]
}
