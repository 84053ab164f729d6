// SPDX-License-Identifier: Apache-2.0

package pdatautil // import "github.com/impression-collector/impression-bridge/internal/pdatautil"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

// maxSearched is the number of key comparisons up to which the linear search of pcommon.Map is faster than a hash table.
const maxSearched = 1024

// AddMissing copies the entries of from to to, except those whose keys to has already, and those for which skip reports true.
// A nil skip skips none. A null in to is replaced, as if it were missing. If from has a key more than once, the first entry
// that isn't null is copied.
//
// It takes linear time. The methods of pcommon.Map search the whole map for every key that they add, so a sender could make
// them take quadratic time with a large map.
func AddMissing(to, from pcommon.Map, skip func(key string) bool) {
	switch {
	case from.Len() == 0:
	case (to.Len()+from.Len())*from.Len() <= maxSearched:
		to.EnsureCapacity(to.Len() + from.Len())
		for key, value := range from.All() {
			if skip != nil && skip(key) {
				continue
			}
			if own, _ := to.GetOrPutEmpty(key); !IsSet(own) {
				value.CopyTo(own)
			}
		}
	default:
		addMissingByTable(to, from, skip)
	}
}

func addMissingByTable(to, from pcommon.Map, skip func(key string) bool) {
	var merged xpdata.MapBuilder
	// The table refers to values in the merged map, so its slice must not be reallocated.
	merged.EnsureCapacity(to.Len() + from.Len())
	table := make(map[string]pcommon.Value, to.Len())
	for key, value := range to.All() {
		place := merged.AppendEmpty(key)
		value.MoveTo(place)
		if _, duplicate := table[key]; !duplicate {
			table[key] = place
		}
	}
	for key, value := range from.All() {
		if skip != nil && skip(key) {
			continue
		}
		place, present := table[key]
		if !present {
			place = merged.AppendEmpty(key)
			table[key] = place
		}
		if !IsSet(place) {
			value.CopyTo(place)
		}
	}
	merged.UnsafeIntoMap(to)
}
