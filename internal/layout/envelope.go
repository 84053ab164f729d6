// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impressionprocessor/internal/layout"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impressionprocessor/internal/mapmerge"
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
		if key := listKey(envelope); key != "" {
			list, _ := envelope.Get(key)
			return list.Slice(), true
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

func listKey(envelope pcommon.Map) string {
	for _, key := range envelopeKeys {
		if v, present := envelope.Get(key); present && v.Type() == pcommon.ValueTypeSlice {
			return key
		}
	}
	return ""
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
		holds = holds || r.isListed(event.Map()) || r.isEnvelope(event.Map())
	}
	if holds && commonValues(record)*events.Len() > maxCopied {
		r.Seen.untouched(EnvelopeTooLarge)
		return false
	}
	return holds
}

// maxCopied bounds the values that unrolling copies to all events together, some 60 MB: a short text can ask for any
// number, with many fields beside many events.
const maxCopied = 1 << 20

// commonValues are how many values of an envelope each of its events gets.
func commonValues(record plog.LogRecord) int {
	count := 0
	events, _ := eventsOf(record)
	for _, fields := range []pcommon.Map{bodyMap(record), record.Attributes()} {
		for _, value := range fields.All() {
			if value.Type() != pcommon.ValueTypeSlice || value.Slice() != events {
				count += values(value)
			}
		}
	}
	return count
}

func values(v pcommon.Value) int {
	count := 1
	switch v.Type() {
	case pcommon.ValueTypeMap:
		for _, inner := range v.Map().All() {
			count += values(inner)
		}
	case pcommon.ValueTypeSlice:
		for _, inner := range v.Slice().All() {
			count += values(inner)
		}
	}
	return count
}

func (r *Reader) isListed(event pcommon.Map) bool {
	return r.index(r.typeOfEvent(event)) != NotFound
}

func (r *Reader) isEnvelope(m pcommon.Map) bool {
	key := listKey(m)
	if key == "" {
		return false
	}
	list, _ := m.Get(key)
	for _, event := range list.Slice().All() {
		if event.Type() == pcommon.ValueTypeMap && r.isListed(event.Map()) {
			return true
		}
	}
	return false
}

// typeOfEvent is the event type of one event of an envelope, as the first layout that finds one reads it.
func (r *Reader) typeOfEvent(event pcommon.Map) string {
	r.layouts.keys.find(event, &r.body)
	for i := range r.layouts.all {
		l := &r.layouts.all[i]
		if l.only != (condition{}) && !r.body.meets(l.only, l.onlySlot) {
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

// Unroll makes one record of each event of an envelope: of the envelope itself, which is the record at this index, and of
// the empty records after it, as many as it has events but one. Each has the envelope's timestamps, attributes and trace,
// and beside the event's fields those of the envelope that the event does not have itself.
func Unroll(records plog.LogRecordSlice, index int) {
	common := plog.NewLogRecord()
	records.At(index).MoveTo(common)
	body := pcommon.NewValueEmpty()
	common.Body().MoveTo(body)
	inAttributes := false
	events, fields := pcommon.NewSlice(), pcommon.NewMap()
	switch {
	case body.Type() == pcommon.ValueTypeSlice:
		body.Slice().MoveAndAppendTo(events)
	case body.Type() == pcommon.ValueTypeMap && listKey(body.Map()) != "":
		body.Map().MoveTo(fields)
		takeList(fields, events)
	default:
		inAttributes = true
		common.Attributes().MoveTo(fields)
		takeList(fields, events)
	}
	for i, event := range events.All() {
		record := records.At(index + i)
		common.CopyTo(record)
		of := record.Attributes()
		if !inAttributes {
			of = record.Body().SetEmptyMap()
		}
		event.Map().MoveTo(of)
		mapmerge.AddMissing(of, fields)
	}
	if inAttributes {
		// Most likely the text of the whole envelope: not once more for each event.
		body.MoveTo(records.At(index).Body())
	}
}

func takeList(envelope pcommon.Map, to pcommon.Slice) {
	key := listKey(envelope)
	list, _ := envelope.Get(key)
	list.Slice().MoveAndAppendTo(to)
	envelope.Remove(key)
}
