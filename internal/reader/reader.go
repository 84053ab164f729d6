// SPDX-License-Identifier: Apache-2.0

// Package reader finds events in log records: in attributes, map bodies, JSON texts, and envelopes of several events. It
// applies compiled layouts to read each event once, into a value.
package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"iter"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// Reader finds and reads events. It reuses memory between scopes, so it isn't safe for concurrent use.
type Reader struct {
	Settings
	// otherLengths has a bit for each length, modulo 64, that no event type has. A record whose EventName has such a
	// length needs no further look. Most records are of this kind.
	otherLengths uint64
	matcher      matcher
	text         textReader
	unroller     unroller
	stats        Stats

	// found, event, and source describe the record that is being read.
	found  found
	event  Event
	values fieldValues
	source layout.Source
	// unrolled has the records that replace the envelopes of the scope. places has their final indexes in the scope.
	unrolled plog.LogRecordSlice
	places   []int
	// gaps are the places where records are inserted into the scope, and opened is the number of these records. The next
	// record is inserted before the one whose index is now at.
	gaps   []pdatautil.Gap
	opened int
	at     int
	// left is the number of records at the end of the scope that weren't read.
	left int
}

// maxUnrolled is how many bytes envelopes may copy to their events before the reader stops.
const maxUnrolled = 4 << 20

// Settings configure a Reader.
type Settings struct {
	// Layouts are tried in order. There must be at least one.
	Layouts []layout.Layout
	// Types are the event types to find. If it is nil, the reader finds events of any type.
	Types []string
	// UnrollAll unrolls every envelope, even one without an event of the reader's types.
	UnrollAll bool
	// Fields are the fields to read in addition to the type.
	Fields []event.Field
	// TellProperties must be set if the caller uses event.Event.IsProperty.
	TellProperties bool
	// MinIDLength is how many characters a user or device id needs so that it doesn't give way to a later one.
	MinIDLength int
	// Limits are those of JSON texts in bodies.
	Limits jsonvalue.Limits
}

// New returns a reader.
func New(set Settings) *Reader {
	rules := newRules(set.Layouts, set.Types, set.Fields)
	r := &Reader{Settings: set}
	if rules.named != nil && set.Types != nil {
		// A record without an EventName may have its event type elsewhere.
		r.otherLengths = ^uint64(1)
		for _, eventType := range set.Types {
			r.otherLengths &^= 1 << (len(eventType) % 64)
		}
	}
	r.init(rules, newInheritance(rules, false), newInheritance(rules, true), newMarkers(set.Types))
	return r
}

// Clone returns a new reader with the same settings, which can be used concurrently with r. It costs less than New.
func (r *Reader) Clone() *Reader {
	clone := &Reader{Settings: r.Settings, otherLengths: r.otherLengths}
	clone.init(r.matcher.rules, r.unroller.inBody, r.unroller.inAttributes, r.text.markers)
	return clone
}

func (r *Reader) init(rules *rules, inBody, inAttributes *inheritance, markers *markers) {
	r.matcher = newMatcher(rules)
	r.unroller = unroller{
		matcher: &r.matcher, inBody: inBody, inAttributes: inAttributes, inheritance: inBody, unrollAll: r.UnrollAll,
	}
	r.text = newTextReader(markers, r.Limits)
	r.stats.ByLayout = make([]int64, len(r.Layouts))
	r.unrolled = plog.NewLogRecordSlice()
}

// Events yields the events of the reader's types in a scope, in order, and the records that may hold such events but
// can't be read. If the reader finds any type, Events yields every record. It yields an event with its final index, which
// it has in records after the loop. Then, the events of an envelope have replaced the envelope, each in a record of its
// own.
//
// A caller that wants to insert records calls Event.InsertBefore. The index of an event includes the records that were
// inserted before it.
//
// While Events yields an event from a JSON text in a body, the body is the parsed value. After that, the text is restored
// unless the caller called Event.SetType. The caller may change the record of the event, but must not add records to the
// scope or remove any.
//
// The loop ends early if the reader IsFull.
func (r *Reader) Events(resource pcommon.Resource, records plog.LogRecordSlice) iter.Seq2[int, *Event] {
	return func(yield func(int, *Event) bool) { r.readScope(resource, records, yield) }
}

func (r *Reader) readScope(resource pcommon.Resource, records plog.LogRecordSlice, yield func(int, *Event) bool) {
	r.source.Resource = resource
	r.left = 0
	otherLengths, seen, read := r.otherLengths, 0, 0
	total := records.Len()
	for i := range total {
		record := records.At(i)
		seen = i + 1
		if otherLengths>>(len(record.EventName())%64)&1 != 0 {
			continue
		}
		read++
		if !r.readRecord(i, record, yield) {
			break
		}
	}
	if named := r.matcher.named; named != nil {
		r.stats.ByLayout[named.index] += int64(seen - read)
	}
	r.left += total - seen
	r.insertRecords(records)
}

// Left returns the number of records at the end of the scope that the last loop over Events didn't read, because its body
// broke out of it, or because the reader IsFull.
func (r *Reader) Left() int {
	return r.left
}

