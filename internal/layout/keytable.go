// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impressionprocessor/internal/layout"

import (
	"fmt"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// maxKeys bounds the distinct first keys of all event type paths: a bit each in found.mask.
const maxKeys = 32

// keyTable numbers keys, so that one pass over a map finds all of them.
type keyTable struct {
	byLength [][]keySlot
	count    int
	// typeSlots are the slots of keys that hold an event type, nestedSlots those of maps that have one inside.
	typeSlots, nestedSlots uint32
	// typeLengths has a bit for each length, modulo 64, of these keys. Most keys of a map are none of them, and most of
	// those differ in length already.
	typeLengths uint64
}

type keySlot struct {
	key  string
	slot int
}

func (t *keyTable) add(key string) (int, error) {
	for len(t.byLength) <= len(key) {
		t.byLength = append(t.byLength, nil)
	}
	for _, known := range t.byLength[len(key)] {
		if known.key == key {
			return known.slot, nil
		}
	}
	if t.count == maxKeys {
		return 0, fmt.Errorf("%q: the layouts look for event types under more than %d different keys", key, maxKeys)
	}
	slot := t.count
	t.byLength[len(key)] = append(t.byLength[len(key)], keySlot{key: key, slot: slot})
	t.count++
	return slot, nil
}

// addType adds the key with which the path of an event type begins.
func (t *keyTable) addType(keys []string) (int, error) {
	slot, err := t.add(keys[0])
	if err != nil {
		return 0, err
	}
	t.typeLengths |= 1 << (len(keys[0]) % 64)
	if len(keys) == 1 {
		t.typeSlots |= 1 << slot
	} else {
		t.nestedSlots |= 1 << slot
	}
	return slot, nil
}

// mayHold says whether a map may hold one of these event types. The loop is kept short, for the processor to look ahead in
// it: the map is seldom in its caches.
func (t *keyTable) mayHold(m pcommon.Map, types []string) bool {
	lengths := t.typeLengths
	for key, value := range m.All() {
		if lengths>>(len(key)%64)&1 != 0 && t.isType(key, value, types) {
			return true
		}
	}
	return false
}

func (t *keyTable) isType(key string, value pcommon.Value, types []string) bool {
	if len(key) >= len(t.byLength) {
		return false
	}
	for _, known := range t.byLength[len(key)] {
		if known.key != key {
			continue
		}
		if t.nestedSlots>>known.slot&1 != 0 {
			return true
		}
		return t.typeSlots>>known.slot&1 != 0 && value.Type() == pcommon.ValueTypeStr && slices.Contains(types, value.Str())
	}
	return false
}

// found holds the values of one map for the keys of a keyTable, by slot.
type found struct {
	mask   uint32
	values [maxKeys]pcommon.Value
}

// find looks for all keys of the table in one pass. Of a repeated key the first counts, as in pcommon.Map.Get.
func (t *keyTable) find(m pcommon.Map, in *found) {
	in.mask = 0
	for key, value := range m.All() {
		if len(key) >= len(t.byLength) {
			continue
		}
		for _, known := range t.byLength[len(key)] {
			if known.key == key && in.mask&(1<<known.slot) == 0 {
				in.mask |= 1 << known.slot
				in.values[known.slot] = value
			}
		}
	}
}

// get resolves a path whose first key has this slot.
func (f *found) get(slot int, keys []string) (pcommon.Value, bool) {
	if f.mask&(1<<slot) == 0 {
		return pcommon.Value{}, false
	}
	v := f.values[slot]
	if len(keys) == 1 {
		return v, true
	}
	if v.Type() != pcommon.ValueTypeMap {
		return pcommon.Value{}, false
	}
	return lookUp(v.Map(), keys[1:])
}
