// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// envelopeKeys are the keys of an envelope's list of events: Segment, RudderStack, and Amplitude send batches under the first
// or the second, mParticle under the second.
var envelopeKeys = [...]string{"batch", "events"}

const (
	// maxLevels is how many envelopes within one another are searched for an event of a listed type.
	maxLevels = 3
	// What unrolling may copy to events: minCopied bytes, or maxGrowth times the envelope's own size. Otherwise a short text
	// with a long field beside many events could take any amount of memory.
	maxGrowth = 16
	minCopied = 256 << 10
)

// envelope is where the events of an envelope are.
type envelope struct {
	// fields is the map that holds the list under key, or the zero Map if the record's body is the list.
	fields pcommon.Map
	key    string
	list   pcommon.Slice
	// inAttributes says that fields are the record's attributes, not its body.
	inAttributes bool
}

// finding is what an envelope holds of events of a listed type. A greater one decides.
type finding uint8

const (
	nothing finding = iota
	// mixed is an event in a list that isn't only of maps, or in one of two lists.
	mixed
	// tooDeep is an event within too many envelopes.
	tooDeep
	listed
)

// unroller finds the events in envelopes and makes a log record of each. An envelope is a list of maps, or a map that has
// exactly one non-empty list of maps under envelopeKeys and that no layout claims as an event.
type unroller struct {
	*matcher
	*inheritance

	// isEnvelope says of each event, in the order of a walk, whether it is an envelope itself.
	isEnvelope []bool
	// around are the envelopes around the event that the walk is at, the outermost first.
	around []pcommon.Map
	// found is what the walk found, copied how many bytes unrolling copies at most.
	found  finding
	copied int
}

// find looks for events of a listed type in a record that may be an envelope, after matcher.look. The envelope that it
// returns is to be unrolled if there is no problem.
func (u *unroller) find(record plog.LogRecord) (envelope, Problem) {
	e, found := u.findInBody(record)
	if u.attributes.hasList {
		other, foundInAttributes := u.findIn(record.Attributes(), 0)
		switch {
		case found == listed && foundInAttributes == listed:
			// Each event of the one would get a copy of the other.
			return envelope{}, MixedEvents
		case foundInAttributes > found:
			e, found = other, foundInAttributes
			e.inAttributes = true
		case found == listed:
			// unroll needs the walk through this envelope.
			u.search(&e, pdatautil.MapSize(record.Attributes()))
		}
	}
	switch {
	case found == listed && u.copied > minCopied && u.copiesTooMuch(&e, record):
		return envelope{}, EnvelopeTooLarge
	case found == listed:
		return e, NoProblem
	default:
		return envelope{}, [...]Problem{nothing: NotAnEvent, mixed: MixedEvents, tooDeep: EnvelopeTooDeep}[found]
	}
}

// copiesTooMuch counts exactly what unrolling copies, as far as it may.
func (u *unroller) copiesTooMuch(e *envelope, record plog.LogRecord) bool {
	attributes := pdatautil.MapSize(record.Attributes())
	limit := max(minCopied, maxGrowth*(pdatautil.Size(record.Body())+attributes))
	if u.copied <= limit {
		return false
	}
	if e.inAttributes {
		attributes = 0
	}
	u.copied, u.around = 0, u.around[:0]
	u.count(e, attributes, limit, u.isEnvelope)
	return u.copied > limit
}

// count adds to copied what the events of an envelope inherit, and so many bytes for each of them, until it exceeds a limit.
// It returns what is left of isEnvelope.
func (u *unroller) count(e *envelope, each, limit int, isEnvelope []bool) []bool {
	if e.fields != (pcommon.Map{}) {
		u.around = append(u.around, e.fields)
		defer func() { u.around = u.around[:len(u.around)-1] }()
	}
	for _, element := range e.list.All() {
		u.copied += each + u.inheritedSize(element.Map(), u.around, limit-u.copied)
		if u.copied > limit {
			return nil
		}
		is := isEnvelope[0]
		isEnvelope = isEnvelope[1:]
		if is {
			inner, _ := envelopeIn(element.Map())
			if isEnvelope = u.count(&inner, each, limit, isEnvelope); u.copied > limit {
				return nil
			}
		}
	}
	return isEnvelope
}

