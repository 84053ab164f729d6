// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// unroll appends a record to to for each event of the envelope that find returned, and leaves the envelope's own record
// empty. Each new record has the timestamps, attributes, and trace context of the envelope's record, the fields of the
// event, and those that it inherits. rest determines which record gets the body of an envelope in the attributes.
func (u *unroller) unroll(record plog.LogRecord, e envelope, rest restOfBody, to plog.LogRecordSlice) {
	unrolling := unrolling{common: plog.NewLogRecord(), inAttributes: e.inAttributes, isEnvelope: u.isEnvelope, to: to}
	events, fields := e.take(), pcommon.NewMap()
	if e.fields != (pcommon.Map{}) {
		u.strip(&e)
		e.fields.MoveTo(fields)
	}
	body := pcommon.NewValueEmpty()
	record.Body().MoveTo(body)
	record.MoveTo(unrolling.common)
	if len(u.isEnvelope) > 1 {
		unrolling.common.Attributes().RemoveIf(func(key string, _ pcommon.Value) bool { return slices.Contains(u.insertIDs, key) })
	}
	first := to.Len()
	u.unrollEvents(&unrolling, events, fields)
	switch rest {
	case restOfFirst:
		body.MoveTo(to.At(first).Body())
	case restOfClaimed:
		body.MoveTo(u.firstClaimed(to, first).Body())
	}
}

// firstClaimed returns the first of the new records that a layout claims, or the first of all if there is none.
func (u *unroller) firstClaimed(records plog.LogRecordSlice, first int) plog.LogRecord {
	for i := first; i < records.Len(); i++ {
		u.look(records.At(i), records.At(i).Body().Type())
		if u.claim(records.At(i)).layout != nil {
			return records.At(i)
		}
	}
	return records.At(first)
}

// restOfBody says which record keeps the body of an envelope that is in the attributes.
type restOfBody uint8

const (
	// noRest drops the body, because it is the same envelope as a text.
	noRest restOfBody = iota
	// restOfFirst gives the body to the first event.
	restOfFirst
	// restOfClaimed gives the body, a JSON text, to the first event that a layout claims, because it isn't read there.
	restOfClaimed
)

// unrolling is the state while one record is unrolled.
type unrolling struct {
	// common is the envelope's record without its events. Each new record starts as a copy of it.
	common       plog.LogRecord
	inAttributes bool
	// isEnvelope is the part of unroller.isEnvelope for the events that are left.
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
			u.strip(&inner)
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

// take moves the events out of their list.
func (e *envelope) take() pcommon.Slice {
	events := pcommon.NewSlice()
	e.list.MoveAndAppendTo(events)
	return events
}
