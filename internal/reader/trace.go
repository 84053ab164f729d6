// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// Origin tells where in the record a field of an event was found.
type Origin struct {
	Field event.Field
	// Path is the path of the layout that led to the value.
	Path string
	// Value is the value, or what it was read as. It is nil if it is a map.
	Value any
}

// Trace is how an event was read.
type Trace struct {
	// Layout is the name of the layout that claimed the event.
	Layout string
	// InBody reports whether the event's root is the body, not the attributes.
	InBody bool
	// Origins has the fields that were read from the record, in their order.
	Origins []Origin
}

// Trace returns how the event was read. It looks for the fields again, so that events that nobody traces cost nothing. It must be
// called before the event is changed.
func (e *Event) Trace() Trace {
	if e.layout == nil {
		return Trace{}
	}
	t := Trace{Layout: e.layout.Name, InBody: e.Root != e.Record.Attributes()}
	for _, f := range event.Fields() {
		paths := e.layout.Paths[f]
		for i := range paths {
			if value, is := e.isFrom(f, &paths[i]); is {
				t.Origins = append(t.Origins, Origin{Field: f, Path: paths[i].String(), Value: value})
				break
			}
		}
	}
	return t
}

// isFrom reports whether a field has the value at a path, and returns it.
func (e *Event) isFrom(f event.Field, p *layout.Path) (any, bool) {
	switch f.Kind() {
	case event.Name, event.Text, event.ID, event.Address:
		return e.isTextFrom(f, p)
	case event.Map:
		had, has := e.Map(f)
		m, isMap := e.mapFrom(p)
		return nil, has && isMap && m == had
	case event.Moment:
		return e.isTimeFrom(f, p)
	case event.Session:
		v, present := p.Value(&e.source)
		return e.Integer(f), present && e.Integer(f) != 0 && isSession(v)
	default:
		return nil, false
	}
}

func (e *Event) isTextFrom(f event.Field, p *layout.Path) (any, bool) {
	text := e.Text(f)
	if f == event.Type && p.Start == layout.EventName {
		return text, e.Record.EventName() == text
	}
	v, present := p.Value(&e.source)
	if !present || text == "" {
		return nil, false
	}
	at, _ := pdatautil.Text(v)
	if f == event.Platform && e.layout.CanonicalPlatform {
		at = canonicalPlatform(at)
	}
	return text, at == text
}

func (e *Event) mapFrom(p *layout.Path) (pcommon.Map, bool) {
	if len(p.Keys) == 0 {
		return p.Container(&e.source)
	}
	v, present := p.Value(&e.source)
	if !present || v.Type() != pcommon.ValueTypeMap {
		return pcommon.Map{}, false
	}
	return v.Map(), true
}

func (e *Event) isTimeFrom(f event.Field, p *layout.Path) (any, bool) {
	at := e.Time(f)
	if at == 0 {
		return nil, false
	}
	value := at.AsTime().Format(time.RFC3339Nano)
	if p.Start == layout.Timestamp {
		return value, e.Record.Timestamp() == at
	}
	v, present := p.Value(&e.source)
	if !present {
		return nil, false
	}
	read, _ := pdatautil.Time(v)
	return value, read == at
}

func isSession(v pcommon.Value) bool {
	n, isInteger, _ := integer(v)
	return isInteger && n > 0
}

// Index returns the index that the event's record has in the scope after the loop, including the records that were inserted before
// it so far.
func (e *Event) Index() int {
	return e.index
}
