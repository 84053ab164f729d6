// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/layout"
)

// keyTable numbers the first keys of event types and the keys of lists of events. One pass over a map finds all of them.
type keyTable struct {
	keys []*tableKey
	// byLength are the same keys by their length.
	byLength [][]*tableKey
	// types passes the keys of event types and envelopes. all also passes the keys of conditions.
	types, all keyFilter
}

// keyFilter has, by length modulo 64, a bit for each first byte, modulo 64, of some keys. Most keys of a map don't pass it.
type keyFilter [64]uint64

func (f *keyFilter) add(key string) {
	f[len(key)%64] |= 1 << (key[0] % 64)
}

// passes returns 1 if a key passes, else 0. It has no branch that depends on the key, because a CPU can hardly predict
// which keys of a map pass.
func (f *keyFilter) passes(key string) int {
	first := byte(0)
	if key != "" {
		first = key[0]
	}
	return int(f[len(key)%64] >> (first % 64) & 1)
}

type tableKey struct {
	text string
	// slot is the key's number.
	slot int
	// isType reports whether the value can be an event type. types are the paths from the value to other event types.
	isType bool
	types  [][]string
	// isEnvelope reports whether the value can be a list of events.
	isEnvelope bool
}

// slotOf adds a key, unless it is there, and returns its slot.
func (t *keyTable) slotOf(key string) int {
	for _, known := range t.keys {
		if known.text == key {
			return known.slot
		}
	}
	added := &tableKey{text: key, slot: len(t.keys)}
	t.keys = append(t.keys, added)
	for len(t.byLength) <= len(key) {
		t.byLength = append(t.byLength, nil)
	}
	t.byLength[len(key)] = append(t.byLength[len(key)], added)
	t.all.add(key)
	return added.slot
}

func (t *keyTable) addEnvelope(key string) {
	t.keys[t.slotOf(key)].isEnvelope = true
	t.types.add(key)
}

// addType adds the path of an event type.
func (t *keyTable) addType(keys []string) int {
	slot := t.slotOf(keys[0])
	t.types.add(keys[0])
	if len(keys) == 1 {
		t.keys[slot].isType = true
	} else {
		t.keys[slot].types = append(t.keys[slot].types, keys[1:])
	}
	return slot
}

// finds is the result of one pass over a map.
type finds struct {
	// present has a bit for each slot with a value, and typed for each slot under which there is an event type.
	present, typed uint64
	// listed reports whether the reader looks for one of these event types.
	listed bool
	// hasList reports whether there is a list under the key of an envelope.
	hasList bool
	// hasConditions reports whether the pass also looked for the keys of conditions.
	hasConditions bool
	// isUsed reports whether values and candidates refer to records.
	isUsed bool
	// values has the value of each slot whose bit in present is set. Other values are stale.
	values []pcommon.Value
	// candidates are entries that passed a filter.
	candidates [8]struct {
		key   string
		value pcommon.Value
	}
}

// reset keeps the stale values.
func (f *finds) reset() {
	f.present, f.typed, f.listed, f.hasList, f.hasConditions = 0, 0, false, false, false
}

// release drops the references to records.
func (f *finds) release() {
	if !f.isUsed {
		// Most batches need no look at a map, and then this memory isn't in the CPU's caches.
		return
	}
	f.reset()
	clear(f.values)
	clear(f.candidates[:])
	f.isUsed = false
}

func (f *finds) value(slot int) (pcommon.Value, bool) {
	if f.present>>slot&1 == 0 {
		return pcommon.Value{}, false
	}
	return f.values[slot], true
}

// find looks for the keys of event types and envelopes. Of a duplicate key the first counts, as for pcommon.Map.Get.
func (t *keyTable) find(in pcommon.Map, types typeSet, found *finds) {
	found.reset()
	t.pass(&t.types, in, types, found)
}

// findAll looks for the keys of conditions, too.
func (t *keyTable) findAll(in pcommon.Map, types typeSet, found *finds) {
	found.reset()
	found.hasConditions = true
	t.pass(&t.all, in, types, found)
}

// pass notes every entry in the next place for a candidate, and goes on to another place only if the entry passes the filter.
// The loop is short and has no unpredictable branches, so that the CPU can look ahead: the map is seldom in its caches.
func (t *keyTable) pass(filter *keyFilter, in pcommon.Map, types typeSet, found *finds) {
	n := 0
	found.isUsed = true
	for key, value := range in.All() {
		c := &found.candidates[n]
		c.key, c.value = key, value
		if n += filter.passes(key); n == len(found.candidates) {
			t.addAll(found, n, types)
			n = 0
		}
	}
	t.addAll(found, n, types)
}

func (t *keyTable) addAll(found *finds, n int, types typeSet) {
	for i := range n {
		c := &found.candidates[i]
		t.add(c.key, c.value, types, found)
	}
}

func (t *keyTable) add(key string, value pcommon.Value, types typeSet, found *finds) {
	if len(key) >= len(t.byLength) {
		return
	}
	for _, known := range t.byLength[len(key)] {
		if known.text == key {
			found.add(known, value, types)
			return
		}
	}
}

func (f *finds) add(known *tableKey, value pcommon.Value, types typeSet) {
	if f.present>>known.slot&1 != 0 {
		return
	}
	f.present |= 1 << known.slot
	f.values[known.slot] = value
	switch {
	case known.isType && value.Type() == pcommon.ValueTypeStr:
		f.addType(known.slot, value.Str(), types)
	case known.isEnvelope && value.Type() == pcommon.ValueTypeSlice:
		f.hasList = true
	}
	for _, keys := range known.types {
		f.addType(known.slot, typeAt(value, keys), types)
	}
}

func (f *finds) addType(slot int, eventType string, types typeSet) {
	if eventType != "" {
		f.typed |= 1 << slot
		f.listed = f.listed || types.index(eventType) >= 0
	}
}

// typeAt returns the event type at a path from a value, "" if there is none.
func typeAt(v pcommon.Value, keys []string) string {
	if len(keys) > 0 {
		var present bool
		if v, present = layout.LookIn(v, keys); !present {
			return ""
		}
	}
	if v.Type() != pcommon.ValueTypeStr {
		return ""
	}
	return v.Str()
}

// typeSet is the event types that a reader looks for. Nil means any.
type typeSet []string

// index returns the index of an event type, or -1 if the set lacks it. Any type has the index 0; "" has none.
func (s typeSet) index(eventType string) int {
	if s == nil && eventType != "" {
		return 0
	}
	return slices.Index(s, eventType)
}