func (u *unroller) findInBody(record plog.LogRecord) (envelope, finding) {
	body := record.Body()
	switch {
	case u.body.hasList:
		return u.findIn(body.Map(), pdatautil.MapSize(record.Attributes()))
	case body.Type() != pcommon.ValueTypeSlice || !u.needsBody:
		return envelope{}, nothing
	case isListOfMaps(body.Slice()):
		e := envelope{list: body.Slice()}
		return e, u.search(&e, pdatautil.MapSize(record.Attributes()))
	default:
		return envelope{}, u.findMixed(body.Slice())
	}
}

// findIn looks into a map. Each record of an event gets so many bytes besides the envelope's fields.
func (u *unroller) findIn(m pcommon.Map, inherited int) (envelope, finding) {
	e, is := envelopeIn(m)
	if !is {
		return envelope{}, u.findMixedIn(m)
	}
	return e, u.search(&e, inherited)
}

// search walks through an envelope.
func (u *unroller) search(e *envelope, inherited int) finding {
	u.isEnvelope, u.around, u.found, u.copied = u.isEnvelope[:0], u.around[:0], nothing, 0
	u.walk(e, 1, inherited)
	return u.found
}

// walk looks at the events of an envelope, each of which inherits so many bytes from around it.
func (u *unroller) walk(e *envelope, level, inherited int) {
	if e.fields != (pcommon.Map{}) {
		inherited += u.size(e)
		u.around = append(u.around, e.fields)
		defer func() { u.around = u.around[:len(u.around)-1] }()
	}
	for _, element := range e.list.All() {
		event := element.Map()
		u.copied += inherited
		eventType := u.claimEvent(event)
		if eventType == "" && u.nested.hasList {
			if inner, is := envelopeIn(event); is {
				u.isEnvelope = append(u.isEnvelope, true)
				u.walk(&inner, level+1, inherited)
				continue
			}
			u.found = max(u.found, u.findMixedIn(event))
		}
		u.isEnvelope = append(u.isEnvelope, false)
		if u.types.index(eventType) >= 0 {
			u.found = max(u.found, foundAt(level))
		}
	}
}

// claimEvent returns the event type that the layouts find in an event of an envelope, "" if there is none. An event also meets
// a layout's condition by what it inherits.
func (u *unroller) claimEvent(event pcommon.Map) string {
	u.table.find(event, u.types, &u.nested)
	if u.nested.typed == 0 {
		return ""
	}
	for i := range u.layouts {
		l := &u.layouts[i]
		if l.slots&u.nested.typed == 0 || l.Condition.EventName != "" || !u.eventMeets(l, event) {
			continue
		}
		if eventType := l.typeOfEvent(&u.nested); eventType != "" {
			return eventType
		}
	}
	return ""
}

func (u *unroller) eventMeets(l *matchedLayout, event pcommon.Map) bool {
	if l.Condition.Always() {
		return true
	}
	if met, decided := l.meetsByKey(&u.nested); decided {
		return met
	}
	inherits := func(keys []string) bool { return u.inheritance.has(event, u.around, keys) }
	return hasAny(event, l.Condition.AnyOf) || len(u.around) > 0 && slices.ContainsFunc(l.inheritable, inherits)
}

func foundAt(level int) finding {
	if level > maxLevels {
		return tooDeep
	}
	return listed
}

// findMixedIn looks into the lists of a map that isn't an envelope.
func (u *unroller) findMixedIn(m pcommon.Map) finding {
	for key, value := range m.All() {
		if value.Type() == pcommon.ValueTypeSlice && slices.Contains(envelopeKeys[:], key) && u.findMixed(value.Slice()) == mixed {
			return mixed
		}
	}
	return nothing
}

func (u *unroller) findMixed(list pcommon.Slice) finding {
	for _, element := range list.All() {
		if element.Type() != pcommon.ValueTypeMap {
			continue
		}
		if u.types.index(u.claimEvent(element.Map())) >= 0 || u.nested.hasList && u.findMixedIn(element.Map()) == mixed {
			return mixed
		}
	}
	return nothing
}

