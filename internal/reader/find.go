// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// kind says how a reader treats a record.
type kind uint8

const (
	// passedOver is a record that is counted but not yielded.
	passedOver kind = iota
	isEvent
	isEnvelope
	// hasProblem is a record that may hold an event but can't be read. For a reader of any type, it is also a record
	// without an event.
	hasProblem
)

// found is the result for the record that was looked at last.
type found struct {
	claim
	// typeIndex is the index of the event's type in the reader's types, or -1 if it isn't one of them.
	typeIndex int
	// problem is set if the record hasProblem.
	problem Problem
	// isText reports whether the body was a JSON text, which its value has replaced.
	isText bool
	// envelope is set if the record isEnvelope.
	envelope envelope
}

// find determines the kind of a record. It counts the record unless it is an envelope.
func (r *Reader) find(record plog.LogRecord) kind {
	m := &r.matcher
	r.found.isText = false
	if name := record.EventName(); m.named != nil && name != "" && name != m.reservedName {
		r.stats.ByLayout[m.named.index]++
		r.found.claim = claim{layout: m.named, eventType: name}
		return r.claimed()
	}
	body := record.Body().Type()
	listed := m.look(record, body)
	hasList := m.body.hasList || m.attributes.hasList || body == pcommon.ValueTypeSlice
	if !listed && !hasList {
		// If the body isn't a text, the layout that claims the record matters only for the counts.
		first := m.first(record)
		switch {
		case body != pcommon.ValueTypeStr || m.surelyClaims(first, record):
			r.stats.count(first)
			return r.other(NotAnEvent)
		case first < 0:
			return r.findInText(record)
		}
	}
	return r.findExactly(record, body, hasList)
}

// findExactly is find for a record that may have an event of the reader's types, be an envelope, or have a text as its
// body.
func (r *Reader) findExactly(record plog.LogRecord, body pcommon.ValueType, hasList bool) kind {
	if r.found.claim = r.matcher.claim(record); r.found.layout != nil {
		r.stats.count(r.found.layout.index)
		return r.claimed()
	}
	problem := NotAnEvent
	if hasList {
		if r.found.envelope, problem = r.unroller.find(record); problem == NoProblem {
			return isEnvelope
		}
	}
	if body == pcommon.ValueTypeStr {
		if f := r.findInText(record); f == isEvent || f == isEnvelope || problem == NotAnEvent {
			return f
		}
		return r.other(problem)
	}
	r.stats.NoLayout++
	return r.other(problem)
}

// claimed returns the kind of a record that a layout claims.
func (r *Reader) claimed() kind {
	if r.found.typeIndex = r.matcher.types.index(r.found.eventType); r.found.typeIndex >= 0 {
		return isEvent
	}
	return r.other(NotAnEvent)
}

// other returns the kind of a record without an event of the reader's types.
func (r *Reader) other(problem Problem) kind {
	if problem == NotAnEvent && r.Types != nil {
		return passedOver
	}
	r.found.problem = problem
	return hasProblem
}

// findInText is find for a record whose body is a text. If it is JSON, the parsed value replaces it, and remains in the
// body if the record is an event or envelope of the reader's types.
func (r *Reader) findInText(record plog.LogRecord) kind {
	text := record.Body().Str()
	if !r.matcher.needsBody || !isJSON(text) {
		r.stats.NoLayout++
		return r.other(NotAnEvent)
	}
	if !r.text.mayHold(text) {
		r.stats.UnreadJSON++
		return r.other(NotAnEvent)
	}
	if err := r.text.replace(record); err != nil {
		r.stats.NoLayout++
		return r.other(problemOf(err))
	}
	// The body is now a map or a slice, so this recurses only once.
	f := r.find(record)
	switch f {
	case isEnvelope:
	case isEvent:
		r.found.isText = true
	default:
		r.text.restore(record)
	}
	return f
}
