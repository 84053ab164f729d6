// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// unsetValue is what Amplitude's SDKs send as the value of a property to unset, which Amplitude ignores.
const unsetValue = "-"

// joinOperations adds the operations that the event carries to its user properties, which become traits. It leaves the record as it is.
func (e *Event) joinOperations() {
	var joined pcommon.Map
	for i := range e.layout.Operations {
		v, present := e.valueAt(&e.layout.fields.operations[i])
		if !present {
			continue
		}
		o := &e.layout.Operations[i]
		operands := operandsOf(o, v)
		if operands == (pcommon.Map{}) {
			continue
		}
		// It isn't a property of the event, even if it stands among them.
		e.MarkRead(v)
		if operands.Len() == 0 {
			continue
		}
		if joined == (pcommon.Map{}) {
			joined = pcommon.NewMap()
			if own, has := e.Map(event.UserProperties); has {
				own.CopyTo(joined)
			}
		}
		of, has := joined.Get(o.Operator)
		if !has {
			of = joined.PutEmpty(o.Operator)
			of.SetEmptyMap()
		}
		// A trait of this name that isn't a map is left for the encoder, which counts it.
		if of.Type() == pcommon.ValueTypeMap {
			pdatautil.AddMissing(of.Map(), operands, nil)
			if o.Operator == layout.SetOnce {
				of.Map().RemoveIf(func(_ string, value pcommon.Value) bool { return !pdatautil.IsSet(value) })
			}
		}
	}
	if joined != (pcommon.Map{}) {
		e.SetMap(event.UserProperties, joined)
		e.UserTraits = true
	}
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
