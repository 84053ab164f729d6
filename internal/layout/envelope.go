// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// envelopeKeys are those of a list of events: Segment, RudderStack and Amplitude send batches under the first or the
// second, mParticle under the second.
var envelopeKeys = []string{"batch", "events"}

// eventsOf returns a record's list of events: the body itself, or the list of an envelope in the body or the attributes.
func eventsOf(record plog.LogRecord) (pcommon.Slice, bool) {
	if record.Body().Type() == pcommon.ValueTypeSlice {
		return record.Body().Slice(), true
	}
	for _, envelope := range []pcommon.Map{bodyMap(record), record.Attributes()} {
		if lists := listsIn(envelope); len(lists) > 0 {
			return lists[0], true
		}
	}
	return pcommon.Slice{}, false
}

// bodyMap is the body where it is a map, else an empty map.
func bodyMap(record plog.LogRecord) pcommon.Map {
	if record.Body().Type() != pcommon.ValueTypeMap {
		return pcommon.NewMap()
	}
	return record.Body().Map()
}

// listsIn returns the lists of events that an envelope has. Those without any do not count.
func listsIn(envelope pcommon.Map) []pcommon.Slice {
	var lists []pcommon.Slice
	for key, value := range envelope.All() {
		if slices.Contains(envelopeKeys, key) && value.Type() == pcommon.ValueTypeSlice && value.Slice().Len() > 0 {
			lists = append(lists, value.Slice())
		}
	}
	return lists
}

// holdsEvents says whether a record is an envelope with an event of the reader's types, or a list of such envelopes.
func (r *Reader) holdsEvents(record plog.LogRecord) bool {
	events, isList := eventsOf(record)
	if !isList {
		return false
	}
	holds := false
	for _, event := range events.All() {
		if event.Type() != pcommon.ValueTypeMap {
			r.Seen.untouched(MixedEvents)
			return false
		}
		holds = holds || r.isListed(event.Map()) || r.listsListed(event.Map())
	}
	switch {
	case !holds:
		return false
	case len(listsIn(bodyMap(record))) > 1 || len(listsIn(record.Attributes())) > 1:
		r.Seen.untouched(MixedEvents)
		return false
	case growsTooMuch(record, events):
		r.Seen.untouched(EnvelopeTooLarge)
		return false
	}
	return true
}

// What unrolling may copy: as many values as the envelope has, times this, or a few in any case. A short text could else
// ask for any amount of memory, with many fields beside many events.
const (
	maxGrowth = 16
	fewCopies = 4096
)

func growsTooMuch(record plog.LogRecord, events pcommon.Slice) bool {
	list := 0
	for _, event := range events.All() {
		list += values(event)
	}
	common := valuesIn(bodyMap(record)) + valuesIn(record.Attributes())
	if record.Body().Type() != pcommon.ValueTypeSlice {
		common -= list
	}
	return common*events.Len() > max(fewCopies, maxGrowth*(common+list))
}

func valuesIn(m pcommon.Map) int {
	count := 0
	for _, value := range m.All() {
		count += values(value)
	}
	return count
}

func values(v pcommon.Value) int {
	count := 1
	switch v.Type() {
	case pcommon.ValueTypeMap:
		count += valuesIn(v.Map())
	case pcommon.ValueTypeSlice:
		for _, inner := range v.Slice().All() {
			count += values(inner)
		}
	}
	return count
}

func (r *Reader) isListed(event pcommon.Map) bool {
	return r.types.index(r.typeOfEvent(event)) != NotFound
}

// listsListed says whether an envelope within a list has an event of the reader's types.
func (r *Reader) listsListed(envelope pcommon.Map) bool {
	for _, list := range listsIn(envelope) {
		for _, event := range list.All() {
			if event.Type() == pcommon.ValueTypeMap && r.isListed(event.Map()) {
				return true
			}
		}
	}
	return false
}

// typeOfEvent is the event type of one event of an envelope, as the first layout that finds one reads it.
func (r *Reader) typeOfEvent(event pcommon.Map) string {
	r.layouts.keys.find(event, &r.body)
	for i := range r.layouts.all {
		l := &r.layouts.all[i]
		if !r.body.meets(l.only, l.onlySlot) {
			continue
		}
		for j := range l.eventType {
			if l.eventType[j].start != startEvent {
				continue
			}
			if eventType := r.typeAt(&l.eventType[j], &r.body); eventType != "" {
				return eventType
			}
		}
	}
	return ""
}
