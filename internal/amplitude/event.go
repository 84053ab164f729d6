// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import (
	"crypto/sha256"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// Change is a way in which a value is written differently than it came.
type Change uint8

// The changes.
const (
	// NotFinite is a NaN or infinity, written as null.
	NotFinite Change = iota
	// TooDeep is a map or list nested more deeply than MaxDepth, written as null. The map of properties has depth 1.
	TooDeep
	// TooLong is a text, key, or id that was cut at MaxStringLength, or an insert id that was hashed because it is longer.
	TooLong
	// InvalidUTF8 is a text, key, or id with bytes that aren't UTF-8, each written as U+FFFD.
	InvalidUTF8
	// NotInteger is a session id that isn't an int64, left out.
	NotInteger
	// RemoteIP is "$remote" in place of the user's IP address, replaced by an address that is known, or left out.
	RemoteIP
	// RepeatedKey is a value whose key occurs earlier in its map, left out: the first value counts, as in pcommon.Map.Get.
	// Keys aren't repeated if they only become equal because they are cut or invalid bytes are replaced.
	RepeatedKey

	// NotOperation is a trait with the name of an operation on user properties that isn't a map, left out.
	NotOperation

	// TooManyGroups is a group beyond MaxGroupTypes or MaxGroups, left out.
	TooManyGroups

	// Changes is the number of changes.
	Changes = iota
)

// String returns the change as a metric label.
func (c Change) String() string {
	switch c {
	case NotFinite:
		return "not_finite"
	case TooDeep:
		return "too_deep"
	case TooLong:
		return "too_long"
	case InvalidUTF8:
		return "invalid_utf8"
	case NotInteger:
		return "session_id_not_integer"
	case RemoteIP:
		return "remote_ip"
	case RepeatedKey:
		return "repeated_key"
	case NotOperation:
		return "not_an_operation"
	case TooManyGroups:
		return "too_many_groups"
	default:
		return "unknown"
	}
}

// Encoder writes events as JSON, directly from pdata. The zero Encoder is ready to use. It reuses its memory for the next
// event, so it isn't safe for concurrent use.
//
// `make bench` compares it with JSON libraries, which encode the same event from a struct with maps.
type Encoder struct {
	// Library is the library of events without one, and PartnerID their partner_id. Neither is part of the hash that is an event's
	// insert id.
	Library, PartnerID string
	// SkipUserPropertiesSync tells Amplitude for each event to leave the properties of its user as they are.
	SkipUserPropertiesSync bool
	// Changed counts the values that were written differently than they came. The caller may reset it.
	Changed [Changes]int64

	// keys holds the keys of a large map while findRepeats runs. Otherwise it is empty.
	keys map[string]struct{}
	// repeats holds the indexes of repeated keys in the large maps that are being written, those of the innermost map last.
	repeats []int
	// passed has the keys that passthrough has met in the event.
	passed []string
	// block holds the bytes that are being written as base64.
	block [maxBytes]byte
}

// fieldNames are the names of the fields in Amplitude's API, quoted and with a colon.
var fieldNames = func() (names [event.NumFields]string) {
	for _, f := range event.Fields() {
		names[f] = strconv.Quote(f.APIName()) + ":"
	}
	return names
}()

// Append appends an event as a JSON object to a buffer and returns the extended buffer. If the event has a time but no insert
// id, its insert id is a hash of the encoded event and the time, so that the same record gets the same insert id when it is
// sent again. Times are rounded down to milliseconds.
func (e *Encoder) Append(to []byte, of *event.Event) []byte {
	start := len(to)
	to = e.fields(to, of)
	if at := of.Time(event.Time); at != 0 && of.Text(event.InsertID) == "" {
		hash := insertHash(to[start:], at)
		to = append(to, fieldNames[event.InsertID]...)
		to = append(append(to, '"'), hash[:]...)
		to = append(to, `",`...)
	}
	to = e.defaultField(to, libraryKey, e.Library, of.Passthrough)
	to = e.defaultField(to, partnerIDKey, e.PartnerID, of.Passthrough)
	if e.SkipUserPropertiesSync {
		to = append(to, `"`+skipSyncKey+`":true,`...)
	}
	return closed(to, '}')
}

