// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/mapmerge"
)

// Gap is a place for new records.
type Gap struct {
	// Before is the index of the record before which they come, Records how many they are.
	Before, Records int
}

// OpenGaps puts empty records before others. The gaps are ascending. It goes from the back, so that each record moves
// once, and those before the first gap not at all.
func OpenGaps(records plog.LogRecordSlice, gaps []Gap) {
	from, to := records.Len()-1, records.Len()-1
	for _, g := range gaps {
		to += g.Records
	}
	records.EnsureCapacity(to + 1)
	for records.Len() <= to {
		records.AppendEmpty()
	}
	for _, g := range slices.Backward(gaps) {
		for ; from >= g.Before; from, to = from-1, to-1 {
			records.At(from).MoveTo(records.At(to))
		}
		to -= g.Records
	}
}

// envelopeLevels is how many envelopes are unrolled within one another: a list of batches.
const envelopeLevels = 2

// UnrollAll makes one record of each event of the envelopes from an index on: of all of them at once, for each record is
// moved only once a level so. A record that was found before is not to be read any more.
//
// Each record has its envelope's timestamps, attributes and trace, and beside the event's fields those of the envelope
// that the event does not have itself. Fields by which a layout knows an event are the envelope's own and are not handed
// on.
func (r *Reader) UnrollAll(resource pcommon.Resource, records plog.LogRecordSlice, from int) {
	for range envelopeLevels {
		for i := from; i < records.Len(); i++ {
			if events, isEnvelope := r.isEnvelope(resource, records.At(i)); isEnvelope {
				r.gaps = append(r.gaps, Gap{Before: i + 1, Records: events - 1})
			}
		}
		if len(r.gaps) == 0 {
			return
		}
		OpenGaps(records, r.gaps)
		opened := 0
		for _, g := range r.gaps {
			r.unroll(records, g.Before-1+opened)
			opened += g.Records
		}
		r.gaps = r.gaps[:0]
	}
}

// isEnvelope says whether Find would call the record an envelope, and if so, how many events it holds. It counts nothing.
func (r *Reader) isEnvelope(resource pcommon.Resource, record plog.LogRecord) (events int, is bool) {
	if r.layouts.nameFirst && record.EventName() != "" {
		return 0, false
	}
	untouched := r.Seen.Untouched
	found, _ := r.search(resource, record)
	r.Seen.Untouched = untouched
	if found != Envelope {
		r.RestoreText()
		return 0, false
	}
	list, _ := eventsOf(record)
	return list.Len(), true
}

// unroll makes one record of each event of an envelope: of the envelope itself, which is the record at this index, and of
// the empty records after it, as many as it has events but one.
func (r *Reader) unroll(records plog.LogRecordSlice, index int) {
	common := plog.NewLogRecord()
	records.At(index).MoveTo(common)
	body := pcommon.NewValueEmpty()
	common.Body().MoveTo(body)
	inAttributes := false
	events, fields := pcommon.NewSlice(), pcommon.NewMap()
	switch {
	case body.Type() == pcommon.ValueTypeSlice:
		body.Slice().MoveAndAppendTo(events)
	case body.Type() == pcommon.ValueTypeMap && len(listsIn(body.Map())) > 0:
		body.Map().MoveTo(fields)
		r.takeEvents(fields, events)
	default:
		inAttributes = true
		common.Attributes().MoveTo(fields)
		r.takeEvents(fields, events)
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
	if inAttributes && (body.Type() != pcommon.ValueTypeStr || !isJSON(body.Str())) {
		// A JSON text is that of the envelope, which must not be read once more.
		body.MoveTo(records.At(index).Body())
	}
}

func (r *Reader) takeEvents(envelope pcommon.Map, to pcommon.Slice) {
	listsIn(envelope)[0].MoveAndAppendTo(to)
	envelope.RemoveIf(func(key string, _ pcommon.Value) bool { return r.layouts.keys.knows(key) })
}