// IsFull reports whether the envelopes have copied so much to their events that the caller should pass on what it has read, and
// call StartPart, before it reads more. Otherwise, many envelopes would take memory in proportion to all their events.
func (r *Reader) IsFull() bool {
	return r.unroller.unrolled > maxUnrolled
}

// StartPart makes IsFull count from zero, within the same batch.
func (r *Reader) StartPart() {
	r.unroller.unrolled = 0
}

// readRecord yields the events of a record, or its problem, and reports whether to continue.
func (r *Reader) readRecord(index int, record plog.LogRecord, yield func(int, *Event) bool) bool {
	r.at = index
	f := r.find(record)
	switch f {
	case passedOver:
		return true
	case isEnvelope:
		return r.readEnvelope(index, record, yield)
	default:
		return r.yieldRecord(index+r.opened, record, f, yield)
	}
}

// readEnvelope yields the events of the envelope that was found last, and reports whether to continue. The first event
// replaces the envelope, and the others are inserted after it.
func (r *Reader) readEnvelope(index int, record plog.LogRecord, yield func(int, *Event) bool) bool {
	first := r.unrolled.Len()
	r.unroller.unroll(record, r.found.envelope, r.restOfBody(record.Body()), r.unrolled)
	goOn := true
	for i := first; i < r.unrolled.Len(); i++ {
		if i > first {
			r.at = index + 1
			r.insert()
		}
		if goOn {
			goOn = r.readUnrolled(index, r.unrolled.At(i), yield)
		} else {
			r.left++
		}
		r.places = append(r.places, index+r.opened)
	}
	return goOn && !r.IsFull()
}

// readUnrolled yields an event of the envelope at index, and reports whether to continue.
func (r *Reader) readUnrolled(index int, record plog.LogRecord, yield func(int, *Event) bool) bool {
	f := r.find(record)
	if f == isEnvelope {
		// Envelopes within the envelope are already unrolled.
		f = r.other(NotAnEvent)
	}
	if f == passedOver {
		return true
	}
	return r.yieldRecord(index+r.opened, record, f, yield)
}

// insert makes room for a record before the one whose index is r.at.
func (r *Reader) insert() {
	r.opened++
	if last := len(r.gaps) - 1; last >= 0 && r.gaps[last].Before == r.at {
		r.gaps[last].Records++
		return
	}
	r.gaps = append(r.gaps, pdatautil.Gap{Before: r.at, Records: 1})
}

// restOfBody returns what to do with the body of the envelope that was found last. If the envelope is in the attributes,
// the body may be its JSON text, because file readers keep the line in the body when they parse it into the attributes.
func (r *Reader) restOfBody(body pcommon.Value) restOfBody {
	e := &r.found.envelope
	switch {
	case !e.inAttributes:
		return noRest
	case body.Type() != pcommon.ValueTypeStr || !isJSON(body.Str()) || r.text.parse(body.Str()) != nil:
		return restOfFirst
	}
	if r.text.parsed.Type() == pcommon.ValueTypeMap {
		parsed, is := envelopeIn(r.text.parsed.Map())
		if is && parsed.key == e.key && parsed.list.Len() == e.list.Len() {
			return noRest
		}
	}
	return restOfClaimed
}

// yieldRecord yields an event or a record with a problem, and reports whether to continue.
func (r *Reader) yieldRecord(index int, record plog.LogRecord, f kind, yield func(int, *Event) bool) bool {
	e := &r.event
	e.clear()
	e.Record, e.reader, e.index, e.isUsed = record, r, index, true
	if f == isEvent {
		r.source.Record, r.source.Root = record, record.Attributes()
		if r.found.inBody {
			r.source.Root = record.Body().Map()
		}
		e.Root, e.TypeIndex, e.layout, e.source = r.source.Root, r.found.typeIndex, r.found.layout, r.source
		e.SetText(event.Type, r.found.eventType)
		e.readFields(r.Fields, r.TellProperties)
	} else {
		e.Problem = r.found.problem
	}
	goOn := yield(index, e)
	if r.found.isText && !e.changed {
		r.text.restore(record)
	}
	return goOn
}

// insertRecords inserts empty records into the gaps, and moves the events of envelopes to their places. It moves each record of
// the scope at most once.
func (r *Reader) insertRecords(records plog.LogRecordSlice) {
	if len(r.gaps) > 0 {
		pdatautil.OpenGaps(records, r.gaps)
	}
	if len(r.places) > 0 {
		for i, place := range r.places {
			r.unrolled.At(i).MoveTo(records.At(place))
		}
		r.unrolled, r.places = plog.NewLogRecordSlice(), r.places[:0]
	}
	r.gaps, r.opened = r.gaps[:0], 0
}

// Stats returns the counts since the last Reset. The result is valid until the next Reset.
func (r *Reader) Stats() *Stats {
	return &r.stats
}

// Reset drops the references to the records that were read, and resets the counts.
func (r *Reader) Reset() {
	r.matcher.release()
	if r.event.isUsed {
		r.event.clear()
		r.event.Release()
		r.values.release()
		r.event.isUsed = false
	}
	r.source, r.found = layout.Source{}, found{}
	r.text.release()
	r.unroller.unrolled, r.unroller.copiedByMinimum = 0, 0
	clear(r.stats.ByLayout)
	r.stats = Stats{ByLayout: r.stats.ByLayout}
}
