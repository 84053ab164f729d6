// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// matcher finds the layout that claims a record, and the event type that the layout finds there. It keeps the finds of
// the last look.
type matcher struct {
	*rules
	body, attributes, nested finds
}

func newMatcher(r *rules) matcher {
	values := func() finds {
		return finds{values: make([]pcommon.Value, len(r.table.keys)), texts: make([]string, len(r.table.keys))}
	}
	return matcher{rules: r, body: values(), attributes: values(), nested: values()}
}

// rules are the compiled layouts and event types. They are immutable, so readers share them.
type rules struct {
	layouts []matchedLayout
	types   typeSet
	table   keyTable
	// named is the layout that claims every record with an EventName other than reservedName, or nil if there is none.
	named        *matchedLayout
	reservedName string
	// needsBody and needsAttributes report whether an event type can be in the body, if it is a map, and in the
	// attributes.
	needsBody, needsAttributes bool
	// bodyIsType reports whether a body that is a string can itself be an event type.
	bodyIsType bool
	// insertIDs has the attributes of records that are the insert ids of events in the body. They are removed from
	// envelopes, because several events must not share an insert id.
	insertIDs []string
}

// matchedLayout is a layout with the slots of its keys.
type matchedLayout struct {
	*layout.Layout
	// index is the layout's index in rules.layouts.
	index int
	types []typePath
	// slots has a bit for the slot of each of types.
	slots         uint64
	conditionSlot int
	// named reports whether EventName can hold the event type.
	named bool
	// rooted reports whether the event type is looked for at the event's root, wherever that is.
	rooted bool
	// isPlain reports whether the event type is looked for only at the event's root, at one path.
	isPlain bool
	// bodyIsType reports whether a body that is a string can itself be the event type.
	bodyIsType bool
	fields     *fieldTable
}

// typePath is a path to an event type, with the slot of its first key.
type typePath struct {
	layout.Path
	slot int
}

func newRules(layouts []layout.Layout, types []string, fields []event.Field) *rules {
	r := &rules{types: types}
	for _, key := range envelopeKeys {
		r.table.addEnvelope(key)
	}
	for i := range layouts {
		r.add(&layouts[i], fields)
	}
	first := &r.layouts[0]
	if first.Condition.EventName != "" && len(r.layouts) > 1 {
		r.reservedName = first.Condition.EventName
		first = &r.layouts[1]
	}
	if first.types[0].Start == layout.EventName && first.Condition.Always() {
		r.named = first
	}
	return r
}

func (r *rules) add(l *layout.Layout, fields []event.Field) {
	added := matchedLayout{Layout: l, index: len(r.layouts), fields: newFieldTable(l, fields)}
	for _, p := range l.Paths[event.Type] {
		path := typePath{Path: p}
		if len(p.Keys) > 0 {
			path.slot = r.table.addType(p.Keys)
			added.slots |= 1 << path.slot
		}
		added.types = append(added.types, path)
		added.named = added.named || p.Start == layout.EventName
		added.rooted = added.rooted || p.Start == layout.Root
		r.needsBody = r.needsBody || p.Start == layout.Root || p.Start == layout.Body && len(p.Keys) > 0
		added.bodyIsType = added.bodyIsType || p.Start == layout.Body && len(p.Keys) == 0
		r.bodyIsType = r.bodyIsType || added.bodyIsType
		r.needsAttributes = r.needsAttributes || p.Start == layout.Root || p.Start == layout.Attributes
	}
	added.isPlain = len(added.types) == 1 && added.rooted
	if l.Condition.Key != "" {
		added.conditionSlot = r.table.slotOf(l.Condition.Key)
		r.needsAttributes = true
	}
	r.addInsertIDs(l)
	r.layouts = append(r.layouts, added)
}

func (r *rules) addInsertIDs(l *layout.Layout) {
	inBody := func(p layout.Path) bool { return leadsIntoEvent(&p, false) }
	if !slices.ContainsFunc(l.Paths[event.Type], inBody) {
		return
	}
	for _, p := range l.Paths[event.InsertID] {
		if p.Start == layout.Attributes && len(p.Keys) == 1 {
			r.insertIDs = append(r.insertIDs, p.Keys[0])
		}
	}
}

