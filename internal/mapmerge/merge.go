// SPDX-License-Identifier: Apache-2.0

// Package mapmerge merges pdata maps in linear time. The methods of pcommon.Map look for each key that they add among all
// that are there: with maps that come from outside, that is time squared for whoever sends many keys.
package mapmerge // import "github.com/impression-collector/impression-bridge/internal/mapmerge"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

// few is up to how many comparisons of keys pcommon.Map's own search costs less than a set of them.
const few = 1024

// AddMissing copies the entries of from to to whose keys to does not have. Repeated keys of to stay.
func AddMissing(to, from pcommon.Map) {
	if from.Len() == 0 {
		return
	}
	has := keysOf(to, from.Len())
	var merged xpdata.MapBuilder
	merged.EnsureCapacity(to.Len() + from.Len())
	for key, value := range to.All() {
		value.MoveTo(merged.AppendEmpty(key))
	}
	for key, value := range from.All() {
		if !has(key) {
			value.CopyTo(merged.AppendEmpty(key))
		}
	}
	merged.UnsafeIntoMap(to)
}

// keysOf returns whether a map has a key, for about as many questions as asked.
func keysOf(m pcommon.Map, asked int) func(key string) bool {
	if m.Len()*asked <= few {
		return func(key string) bool {
			_, present := m.Get(key)
			return present
		}
	}
	keys := make(map[string]struct{}, m.Len())
	for key := range m.All() {
		keys[key] = struct{}{}
	}
	return func(key string) bool {
		_, present := keys[key]
		return present
	}
}