// envelopeIn returns the list of events that makes a map an envelope, and whether it is one.
func envelopeIn(m pcommon.Map) (envelope, bool) {
	e, lists := envelope{fields: m}, 0
	for key, value := range m.All() {
		if value.Type() == pcommon.ValueTypeSlice && slices.Contains(envelopeKeys[:], key) && isListOfMaps(value.Slice()) {
			e.key, e.list = key, value.Slice()
			lists++
		}
	}
	return e, lists == 1
}

func isListOfMaps(list pcommon.Slice) bool {
	for _, element := range list.All() {
		if element.Type() != pcommon.ValueTypeMap {
			return false
		}
	}
	return list.Len() > 0
}

// unroll appends a record for each event of the envelope that find returned, and leaves the envelope's own record empty. Each
// new record has the timestamps, attributes, and trace of the envelope's record and, beside the event's own fields, those
// that the event inherits. An envelope in the attributes may have a body, which one of the records keeps.
func (u *unroller) unroll(record plog.LogRecord, e envelope, rest restOfBody, to plog.LogRecordSlice) {
	unrolling := unrolling{common: plog.NewLogRecord(), inAttributes: e.inAttributes, isEnvelope: u.isEnvelope, to: to}
	events, fields := e.take(), pcommon.NewMap()
	if e.fields != (pcommon.Map{}) {
		e.fields.MoveTo(fields)
		u.strip(fields, e.key)
	}
	body := pcommon.NewValueEmpty()
	record.Body().MoveTo(body)
	record.MoveTo(unrolling.common)
	first := to.Len()
	u.unrollEvents(&unrolling, events, fields)
	switch rest {
	case restOfFirst:
		body.MoveTo(to.At(first).Body())
	case restOfClaimed:
		body.MoveTo(u.firstClaimed(to, first).Body())
	}
}

// firstClaimed returns the first of the new records that a layout claims.
func (u *unroller) firstClaimed(records plog.LogRecordSlice, first int) plog.LogRecord {
	for i := first; i < records.Len(); i++ {
		if u.look(records.At(i)); u.claim(records.At(i)).layout != nil {
			return records.At(i)
		}
	}
	return records.At(first)
}

// restOfBody is what becomes of the body of an envelope in the attributes.
type restOfBody uint8

const (
	// noRest drops the body: it is the envelope itself.
	noRest restOfBody = iota
	// restOfFirst leaves the body to the first event.
	restOfFirst
	// restOfClaimed leaves the body, a JSON text, to the first event that a layout claims. There it isn't read.
	restOfClaimed
)

// unrolling is the state of unrolling one record.
type unrolling struct {
	// common is what all new records have from the envelope's record.
	common       plog.LogRecord
	inAttributes bool
	// isEnvelope is unroller.isEnvelope for the events that are left.
	isEnvelope []bool
	to         plog.LogRecordSlice
}

func (u *unroller) unrollEvents(un *unrolling, events pcommon.Slice, fields pcommon.Map) {
	alternatives := u.relevant(fields)
	for _, element := range events.All() {
		isEnvelope := un.isEnvelope[0]
		un.isEnvelope = un.isEnvelope[1:]
		if isEnvelope {
			inner, _ := envelopeIn(element.Map())
			list := inner.take()
			u.strip(inner.fields, inner.key)
			u.handOn(fields, alternatives, inner.fields)
			u.unrollEvents(un, list, inner.fields)
			continue
		}
		record := un.to.AppendEmpty()
		un.common.CopyTo(record)
		root := record.Attributes()
		if !un.inAttributes {
			root = record.Body().SetEmptyMap()
		}
		element.Map().MoveTo(root)
		u.handOn(fields, alternatives, root)
	}
}

// take takes the events out of their list.
func (e *envelope) take() pcommon.Slice {
	events := pcommon.NewSlice()
	e.list.MoveAndAppendTo(events)
	return events
}
