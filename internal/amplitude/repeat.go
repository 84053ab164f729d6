// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import "go.opentelemetry.io/collector/pdata/pcommon"

const (
	// mostFiltered is how many keys a map may have for mapping. One whose keys the filter takes for a single one costs
	// three to four times as much as another of this size.
	mostFiltered = 32
	// mostKept is how many keys an Encoder keeps room for. To clear the room costs as much as it has, even for a map of
	// far fewer keys.
	mostKept = 4096
)

// keyFilter is a Bloom filter with one hash function for the keys of one small map.
type keyFilter [4]uint64

// maybe notes a key. It returns false where no equal one was noted before, and true where one may have been.
func (f *keyFilter) maybe(key string) bool {
	hash := edges(key) * multiplier
	word, bit := &f[hash>>62], uint64(1)<<(hash>>56%64)
	noted := *word&bit != 0
	*word |= bit
	return noted
}

// multiplier is 2^64 divided by the golden ratio: what differs anywhere in a factor differs at the top of the product.
const multiplier = 0x9E3779B97F4A7C15

// edges mixes the beginning and the end of a key. The keys of one map tend to share one of them, but not both.
func edges(key string) uint64 {
	n := len(key)
	if n >= 8 {
		first, last := key[:8], key[n-8:]
		return load(first)*multiplier ^ load(last)
	}
	mixed := uint64(n)
	for i := range n {
		mixed = mixed<<8 | uint64(key[i])
	}
	return mixed
}

// findRepeats adds the indexes of a map's repeated keys to repeats.
func (e *Encoder) findRepeats(m pcommon.Map) {
	if e.keys == nil {
		e.keys = make(map[string]struct{}, m.Len())
	}
	outer := len(e.repeats)
	index := 0
	for key := range m.All() {
		// A repeated key adds nothing to the set, which is then behind.
		e.keys[key] = struct{}{}
		if len(e.keys)+len(e.repeats)-outer <= index {
			e.repeats = append(e.repeats, index)
		}
		index++
	}
	if index > mostKept {
		e.keys = nil
		return
	}
	// It must not hold on to keys, which are parts of whole payloads.
	clear(e.keys)
}
