// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// fieldPath is a path of a field, with the slot of its value.
type fieldPath struct {
	layout.Path
	// slot is noSlot if the path is looked up by itself.
	slot int
}

const noSlot = -1

// fieldTable has the paths of the fields of a layout that a reader reads. It is immutable, so readers share it.
type fieldTable struct {
	paths [event.NumFields][]fieldPath
	// web is the path of the layout's trait Web.
	web fieldPath
	// operations has the path of each of the layout's operations.
	operations []fieldPath
	// starts has the keys with which paths start. used are the starts with keys, except the resource.
	starts [layout.Root + 1]keyNode
	used   []layout.Path
	slots  int
	// always has a bit for each field that can have a value although none is found in the event.
	always uint64
}

// keyNode has the keys that paths have in one map.
type keyNode struct {
	filter keyFilter
	keys   []nodeKey
}

type nodeKey struct {
	text string
	slot int
	// fields has a bit for each field with a path that ends here.
	fields uint64
	// inner has the keys of paths that lead on. It is nil if no path does.
	inner *keyNode
}

func newFieldTable(l *layout.Layout, fields []event.Field) *fieldTable {
	t := &fieldTable{web: fieldPath{slot: noSlot}}
	for _, f := range fields {
		t.add(l, f)
		if f == event.UserID && l.AnonymousUserIsDevice {
			t.add(l, event.DeviceID)
		}
		if f == event.Platform && len(l.Web.Keys) > 0 {
			t.web = t.slotted(layout.Path{Start: layout.Root, Keys: l.Web.Keys}, f)
		}
	}
	for i := range l.Operations {
		t.operations = append(t.operations, t.slotted(l.Operations[i].Path, event.UserProperties))
	}
	return t
}

func (t *fieldTable) add(l *layout.Layout, f event.Field) {
	t.paths[f] = nil
	for _, p := range l.Paths[f] {
		t.paths[f] = append(t.paths[f], t.slotted(p, f))
		if len(p.Keys) == 0 || p.Start == layout.Resource {
			t.always |= 1 << f
		}
	}
	if f.Kind() == event.Moment {
		// The record's Timestamp is used if there is no other.
		t.always |= 1 << f
	}
}

// slotted returns a path of a field with its slot.
func (t *fieldTable) slotted(p layout.Path, f event.Field) fieldPath {
	slotted := fieldPath{Path: p, slot: noSlot}
	node := &t.starts[p.Start]
	if len(p.Keys) > 0 && len(node.keys) == 0 && p.Start != layout.Resource {
		t.used = append(t.used, layout.Path{Start: p.Start})
	}
	for i, text := range p.Keys {
		k := t.key(node, text)
		slotted.slot = k.slot
		if i == len(p.Keys)-1 {
			k.fields |= 1 << f
			break
		}
		if k.inner == nil {
			k.inner = &keyNode{}
		}
		node = k.inner
	}
	return slotted
}

// key returns a key of a node, which it adds if it is missing. It is valid until another key is added to the node.
func (t *fieldTable) key(node *keyNode, text string) *nodeKey {
	i := node.index(text)
	if i < 0 {
		i = len(node.keys)
		node.keys = append(node.keys, nodeKey{text: text, slot: t.slots})
		node.filter.add(text)
		t.slots++
	}
	return &node.keys[i]
}

func (n *keyNode) index(text string) int {
	for i := range n.keys {
		if n.keys[i].text == text {
			return i
		}
	}
	return -1
}

// fieldValues finds the values at the paths of the fields of an event. It passes once over each map on the way, because most
// paths start with the same keys, and many lead to nothing: looking up each path would take much longer.
type fieldValues struct {
	table *fieldTable
	// fields has a bit for each field that may have a value.
	fields uint64
	// passedResource reports whether the resource was passed over. Most layouts need it for few events.
	passedResource bool
	// values has the value of each slot that is present. Other values are stale.
	present []bool
	values  []pcommon.Value
}

// begin starts with another event.
func (v *fieldValues) begin(table *fieldTable, from *layout.Source) {
	v.table, v.fields, v.passedResource = table, table.always, false
	if len(v.values) < table.slots {
		v.present, v.values = make([]bool, table.slots), make([]pcommon.Value, table.slots)
	} else {
		clear(v.present)
	}
	for i := range table.used {
		if m, isMap := table.used[i].Container(from); isMap {
			v.pass(m, &table.starts[table.used[i].Start])
		}
	}
}

// has reports whether a field may have a value.
func (v *fieldValues) has(f event.Field) bool {
	return v.fields>>f&1 != 0
}

// hasAny reports whether any field from first to last may have a value.
func (v *fieldValues) hasAny(first, last event.Field) bool {
	return v.fields&(1<<(last+1)-1<<first) != 0
}

// at returns the value at a path, and reports whether there is one.
func (v *fieldValues) at(p *fieldPath, from *layout.Source) (pcommon.Value, bool) {
	if p.slot == noSlot {
		return p.Value(from)
	}
	if p.Start == layout.Resource && !v.passedResource {
		v.passedResource = true
		v.pass(from.Resource.Attributes(), &v.table.starts[layout.Resource])
	}
	if !v.present[p.slot] {
		return pcommon.Value{}, false
	}
	return v.values[p.slot], true
}

// pass finds the keys of a node in a map. If a key occurs more than once, the first is used, as in pcommon.Map.Get.
func (v *fieldValues) pass(m pcommon.Map, node *keyNode) {
	for text, value := range m.All() {
		if node.filter.passes(text) == 0 {
			continue
		}
		i := node.index(text)
		if i < 0 {
			continue
		}
		k := &node.keys[i]
		if v.present[k.slot] {
			continue
		}
		v.present[k.slot], v.values[k.slot] = true, value
		v.fields |= k.fields
		if k.inner != nil && value.Type() == pcommon.ValueTypeMap {
			v.pass(value.Map(), k.inner)
		}
	}
}

// release drops the references to records.
func (v *fieldValues) release() {
	clear(v.values)
}
