// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

// Reader finds events, of some types or of any, among log records, and reads their parts. It holds the state of one
// record at a time and is not safe for concurrent use.
type Reader struct {
	layouts *Layouts
	types   typeSet
	// otherLengths has a bit for each length, modulo 64, that the EventName of no event of the reader's types has.
	otherLengths uint64
	text         textReader
	// Seen counts records since the last Reset.
	Seen Seen

	body, attributes found
	claimed          *layout
	eventType        string
	from             source
	// gaps are those that UnrollAll opens in one scope.
	gaps []Gap
}

// NewReader returns a reader that finds events of these types by these layouts, in JSON texts up to these limits. Nil
// types are any: no record is passed over by its length, and each JSON text is read.
func NewReader(layouts *Layouts, types []string, limits jsonvalue.Limits) *Reader {
	r := &Reader{
		layouts: layouts,
		types:   types,
		text:    newTextReader(types, limits),
		Seen:    Seen{ByLayout: make([]int64, len(layouts.all))},
	}
	if layouts.nameFirst && types != nil {
		// A record without EventName needs a closer look.
		r.otherLengths = ^uint64(1)
		for _, eventType := range types {
			r.otherLengths &^= 1 << (len(eventType) % 64)
		}
	}
	return r
}

// Reset lets go of the record that was read last, and counts anew.
func (r *Reader) Reset() {
	r.body, r.attributes, r.claimed, r.eventType, r.from = found{}, found{}, nil, "", source{}
	r.text.replaced = false
	// An error is for values that it does not know.
	_ = r.text.original.FromRaw(nil)
	r.Seen.reset()
}

// What Find returns for a record that is no event of the reader's types.
const (
	// NotFound is any other record.
	NotFound = -1
	// Envelope is a record of several events, with at least one of the reader's types among them; see UnrollAll.
	Envelope = -2
)

// IsOther says of most records that are no event of the reader's types that they are none, by the length of their
// EventName. Find says the same at a higher cost.
func (r *Reader) IsOther(record plog.LogRecord) bool {
	return r.otherLengths>>(len(record.EventName())%64)&1 != 0
}

// Find returns the index of the record's event type in the reader's types, 0 where they are any. The event's type is what
// the first layout that finds one says, of the reader's types or not. The event's other parts can then be read, until the
// record or its resource is changed. A JSON text in the body gives way to what it says, if that is such an event or
// envelope.
func (r *Reader) Find(resource pcommon.Resource, record plog.LogRecord) int {
	name := record.EventName()
	if r.layouts.nameFirst && name != "" {
		named := r.types.index(name)
		if named != NotFound {
			r.text.replaced = false
			r.from = source{resource: resource, record: record, root: record.Attributes()}
			r.claimed, r.eventType = &r.layouts.all[0], name
		}
		return named
	}
	found, matched := r.search(resource, record)
	if found != Envelope {
		r.Seen.count(matched)
	}
	return found
}

func (r *Reader) search(resource pcommon.Resource, record plog.LogRecord) (found, matched int) {
	r.text.replaced = false
	isText := record.Body().Type() == pcommon.ValueTypeStr
	untouched := r.Seen.Untouched
	seen := r.scan(record)
	found, matched = NotFound, r.layouts.firstOf(seen.slots, record.EventName() != "")
	if seen.listed || isText && matched != noLayout && !r.mayClaim(matched, record) {
		found, matched = r.locate(resource, record)
	}
	if isText && found == NotFound && matched == noLayout && r.Seen.Untouched == untouched {
		return r.searchText(resource, record)
	}
	return found, matched
}

// mayClaim says whether the attributes of a record, whose body is a text, meet the condition of a layout.
func (r *Reader) mayClaim(matched int, record plog.LogRecord) bool {
	only := r.layouts.all[matched].only
	if only == (condition{}) {
		// Spares the look-up.
		return true
	}
	v, present := record.Attributes().Get(only.key)
	return only.metBy(v, present)
}

// scan looks at all places of event types. Where none holds a type of the reader's, it is no matter which layout claims
// the record.
func (r *Reader) scan(record plog.LogRecord) sight {
	ls := r.layouts
	seen := sight{listed: ls.bodyIsType || r.types.index(record.EventName()) != NotFound}
	if ls.needsBody {
		switch record.Body().Type() {
		case pcommon.ValueTypeMap:
			seen = seen.and(ls.keys.scan(record.Body().Map(), r.types))
		case pcommon.ValueTypeSlice:
			seen = seen.and(sight{listed: ls.rooted && ls.keys.scanEvents(record.Body().Slice(), r.types, true)})
		}
	}
	if ls.needsAttributes {
		seen = seen.and(ls.keys.scan(record.Attributes(), r.types))
	}
	return seen
}

// locate asks the layouts in their order.
func (r *Reader) locate(resource pcommon.Resource, record plog.LogRecord) (found, matched int) {
	r.from = source{resource: resource, record: record}
	r.find(record)
	for i := range r.layouts.all {
		if eventType := r.claim(&r.layouts.all[i]); eventType != "" {
			r.eventType = eventType
			return r.types.index(eventType), i
		}
	}
	if r.layouts.rooted && r.holdsEvents(record) {
		return Envelope, noLayout
	}
	return NotFound, noLayout
}

// find looks up all places of event types.
func (r *Reader) find(record plog.LogRecord) {
	r.body.slots, r.attributes.slots = 0, 0
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
	if l.rooted && r.body.slots != 0 {
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
		eventType := r.typeAt(p, root)
		if eventType == "" || !root.meets(l.only, l.onlySlot) {
			continue
		}
		r.claimed = l
		r.from.root, r.from.inBody = r.from.record.Attributes(), root == &r.body
		if r.from.inBody {
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

// typeAt is the event type at a path, "" where it is missing or no string.
func (r *Reader) typeAt(p *typePath, root *found) string {
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
