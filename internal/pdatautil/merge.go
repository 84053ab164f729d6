// SPDX-License-Identifier: Apache-2.0

package pdatautil // import "github.com/impression-collector/impression-bridge/internal/pdatautil"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

// maxSearched is up to how many comparisons of keys pcommon.Map's own linear search costs less than a hash table.
const maxSearched = 1024

// AddMissing copies the entries of from whose keys to lacks, except those for which skip reports true; a nil skip skips
// none. A null in to counts as missing and is replaced. Of a duplicate key in from, the first entry counts.
//
// It takes linear time. The methods of pcommon.Map search the map for every key that they add, which is quadratic for maps
// that a sender makes large.
func AddMissing(to, from pcommon.Map, skip func(key string) bool) {
	switch {
	case from.Len() == 0:
	case to.Len()*from.Len() <= maxSearched:
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
	// The table holds places in the merged map, which must not be reallocated.
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
