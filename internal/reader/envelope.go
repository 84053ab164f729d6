// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// envelopeKeys are the keys of an envelope's list of events. Segment and RudderStack send batches under the first,
// Amplitude and mParticle under the second.
var envelopeKeys = [...]string{"batch", "events"}

const (
	// maxLevels is the maximum number of nested envelopes that are searched for events of a listed type.
	maxLevels = 3
	// maxNesting is how many levels of nested envelopes are unrolled, because the work on an event grows with the number of
	// envelopes around it. With the default limits, JSON text can't be nested as deeply.
	maxNesting = 64
	// Unrolling may copy maxGrowth times the envelope's own size to events, but not more than maxCopied. Without a bound, a
	// short text with a long field beside many events could take any amount of memory. Up to minCopied, the envelope's size
	// doesn't matter, until the envelopes of a batch have used up minCopiedOfBatch.
	maxGrowth        = 16
	maxCopied        = 32 << 20
	minCopied        = 256 << 10
	minCopiedOfBatch = 4 << 20
	// recordSize is the approximate size of an event's record besides the event. It counts as copied.
	recordSize = 256
)

// envelope locates the events of an envelope.
type envelope struct {
	// fields is the map that has the list under key. It is the zero Map if the record's body is the list.
	fields pcommon.Map
	key    string
	list   pcommon.Slice
	// inAttributes reports whether fields are the record's attributes, not its body.
	inAttributes bool
}

// finding is the kind of events of a listed type that an envelope holds. Of several kinds, the greatest decides.
type finding uint8

const (
	nothing finding = iota
	// mixed is an event in a list that also has elements that aren't maps, or in one of two lists.
	mixed
	// tooDeep is an event of a listed type within more than maxLevels envelopes.
	tooDeep
	// listed is an event within maxLevels.
	listed
)

// unroller finds the events in envelopes and makes a log record of each. An envelope is a list of maps, or a map with
// exactly one non-empty list of maps under envelopeKeys. A map that a layout claims as an event isn't an envelope.
type unroller struct {
	*matcher
	// inBody is for events in the body of their records, inAttributes for events in the attributes.
	inBody, inAttributes *inheritance
	// inheritance is the one of the two that the current envelope needs.
	*inheritance
	// unrollAll is set if every envelope counts as one with an event of a listed type.
	unrollAll bool

	// isEnvelope reports for each event, in the order of a walk, whether it is an envelope itself.
	isEnvelope []bool
	// inherited has an element for each envelope around the current event of a walk, the outermost first, and for each of
	// inheritance.conditions. It reports whether the envelope has or inherits a value at the condition's path.
	inherited []bool
	// found is the result of the walk. copied is an upper bound of the bytes that unrolling copies.
	found  finding
	copied int
	// copiedByMinimum is how much of minCopiedOfBatch is used up.
	copiedByMinimum int
	// unrolled is how much the envelopes of the batch have copied.
	unrolled int
	// tooNested reports whether the walk came to an envelope below maxNesting.
	tooNested bool
}

// find searches a record that may be an envelope for events of a listed type. matcher.look must have looked at the
// record. If there is no problem, the caller must unroll the envelope.
func (u *unroller) find(record plog.LogRecord) (envelope, Problem) {
	e, found := u.findInBody(record)
	if u.attributes.hasList {
		other, foundInAttributes := u.findIn(record.Attributes(), true, 0)
		switch {
		case found == listed && foundInAttributes == listed:
			// Each event of one envelope would get a copy of the other envelope.
			return envelope{}, MixedEvents
		case foundInAttributes > found:
			e, found = other, foundInAttributes
		case found == listed:
			// unroll uses the results of the last walk, which must be through this envelope.
			u.search(&e, pdatautil.MapSize(record.Attributes()))
		}
	}
	switch {
	case found == listed && u.tooNested:
		return envelope{}, EnvelopeTooDeep
	case found == listed && u.copiesTooMuch(&e, record):
		return envelope{}, EnvelopeTooLarge
	case found == listed:
		u.unrolled += u.copied
		return e, NoProblem
	default:
		return envelope{}, [...]Problem{nothing: NotAnEvent, mixed: MixedEvents, tooDeep: EnvelopeTooDeep}[found]
	}
}

// copiesTooMuch reports whether unrolling would copy more than the limit. Near the limit it counts exactly, unlike the walk.
func (u *unroller) copiesTooMuch(e *envelope, record plog.LogRecord) bool {
	if u.copiesByMinimum() {
		return false
	}
	attributes := pdatautil.MapSize(record.Attributes())
	limit := min(maxGrowth*(pdatautil.Size(record.Body())+attributes), maxCopied)
	if u.copied <= limit {
		return false
	}
	if e.inAttributes {
		attributes = 0
	}
	u.copied = 0
	u.count(e, nil, recordSize+attributes, max(limit, minCopied), u.isEnvelope)
	return u.copied > limit && !u.copiesByMinimum()
}

// copiesByMinimum reports whether unrolling copies so little that the envelope's size doesn't matter.
func (u *unroller) copiesByMinimum() bool {
	if u.copied > minCopied || u.copied+u.copiedByMinimum > minCopiedOfBatch {
		return false
	}
	u.copiedByMinimum += u.copied
	return true
}

