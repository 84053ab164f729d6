// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/layout"
)

// keyTable has the keys that matter: the first keys of paths to event types and of conditions, and the keys of lists of
// events. One pass over a map finds all of them.
type keyTable struct {
	keys []*tableKey
	// byLength has the same keys by their length.
	byLength [][]*tableKey
	// types passes the keys of event types and envelopes. all also passes the keys of conditions.
	types, all keyFilter
}

// keyFilter is a filter that a few keys pass, and most others don't. For each length modulo 64, it has a bit for each
// first byte modulo 64.
type keyFilter [64]uint64

func (f *keyFilter) add(key string) {
	f[len(key)%64] |= 1 << (key[0] % 64)
}

// passes returns 1 if a key passes, and 0 otherwise. It has no branch that depends on the key, because the CPU can't
// predict which keys pass.
func (f *keyFilter) passes(key string) int {
	first := byte(0)
	if key != "" {
		first = key[0]
	}
	return int(f[len(key)%64] >> (first % 64) & 1)
}

type tableKey struct {
	text string
	// slot is the index of the key in keyTable.keys.
	slot int
	// isType reports whether the value can be an event type. types are the paths from the value to other event types.
	isType bool
	types  [][]string
	// isEnvelope reports whether the value can be a list of events.
	isEnvelope bool
}

// slotOf returns the slot of a key, which it adds if it is missing.
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

// addType adds a path to an event type, and returns the slot of its first key.
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
	// present has a bit for each slot whose key the map has, and typed for each slot under which there is an event type.
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
	// texts has the same values as strings, or "" for a value that isn't a string. They are read during the pass, so that
	// the CPU can load several of them at a time.
	texts []string
	// candidates are entries that passed the filter and aren't compared with the keys yet.
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
		// In most batches, no map is looked at, and clearing this memory would only load it into the CPU's caches.
		return
	}
	f.reset()
	clear(f.values)
	clear(f.texts)
	clear(f.candidates[:])
	f.isUsed = false
}

func (f *finds) value(slot int) (pcommon.Value, bool) {
	if f.present>>slot&1 == 0 {
		return pcommon.Value{}, false
	}
	return f.values[slot], true
}

// text returns the string in a slot, or "" if there is none.
func (f *finds) text(slot int) string {
	if f.present>>slot&1 == 0 {
		return ""
	}
	return f.texts[slot]
}

// find finds the keys of event types and envelopes. If a key occurs more than once, the first is used, as in
// pcommon.Map.Get.
func (t *keyTable) find(in pcommon.Map, types typeSet, found *finds) {
	found.reset()
	t.pass(&t.types, in, types, found)
}

// findAll also finds the keys of conditions.
func (t *keyTable) findAll(in pcommon.Map, types typeSet, found *finds) {
	found.reset()
	found.hasConditions = true
	t.pass(&t.all, in, types, found)
}

// pass writes each entry to the next candidate, and advances to another candidate only if the entry passes the filter.
// This keeps the loop short and without unpredictable branches, so that the CPU can load the map ahead: it is seldom in
// the caches.
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
	text := typeAt(value, nil)
	f.texts[known.slot] = text
	switch {
	case known.isType && text != "":
		f.addType(known.slot, text, types)
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

// typeAt returns the event type at a path from a value, or "" if there is none.
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

// typeSet has the event types that a reader finds. If it is nil, these are all types.
type typeSet []string

// index returns the index of an event type, or -1 if it isn't in the set. In the set of all types, every type except ""
// has the index 0.
func (s typeSet) index(eventType string) int {
	if s == nil && eventType != "" {
		return 0
	}
	return slices.Index(s, eventType)
}
