// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impressionprocessor/internal/layout"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Reader finds the events of some types among log records, and reads their parts. It holds the state of one record at a
// time and is not safe for concurrent use.
type Reader struct {
	layouts *Layouts
	types   []string

	body, attributes found

	claimed *layout
	from    source
}

// NewReader returns a reader that finds events of these types by these layouts.
func NewReader(layouts *Layouts, types []string) *Reader {
	return &Reader{layouts: layouts, types: types}
}

// Reset lets go of the record that was read last.
func (r *Reader) Reset() {
	*r = Reader{layouts: r.layouts, types: r.types}
}

// NotFound is what Find returns for a record that is no event of the reader's types.
const NotFound = -1

// Find returns the index of the record's event type in the reader's types. The event's type is what the first layout that
// finds one says, of the reader's types or not. The event's other parts can then be read, until the record or its resource
// is changed.
func (r *Reader) Find(resource pcommon.Resource, record plog.LogRecord) int {
	name := record.EventName()
	named := r.index(name)
	if r.layouts.nameFirst && name != "" {
		if named != NotFound {
			r.from = source{resource: resource, record: record, root: record.Attributes()}
			r.claimed = &r.layouts.all[0]
		}
		return named
	}
	if named == NotFound && !r.mayHold(record) {
		return NotFound
	}
	r.from = source{resource: resource, record: record}
	r.find(record)
	for i := range r.layouts.all {
		if eventType := r.claim(&r.layouts.all[i]); eventType != "" {
			return r.index(eventType)
		}
	}
	return NotFound
}

func (r *Reader) index(eventType string) int {
	return slices.Index(r.types, eventType)
}

// mayHold says whether any place of an event type holds a type of the reader's. Where none does, it is no matter which
// layout claims the record.
func (r *Reader) mayHold(record plog.LogRecord) bool {
	ls := r.layouts
	if ls.needsBody && record.Body().Type() == pcommon.ValueTypeMap && ls.keys.mayHold(record.Body().Map(), r.types) {
		return true
	}
	return ls.bodyIsType || ls.needsAttributes && ls.keys.mayHold(record.Attributes(), r.types)
}

// find looks up all places of event types.
func (r *Reader) find(record plog.LogRecord) {
	r.body.mask, r.attributes.mask = 0, 0
	if r.layouts.needsBody && record.Body().Type() == pcommon.ValueTypeMap {
		r.layouts.keys.find(record.Body().Map(), &r.body)
	}
	if r.layouts.needsAttributes {
		r.layouts.keys.find(record.Attributes(), &r.attributes)
	}
}

// claim tries one layout on the record. The event is looked for in a body map first, then in the attributes; paths that
// start elsewhere than at the event say themselves which of the two it is.
func (r *Reader) claim(l *layout) string {
	if l.rooted && r.body.mask != 0 {
		if eventType := r.claimAt(l, &r.body); eventType != "" {
			return eventType
		}
	}
	return r.claimAt(l, &r.attributes)
}

func (r *Reader) claimAt(l *layout, tried *found) string {
	for i := range l.eventType {
		p := &l.eventType[i]
		root := r.rootOf(p, tried)
		eventType := r.text(p, root)
		if eventType == "" || l.onlyType != "" && !root.absentOr(l.typeSlot, l.onlyType) {
			continue
		}
		r.claimed = l
		r.from.root = r.from.record.Attributes()
		if root == &r.body {
			r.from.root = r.from.record.Body().Map()
		}
		return eventType
	}
	return ""
}

func (r *Reader) rootOf(p *typePath, tried *found) *found {
	switch {
	case p.start == startEvent:
		return tried
	case p.start == startBody && len(p.keys) > 0:
		return &r.body
	default:
		return &r.attributes
	}
}

// absentOr says whether the value is missing, null, or this text.
func (f *found) absentOr(slot int, text string) bool {
	if f.mask&(1<<slot) == 0 {
		return true
	}
	v := f.values[slot]
	return v.Type() == pcommon.ValueTypeEmpty || v.Type() == pcommon.ValueTypeStr && v.Str() == text
}

// text is the event type at a path, "" where it is missing or no string.
func (r *Reader) text(p *typePath, root *found) string {
	var v pcommon.Value
	switch {
	case p.start == startEventName:
		return r.from.record.EventName()
	case len(p.keys) == 0:
		v = r.from.record.Body()
	default:
		var present bool
		if v, present = root.get(p.slot, p.keys); !present {
			return ""
		}
	}
	if v.Type() != pcommon.ValueTypeStr {
		return ""
	}
	return v.Str()
}

// SetEventType writes a new event type to each place of the layout that holds the old one.
func (r *Reader) SetEventType(from, to string) {
	for i := range r.claimed.eventType {
		p := &r.claimed.eventType[i]
		if p.start == startEventName {
			if r.from.record.EventName() == from {
				r.from.record.SetEventName(to)
			}
			continue
		}
		if v, present := p.value(&r.from); present && v.Type() == pcommon.ValueTypeStr && v.Str() == from {
			v.SetStr(to)
		}
	}
}

// Root is where the event starts: the body or the attributes of the record.
func (r *Reader) Root() pcommon.Map {
	return r.from.root
}

// Properties returns the event's properties, false where they are missing or no map.
func (r *Reader) Properties() (pcommon.Map, bool) {
	for i := range r.claimed.properties {
		if m, isMap := r.claimed.properties[i].mapping(&r.from); isMap {
			return m, true
		}
	}
	return pcommon.Map{}, false
}

// UserID returns the user's id as it stands, a number as its exact text, "" where there is none.
func (r *Reader) UserID() string {
	return r.id(r.claimed.userID)
}

// DeviceID returns the device's id as it stands, a number as its exact text, "" where there is none.
func (r *Reader) DeviceID() string {
	return r.id(r.claimed.deviceID)
}

// InsertID returns the id by which Amplitude recognises a repeated event, "" where there is none.
func (r *Reader) InsertID() string {
	return r.id(r.claimed.insertID)
}

func (r *Reader) id(paths []path) string {
	for i := range paths {
		v, present := paths[i].value(&r.from)
		if !present || v.Type() == pcommon.ValueTypeBool {
			continue
		}
		if text, isText := Text(v); isText && text != "" {
			return text
		}
	}
	return ""
}

// Time returns the event's own time, 0 where it has none: the `time` among its properties, else the layout's, else the
// record's Timestamp. What cannot be a time is passed over.
func (r *Reader) Time(inProperties pcommon.Value) pcommon.Timestamp {
	if at, valid := Time(inProperties); valid {
		return at
	}
	for i := range r.claimed.time {
		if r.claimed.time[i].start == startTime {
			if at := r.from.record.Timestamp(); at != 0 {
				return at
			}
			continue
		}
		v, present := r.claimed.time[i].value(&r.from)
		if !present {
			continue
		}
		if at, valid := Time(v); valid {
			return at
		}
	}
	return r.from.record.Timestamp()
}