// count adds the bytes that unrolling an envelope copies to u.copied, and stops when it exceeds limit. around are the
// envelopes around this one, and each is the number of bytes that every event gets besides inherited fields. count
// returns the elements of isEnvelope that follow those of this envelope.
func (u *unroller) count(e *envelope, around []level, each, limit int, isEnvelope []bool) []bool {
	if e.fields != (pcommon.Map{}) {
		around = append(around, u.newLevel(e))
	}
	for _, element := range e.list.All() {
		u.copied += each + u.inheritedSize(element.Map(), around, limit-u.copied)
		if u.copied > limit {
			return nil
		}
		is := isEnvelope[0]
		isEnvelope = isEnvelope[1:]
		if is {
			inner, _ := envelopeIn(element.Map())
			if isEnvelope = u.count(&inner, around, each, limit, isEnvelope); u.copied > limit {
				return nil
			}
		}
	}
	return isEnvelope
}

func (u *unroller) findInBody(record plog.LogRecord) (envelope, finding) {
	u.use(false)
	body := record.Body()
	switch {
	case u.body.hasList:
		return u.findIn(body.Map(), false, pdatautil.MapSize(record.Attributes()))
	case body.Type() != pcommon.ValueTypeSlice || !u.needsBody:
		return envelope{}, nothing
	case isListOfMaps(body.Slice()):
		e := envelope{list: body.Slice()}
		found := u.search(&e, pdatautil.MapSize(record.Attributes()))
		return e, found
	default:
		return envelope{}, u.findMixed(body.Slice())
	}
}

// findIn searches the body or the attributes. inherited is the number of bytes that every event gets besides the
// envelope's fields.
func (u *unroller) findIn(m pcommon.Map, inAttributes bool, inherited int) (envelope, finding) {
	u.use(inAttributes)
	e, is := envelopeIn(m)
	if !is {
		return envelope{}, u.findMixedIn(m)
	}
	e.inAttributes = inAttributes
	found := u.search(&e, inherited)
	return e, found
}

// use selects the inheritance for events in the attributes or in the body.
func (u *unroller) use(inAttributes bool) {
	u.inheritance = u.inBody
	if inAttributes {
		u.inheritance = u.inAttributes
	}
}

// search walks through an envelope from its outermost level. inherited is as in findIn.
func (u *unroller) search(e *envelope, inherited int) finding {
	u.use(e.inAttributes)
	u.isEnvelope, u.inherited, u.found, u.copied = u.isEnvelope[:0], u.inherited[:0], nothing, 0
	u.tooNested = false
	u.walk(e, 1, recordSize+inherited)
	if u.unrollAll {
		u.found = listed
	}
	return u.found
}

// walk searches the events of an envelope at the given level. inherited is the number of bytes that every event gets from
// outside this envelope.
func (u *unroller) walk(e *envelope, level, inherited int) {
	u.tooNested = u.tooNested || level > maxNesting
	if e.fields != (pcommon.Map{}) {
		inherited += u.size(e)
		outer := len(u.inherited)
		for i := range u.conditions {
			u.inherited = append(u.inherited, u.conditions[i].has(e.fields, u.inheritedFrom(outer, i)))
		}
		defer func() { u.inherited = u.inherited[:outer] }()
	}
	for _, element := range e.list.All() {
		m := element.Map()
		u.copied += inherited
		eventType := u.claimEvent(m)
		if eventType == "" && u.nested.hasList {
			if inner, is := envelopeIn(m); is {
				u.isEnvelope = append(u.isEnvelope, true)
				u.walk(&inner, level+1, inherited)
				continue
			}
			u.found = max(u.found, u.findMixedIn(m))
		}
		u.isEnvelope = append(u.isEnvelope, false)
		if u.types.index(eventType) >= 0 {
			u.found = max(u.found, foundAt(level))
		}
	}
}

// claimEvent returns the event type that the layouts find in an event of an envelope, or "" if there is none. Fields that
// the event inherits count for the conditions of layouts.
func (u *unroller) claimEvent(m pcommon.Map) string {
	u.table.find(m, u.types, &u.nested)
	if u.nested.typed == 0 {
		return ""
	}
	for i := range u.layouts {
		l := &u.layouts[i]
		if l.slots&u.nested.typed == 0 || l.Condition.EventName != "" || !u.eventMeets(l, m) {
			continue
		}
		if eventType := l.typeOfEvent(&u.nested, u.inheritance == u.inAttributes); eventType != "" {
			return eventType
		}
	}
	return ""
}

func (u *unroller) eventMeets(l *matchedLayout, m pcommon.Map) bool {
	if l.Condition.Always() {
		return true
	}
	if met, decided := l.meetsByKey(&u.nested, m); decided {
		return met && l.fits(&u.nested, m)
	}
	if hasAny(m, l.Condition.AnyOf) {
		return l.fits(&u.nested, m)
	}
	for i := range u.conditions {
		c := &u.conditions[i]
		if c.layout == l.index && u.inheritedFrom(len(u.inherited), i) && c.has(m, true) {
			return l.fits(&u.nested, m)
		}
	}
	return false
}

// inheritedFrom returns the element of inherited for a condition and for the envelope whose elements end at end. It
// returns false if there is no such envelope.
func (u *unroller) inheritedFrom(end, condition int) bool {
	begin := end - len(u.conditions)
	return begin >= 0 && u.inherited[begin+condition]
}

func foundAt(level int) finding {
	if level > maxLevels {
		return tooDeep
	}
	return listed
}

// findMixedIn searches the lists of a map that isn't an envelope.
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
		if element.Type() == pcommon.ValueTypeSlice && u.findMixed(element.Slice()) == mixed {
			return mixed
		}
		if element.Type() != pcommon.ValueTypeMap {
			continue
		}
		if u.types.index(u.claimEvent(element.Map())) >= 0 || u.nested.hasList && u.findMixedIn(element.Map()) == mixed {
			return mixed
		}
	}
	return nothing
}

// envelopeIn reports whether a map is an envelope, and returns it.
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
