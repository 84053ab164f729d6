// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// unsetValue is what Amplitude's SDKs send as the value of a property to unset, which Amplitude ignores.
const unsetValue = "-"

// joinOperations adds the operations that the event carries to its user properties, which become traits. It leaves the record as it is.
func (e *Event) joinOperations() {
	j := joining{event: e}
	j.own, _ = e.Map(event.UserProperties)
	for i := range e.layout.Operations {
		o := &e.layout.Operations[i]
		if o.IsAttribution && !j.isAttribution {
			if !e.UserTraits && hasUnknownOperation(j.own) {
				break
			}
			j.end()
			e.unattributed, e.hasTraits = j.own, e.UserTraits
			j.isAttribution = true
		}
		v, present := e.valueAt(&e.layout.fields.operations[i])
		if present {
			j.add(o, v)
		}
	}
	j.end()
	if j.isAttribution {
		e.attributed, _ = e.Map(event.UserProperties)
	}
}

// Traits returns the user properties without those that say where the user came from, and reports whether they are traits.
func (e *Event) Traits() (pcommon.Map, bool) {
	if m, has := e.Map(event.UserProperties); !has || m != e.attributed {
		return m, e.UserTraits
	}
	return e.unattributed, e.hasTraits
}

// joining is the state while operations are joined with user properties.
type joining struct {
	event *Event
	// own are the user properties so far, and joined a copy of them with operations, or the zero Map if there are none.
	own, joined   pcommon.Map
	isAttribution bool
}

// add adds an operation with the value at its path.
func (j *joining) add(o *layout.Operation, v pcommon.Value) {
	operands := operandsOf(o, v)
	if operands == (pcommon.Map{}) {
		return
	}
	if !j.isAttribution {
		// It isn't a property of the event, even if it is among the properties.
		j.event.MarkRead(v)
	} else if j.own != (pcommon.Map{}) {
		if _, has := j.own.Get(o.Property); has {
			return
		}
	}
	if operands.Len() == 0 {
		return
	}
	if j.joined == (pcommon.Map{}) {
		j.joined = pcommon.NewMap()
		if j.own != (pcommon.Map{}) {
			j.own.CopyTo(j.joined)
		}
	}
	of, has := j.joined.Get(o.Operator)
	if !has {
		of = j.joined.PutEmpty(o.Operator)
		of.SetEmptyMap()
	}
	// A trait of this name that isn't a map is left for the encoder, which counts it.
	if of.Type() != pcommon.ValueTypeMap {
		return
	}
	pdatautil.AddMissing(of.Map(), operands, nil)
	if o.Operator == layout.SetOnce {
		of.Map().RemoveIf(func(_ string, value pcommon.Value) bool { return !pdatautil.IsSet(value) })
	}
}

// end makes the user properties with the operations those of the event.
func (j *joining) end() {
	if j.joined == (pcommon.Map{}) {
		return
	}
	j.event.SetMap(event.UserProperties, j.joined)
	j.event.UserTraits = true
	j.own, j.joined = j.joined, pcommon.Map{}
}

// hasUnknownOperation reports whether user properties have an operation that can't be joined with others.
func hasUnknownOperation(m pcommon.Map) bool {
	if m == (pcommon.Map{}) {
		return false
	}
	for key := range m.All() {
		if strings.HasPrefix(key, "$") && !amplitude.IsOperation(key) {
			return true
		}
	}
	return false
}

// operandsOf returns the properties of an operation with their values, or the zero Map if a value isn't such an operation.
func operandsOf(o *layout.Operation, v pcommon.Value) pcommon.Map {
	switch {
	case o.Property != "":
		one := pcommon.NewMap()
		if text := textOf(v, true); text != "" {
			one.PutStr(o.Property, text)
		}
		return one
	case v.Type() == pcommon.ValueTypeMap:
		return v.Map()
	case v.Type() != pcommon.ValueTypeSlice || o.Operator != layout.Unset:
		return pcommon.Map{}
	}
	var names xpdata.MapBuilder
	for _, name := range v.Slice().All() {
		if text := textOf(name, true); text != "" {
			names.AppendEmpty(text).SetStr(unsetValue)
		}
	}
	all := pcommon.NewMap()
	names.UnsafeIntoMap(all)
	return all
}