// look finds the keys of event types in a record, and reports whether it may have a listed type. body is the type of the
// record's body.
func (m *matcher) look(record plog.LogRecord, body pcommon.ValueType) bool {
	m.body.reset()
	if m.needsBody && body == pcommon.ValueTypeMap {
		m.table.find(record.Body().Map(), m.types, &m.body)
	}
	switch {
	case !m.needsAttributes:
		m.attributes.reset()
	case body == pcommon.ValueTypeStr:
		// The conditions are needed to decide whether a layout claims the record or the text must be searched.
		m.table.findAll(record.Attributes(), m.types, &m.attributes)
	default:
		m.table.find(record.Attributes(), m.types, &m.attributes)
	}
	if name := record.EventName(); name != "" && m.types.index(name) >= 0 {
		return true
	}
	return m.body.listed || m.attributes.listed || m.bodyIsType
}

// claim is a layout's claim to a record. The zero claim means that no layout claims it.
type claim struct {
	layout *matchedLayout
	// eventType isn't necessarily a listed type.
	eventType string
	// inBody reports whether the event's root is the body, not the attributes.
	inBody bool
}

// claim returns the claim of the first layout that finds an event type. look must have looked at the record. A layout
// that starts at the event's root tries the body first, then the attributes. Other paths name the body or the attributes
// themselves.
func (m *matcher) claim(record plog.LogRecord) claim {
	typed, hasName := m.body.typed|m.attributes.typed, record.EventName() != ""
	if typed == 0 && !hasName && !m.bodyIsType {
		return claim{}
	}
	for i := range m.layouts {
		l := &m.layouts[i]
		if l.slots&typed == 0 && (!l.named || !hasName) && !l.bodyIsType {
			continue
		}
		if l.rooted && m.body.present != 0 {
			if eventType, root := m.typeIn(l, record, &m.body); eventType != "" {
				return claim{l, eventType, root == &m.body}
			}
		}
		if eventType, root := m.typeIn(l, record, &m.attributes); eventType != "" {
			return claim{l, eventType, root == &m.body}
		}
	}
	return claim{}
}

// typeIn returns the event type that a layout finds if tried is the event's root. It also returns the map in which it
// found the type.
func (m *matcher) typeIn(l *matchedLayout, record plog.LogRecord, tried *finds) (eventType string, root *finds) {
	for i := range l.types {
		p := &l.types[i]
		at := tried
		switch {
		case p.Start == layout.Body && len(p.Keys) > 0:
			at = &m.body
		case p.Start != layout.Root:
			at = &m.attributes
		}
		candidate := p.typeOf(record, at)
		if candidate != "" && !m.meets(l, at, record) {
			candidate = ""
		}
		chosen, final := l.choose(i, eventType, candidate)
		if chosen != eventType {
			eventType, root = chosen, at
		}
		if final {
			break
		}
	}
	return eventType, root
}

func (p *typePath) typeOf(record plog.LogRecord, root *finds) string {
	switch {
	case p.Start == layout.EventName:
		return record.EventName()
	case len(p.Keys) == 0:
		return typeAt(record.Body(), nil)
	}
	v, present := root.value(p.slot)
	if !present {
		return ""
	}
	return typeAt(v, p.Keys[1:])
}

// meets reports whether the map in which an event type was found meets the layout's condition.
func (m *matcher) meets(l *matchedLayout, at *finds, record plog.LogRecord) bool {
	switch {
	case l.Condition.Always():
		return true
	case l.Condition.EventName != "" && l.Condition.EventName != record.EventName():
		return false
	}
	root := record.Attributes()
	if at == &m.body {
		root = record.Body().Map()
	}
	return l.meets(at, root)
}

// meets reports whether a map meets the layout's condition. found has the finds of the map.
func (l *matchedLayout) meets(found *finds, root pcommon.Map) bool {
	met, decided := l.meetsByKey(found, root)
	if !decided {
		met = hasAny(root, l.Condition.AnyOf)
	}
	return met && l.fits(found, root)
}

