// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import (
	"hash/maphash"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

const (
	// maxFiltered is the maximum number of keys of a map whose keys go through a keyFilter.
	maxFiltered = 32
	// maxKept is the maximum number of keys for which an Encoder keeps room. Clearing the room takes time in proportion to
	// its size, even after a map with far fewer keys.
	maxKept = 4096
)

// keyFilter is a Bloom filter with one hash function for the keys of one small map. Comparing each key with those before it
// instead makes the whole exporter 7% slower.
type keyFilter [4]uint64

// maybe adds a key. It returns false if no equal key was added before, and true if there may have been one.
func (f *keyFilter) maybe(key string) bool {
	hash := maphash.String(keySeed, key)
	word, bit := &f[hash>>62], uint64(1)<<(hash%64)
	added := *word&bit != 0
	*word |= bit
	return added
}

var keySeed = maphash.MakeSeed()

// findRepeats appends the indexes of a map's repeated keys to e.repeats.
func (e *Encoder) findRepeats(m pcommon.Map) {
	if e.keys == nil {
		e.keys = make(map[string]struct{}, m.Len())
	}
	outer := len(e.repeats)
	index := 0
	for key := range m.All() {
		// A repeated key doesn't enlarge the set.
		e.keys[key] = struct{}{}
		if len(e.keys)+len(e.repeats)-outer <= index {
			e.repeats = append(e.repeats, index)
		}
		index++
	}
	if index > maxKept {
		e.keys = nil
		return
	}
	// The keys are parts of payloads, which the set would keep in memory.
	clear(e.keys)
}
