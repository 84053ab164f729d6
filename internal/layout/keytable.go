// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impressionprocessor/internal/layout"

import (
	"fmt"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// maxKeys bounds the distinct first keys of all event type paths: a bit each in found.mask.
const maxKeys = 32

// keyTable numbers keys, so that one pass over a map finds all of them. Most keys of a map are none of these, and most of
// them differ in length already.
type keyTable struct {
	byLength [][]keySlot
	// lengths has a bit for each length that a key has, the last for all that are longer: a first look that costs least.
	lengths uint64
	count   int
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
	t.lengths |= lengthBit(key)
	t.count++
	return slot, nil
}

func lengthBit(key string) uint64 {
	return 1 << min(len(key), 63)
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
		if t.lengths&lengthBit(key) == 0 || len(key) >= len(t.byLength) {
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