// fits reports whether a map that meets the other parts of the layout's condition has what the layout needs, and isn't an envelope that
// it doesn't claim.
func (l *matchedLayout) fits(found *finds, root pcommon.Map) bool {
	if l.Condition.Needs != nil && !hasAny(root, l.Condition.Needs) {
		return false
	}
	if !l.NoEnvelope || !found.hasList {
		return true
	}
	_, isEnvelope := envelopeIn(root)
	return !isEnvelope
}

// meetsByKey reports whether the value of the condition's key meets the condition. It isn't decided if the value is
// missing or null.
func (l *matchedLayout) meetsByKey(found *finds, root pcommon.Map) (met, decided bool) {
	if l.Condition.Key == "" {
		return false, false
	}
	var v pcommon.Value
	var present bool
	if found.hasConditions {
		if found.text(l.conditionSlot) == l.Condition.Value {
			return true, true
		}
		v, present = found.value(l.conditionSlot)
	} else {
		v, present = root.Get(l.Condition.Key)
	}
	if !present {
		return false, false
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return v.Str() == l.Condition.Value || strings.EqualFold(v.Str(), l.Condition.Value), true
	case pcommon.ValueTypeEmpty:
		return false, false
	default:
		return false, true
	}
}

func hasAny(m pcommon.Map, paths [][]string) bool {
	return slices.ContainsFunc(paths, func(keys []string) bool { return has(m, keys) })
}

// has reports whether a map has a value at a path that isn't null.
func has(m pcommon.Map, keys []string) bool {
	v, present := layout.LookUp(m, keys)
	return present && pdatautil.IsSet(v)
}

// surelyClaims reports whether a layout certainly claims a record whose body is a text. first is the result of first. It
// costs less than claim.
func (m *matcher) surelyClaims(first int, record plog.LogRecord) bool {
	return first >= 0 && m.layouts[first].isPlain && m.layouts[first].meets(&m.attributes, record.Attributes())
}

// first returns the index of the first layout that has an event type in the record, whether or not it meets the layout's
// condition. It returns -1 if there is none. It costs less than claim.
func (m *matcher) first(record plog.LogRecord) int {
	typed, named := m.body.typed|m.attributes.typed, record.EventName() != ""
	if typed == 0 && !named {
		return -1
	}
	for i := range m.layouts {
		if m.layouts[i].slots&typed != 0 || named && m.layouts[i].named {
			return i
		}
	}
	return -1
}

// typeOfEvent returns the event type that the layout finds in an event of an envelope, or "". inAttributes reports
// whether the event will be in the attributes of its record, not in the body.
func (l *matchedLayout) typeOfEvent(found *finds, inAttributes bool) string {
	eventType := ""
	for i := range l.types {
		p := &l.types[i]
		if !leadsIntoEvent(&p.Path, inAttributes) {
			continue
		}
		candidate := ""
		if v, present := found.value(p.slot); present {
			candidate = typeAt(v, p.Keys[1:])
		}
		var final bool
		if eventType, final = l.choose(i, eventType, candidate); final {
			break
		}
	}
	return eventType
}

// leadsIntoEvent reports whether a path leads to an entry of an event that is in the attributes or in the body.
func leadsIntoEvent(p *layout.Path, inAttributes bool) bool {
	switch p.Start {
	case layout.Root:
		return true
	case layout.Attributes:
		return inAttributes && len(p.Keys) > 0
	case layout.Body:
		return !inAttributes && len(p.Keys) > 0
	default:
		return false
	}
}

// choose returns the event type after path i of the layout was tried, and reports whether it is final. candidate is the
// event type at the path, or "". A generic type of the first path isn't final, because a later path may lead to another.
// After any other type, later paths aren't tried.
func (l *matchedLayout) choose(i int, eventType, candidate string) (chosen string, final bool) {
	switch {
	case l.GenericType == "":
		return candidate, candidate != ""
	case i == 0:
		return candidate, candidate != l.GenericType
	case candidate == "":
		return eventType, false
	default:
		return candidate, true
	}
}

// release drops the references to the records that were matched.
func (m *matcher) release() {
	m.body.release()
	m.attributes.release()
	m.nested.release()
}
