// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"fmt"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// maxKeys bounds the keys of envelopes and the distinct first keys of all event type paths: a bit each in a set of slots.
const maxKeys = 32

// keyTable numbers keys, so that one pass over a map finds all of them.
type keyTable struct {
	byLength [][]knownKey
	count    int
	// firsts has, by length, a bit for each first byte, modulo 64, of the keys that scan looks for: most keys of a map are
	// none of them, and differ in one or the other. The last is for all that are longer.
	firsts [64]uint64
}

type knownKey struct {
	key  string
	slot int
	// types are the paths, from the key's value on, at which an event type can be.
	types [][]string
	// envelope says that the value can be a list of events.
	envelope bool
}

// add returns the slot of a key.
func (t *keyTable) add(key string) (int, error) {
	known, err := t.known(key)
	if err != nil {
		return 0, err
	}
	return known.slot, nil
}

// addType adds the path of an event type.
func (t *keyTable) addType(keys []string) (int, error) {
	known, err := t.known(keys[0])
	if err != nil {
		return 0, err
	}
	known.types = append(known.types, keys[1:])
	t.markFirst(keys[0])
	return known.slot, nil
}

// addEnvelope adds the key of a list of events.
func (t *keyTable) addEnvelope(key string) {
	// There is room, for these are added first.
	known, _ := t.known(key)
	known.envelope = true
	t.markFirst(key)
}

func (t *keyTable) markFirst(key string) {
	t.firsts[min(len(key), len(t.firsts)-1)] |= 1 << (key[0] % 64)
}

func (t *keyTable) known(key string) (*knownKey, error) {
	for len(t.byLength) <= len(key) {
		t.byLength = append(t.byLength, nil)
	}
	of := &t.byLength[len(key)]
	for i := range *of {
		if (*of)[i].key == key {
			return &(*of)[i], nil
		}
	}
	if t.count == maxKeys {
		return nil, fmt.Errorf("%q: the layouts look for event types under more than %d different keys", key, maxKeys-len(envelopeKeys))
	}
	*of = append(*of, knownKey{key: key, slot: t.count})
	t.count++
	return &(*of)[len(*of)-1], nil
}

func (t *keyTable) knows(key string) bool {
	return len(key) < len(t.byLength) && slices.ContainsFunc(t.byLength[len(key)], func(k knownKey) bool { return k.key == key })
}

// sight is what a pass over a map sees of event types.
type sight struct {
	// slots are those of keys with an event type, listed or not.
	slots uint32
	// listed says that one of the listed event types may be in the map.
	listed bool
}

func (s sight) and(other sight) sight {
	return sight{slots: s.slots | other.slots, listed: s.listed || other.listed}
}

// scan looks for event types in one pass, in the events of an envelope too. The loop is kept short, for the
// processor to look ahead in it: the map is seldom in its caches.
func (t *keyTable) scan(m pcommon.Map, types typeSet) sight {
	var seen sight
	for key, value := range m.All() {
		firsts := t.firsts[min(len(key), len(t.firsts)-1)]
		if firsts != 0 && firsts>>(key[0]%64)&1 != 0 {
			seen = seen.and(t.look(key, value, types))
		}
	}
	return seen
}

func (t *keyTable) look(key string, value pcommon.Value, types typeSet) sight {
	if len(key) >= len(t.byLength) {
		return sight{}
	}
	for i := range t.byLength[len(key)] {
		known := &t.byLength[len(key)][i]
		if known.key != key {
			continue
		}
		if known.envelope && value.Type() == pcommon.ValueTypeSlice {
			return sight{listed: t.scanEvents(value.Slice(), types, false)}
		}
		return known.look(value, types)
	}
	return sight{}
}

func (k *knownKey) look(value pcommon.Value, types typeSet) sight {
	var seen sight
	for _, keys := range k.types {
		v, present := value, true
		if len(keys) > 0 {
			v, present = lookIn(value, keys)
		}
		if present && v.Type() == pcommon.ValueTypeStr && v.Str() != "" {
			seen = seen.and(sight{slots: 1 << k.slot, listed: types.index(v.Str()) != NotFound})
		}
	}
	return seen
}

// scanEvents says whether a list may hold an event of these types, or envelopes with one. No more is looked into: what
// is nested without end would be looked into again at each level.
func (t *keyTable) scanEvents(events pcommon.Slice, types typeSet, orEnvelopes bool) bool {
	for _, event := range events.All() {
		switch event.Type() {
		case pcommon.ValueTypeSlice:
			return true
		case pcommon.ValueTypeMap:
			for key, value := range event.Map().All() {
				if (orEnvelopes || value.Type() != pcommon.ValueTypeSlice) && t.look(key, value, types).listed {
					return true
				}
			}
		}
	}
	return false
}

// found holds the values of one map for the keys of a keyTable, by slot.
type found struct {
	slots  uint32
	values [maxKeys]pcommon.Value
}

// find looks for all keys of the table in one pass. Of a repeated key the first counts, as in pcommon.Map.Get.
func (t *keyTable) find(m pcommon.Map, in *found) {
	in.slots = 0
	for key, value := range m.All() {
		if len(key) >= len(t.byLength) {
			continue
		}
		for _, known := range t.byLength[len(key)] {
			if known.key == key && in.slots&(1<<known.slot) == 0 {
				in.slots |= 1 << known.slot
				in.values[known.slot] = value
			}
		}
	}
}

// get resolves a path whose first key has this slot.
func (f *found) get(slot int, keys []string) (pcommon.Value, bool) {
	if f.slots&(1<<slot) == 0 {
		return pcommon.Value{}, false
	}
	if len(keys) == 1 {
		return f.values[slot], true
	}
	return lookIn(f.values[slot], keys[1:])
}

// meets says whether the map meets a condition whose key has this slot.
func (f *found) meets(c condition, slot int) bool {
	return c.metBy(f.values[slot], f.slots&(1<<slot) != 0)
}

// metBy says whether the value of the condition's key meets it. The zero condition is always met.
func (c condition) metBy(v pcommon.Value, present bool) bool {
	if c == (condition{}) {
		return true
	}
	if !present || v.Type() == pcommon.ValueTypeEmpty {
		return c.orAbsent
	}
	return v.Type() == pcommon.ValueTypeStr && v.Str() == c.value
}