// InsertHash returns the insert id that Append gives to an event that has a time but no insert id.
func (e *Encoder) InsertHash(of *event.Event) string {
	changed := e.Changed
	hash := insertHash(e.fields(nil, of), of.Time(event.Time))
	e.Changed = changed
	return string(hash[:])
}

// fields writes the event with a comma in place of the closing brace.
func (e *Encoder) fields(to []byte, of *event.Event) []byte {
	to = append(to, '{')
	for f := range event.Field(event.NumFields) {
		if !of.Has(f) {
			continue
		}
		switch f.Kind() {
		case event.Name, event.Text, event.ID, event.Address:
			to = e.textField(to, f, e.limited(f, of.Text(f)))
		case event.Moment:
			to = e.integerField(to, f, of.Integer(f), int64(time.Millisecond))
		case event.Session:
			to = e.integerField(to, f, of.Integer(f), 1)
		case event.Number:
			to = e.numberField(to, f, of)
		case event.Map:
			to = e.mapField(to, f, of)
		}
	}
	if HasTraits(of.GroupTraits) {
		to = append(to, `"group_properties":`...)
		to = append(e.traits(to, of.GroupTraits), ',')
	}
	if of.InvalidSession {
		e.Changed[NotInteger]++
	}
	if of.RemoteIP {
		e.Changed[RemoteIP]++
	}
	return e.passthrough(to, of.Passthrough)
}

// limited returns the hash of an insert id that is too long, and other texts as they are.
func (e *Encoder) limited(f event.Field, text string) string {
	if f != event.InsertID || !LongEnough(text, MaxStringLength+1) {
		return text
	}
	e.Changed[TooLong]++
	return string(AppendInsertID(nil, text, ""))
}

func (e *Encoder) textField(to []byte, f event.Field, text string) []byte {
	if text == "" {
		return to
	}
	to = append(to, fieldNames[f]...)
	to = e.text(to, text)
	return append(to, ',')
}

func (e *Encoder) integerField(to []byte, f event.Field, n, unit int64) []byte {
	if n == 0 {
		return to
	}
	to = append(to, fieldNames[f]...)
	to = strconv.AppendInt(to, n/unit, 10)
	return append(to, ',')
}

func (e *Encoder) numberField(to []byte, f event.Field, of *event.Event) []byte {
	n, _ := of.Number(f)
	to = append(to, fieldNames[f]...)
	to = e.double(to, n)
	return append(to, ',')
}

func (e *Encoder) mapField(to []byte, f event.Field, of *event.Event) []byte {
	m, has := of.Map(f)
	if !has {
		return to
	}
	var selected selection
	switch {
	case f == event.Properties:
		selected.of = of
	case f == event.UserProperties && of.UserTraits:
		if !HasTraits(m) {
			return to
		}
		to = append(to, fieldNames[f]...)
		return append(e.traits(to, m), ',')
	case f == event.Groups:
		to = append(to, fieldNames[f]...)
		return append(e.groups(to, m), ',')
	}
	to = append(to, fieldNames[f]...)
	to = e.mapping(to, m, 1, selected)
	if f == event.Properties && len(of.Added) > 0 {
		to = e.added(to, m, of.Added)
	}
	return append(to, ',')
}

// added adds properties that the map lacks to what was written of the map.
func (e *Encoder) added(to []byte, m pcommon.Map, all []event.Added) []byte {
	to = to[:len(to)-1]
	if to[len(to)-1] != '{' {
		to = append(to, ',')
	}
	for _, a := range all {
		if _, present := m.Get(a.Key); !present {
			to = e.entry(to, a.Key, a.Value, 1, selection{})
		}
	}
	return closed(to, '}')
}

// insertHash returns a hash of the encoded fields and the time. It may overwrite what follows the fields in their buffer.
func insertHash(fields []byte, at pcommon.Timestamp) [sha256.Size]byte {
	return Hash(strconv.AppendUint(fields, uint64(at), 10))
}

// closed ends an object or array. It replaces the comma after the last value, if there is one.
func closed(to []byte, end byte) []byte {
	if last := len(to) - 1; to[last] == ',' {
		to[last] = end
		return to
	}
	return append(to, end)
}
