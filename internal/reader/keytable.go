// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/layout"
)

// keyTable numbers the keys that matter for matching: those of event types, conditions, and lists of events. One pass over a
// map finds all of them.
type keyTable struct {
	keys []tableKey
	// slots are the numbers of the keys, by length of the key.
	slots [][]int
	// firsts has, by length, a bit for each first byte, modulo 64, of the table's keys. The last entry is for all longer keys.
	// Most keys of a map differ from the table's in length or first byte, and are passed over without a comparison.
	firsts [64]uint64
}

type tableKey struct {
	text string
	// types are the paths from the key's value to an event type.
	types [][]string
	// isEnvelope says that the value can be a list of events.
	isEnvelope bool
}

// slotOf adds a key, unless it is there, and returns its number.
func (t *keyTable) slotOf(key string) int {
	for i := range t.keys {
		if t.keys[i].text == key {
			return i
		}
	}
	for len(t.slots) <= len(key) {
		t.slots = append(t.slots, nil)
	}
	slot := len(t.keys)
	t.keys = append(t.keys, tableKey{text: key})
	t.slots[len(key)] = append(t.slots[len(key)], slot)
	t.firsts[min(len(key), len(t.firsts)-1)] |= 1 << (key[0] % 64)
	return slot
}

func (t *keyTable) addEnvelope(key string) {
	t.keys[t.slotOf(key)].isEnvelope = true
}

// addType adds the path of an event type.
func (t *keyTable) addType(keys []string) int {
	slot := t.slotOf(keys[0])
	t.keys[slot].types = append(t.keys[slot].types, keys[1:])
	return slot
}

// finds is what one pass over a map finds.
type finds struct {
	// present has a bit for each slot with a value, typed for each under which there is an event type.
	present, typed uint64
	// listed says that one of the event types is of those that the reader looks for.
	listed bool
	// hasList says that there is a list under the key of an envelope.
	hasList bool
	// values are those of the keys whose bit in present is set.
	values []pcommon.Value
}

// reset leaves the values, which nothing reads without a bit in present.
func (f *finds) reset() {
	f.present, f.typed, f.listed, f.hasList = 0, 0, false, false
}

// release lets go of the values.
func (f *finds) release() {
	f.reset()
	clear(f.values)
}

func (f *finds) value(slot int) (pcommon.Value, bool) {
	if f.present>>slot&1 == 0 {
		return pcommon.Value{}, false
	}
	return f.values[slot], true
}

// find looks for the table's keys. Of a duplicate key the first counts, as for pcommon.Map.Get. The loop is kept short,
// because the map is seldom in the processor's caches, and it can then look ahead.
func (t *keyTable) find(in pcommon.Map, types typeSet, found *finds) {
	found.reset()
	for key, value := range in.All() {
		firsts := t.firsts[min(len(key), len(t.firsts)-1)]
		if firsts != 0 && firsts>>(key[0]%64)&1 != 0 {
			t.add(key, value, types, found)
		}
	}
}

func (t *keyTable) add(key string, value pcommon.Value, types typeSet, found *finds) {
	if len(key) >= len(t.slots) {
		return
	}
	for _, slot := range t.slots[len(key)] {
		known := &t.keys[slot]
		if known.text != key || found.present>>slot&1 != 0 {
			continue
		}
		found.present |= 1 << slot
		found.values[slot] = value
		found.hasList = found.hasList || known.isEnvelope && value.Type() == pcommon.ValueTypeSlice
		for _, keys := range known.types {
			if eventType := typeAt(value, keys); eventType != "" {
				found.typed |= 1 << slot
				found.listed = found.listed || types.index(eventType) >= 0
			}
		}
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
