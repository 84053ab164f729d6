// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"
)

// deferredPart has the events of a batch that are stored in the same chunk.
type deferredPart struct {
	// chain is nil for the events that stay loaded.
	chain *chain
	items []*item
}

// partsOf splits events that are to be deferred: first those that stay loaded, if there are any, then those of each chain.
// The loaded ones come first because they may be earlier events of the same users, and chunks are read in order.
func (d *deferral) partsOf(left []*item, room *room) []deferredPart {
	var loaded deferredPart
	var chained []*item
	for _, it := range left {
		c := d.overflow.of(it)
		if c == nil {
			if room.take(it) {
				loaded.items = append(loaded.items, it)
				continue
			}
			c = d.overflow.begin()
		}
		d.overflow.tie(c, it)
		chained = append(chained, it)
	}
	var parts []deferredPart
	if len(loaded.items) > 0 {
		parts = append(parts, loaded)
	}
	indexes := map[*chain]int{}
	for _, it := range chained {
		// Later events may have joined chains.
		c := d.overflow.of(it)
		index, known := indexes[c]
		if !known {
			index = len(parts)
			indexes[c] = index
			parts = append(parts, deferredPart{chain: c})
		}
		parts[index].items = append(parts[index].items, it)
	}
	return parts
}

// deferItems makes the events, which are stored in this chunk, the first ones of the next batch.
func (p deferredPart) deferItems(chunk uint64) {
	for i, it := range p.items {
		it.deferTo(deferred.Place{Chunk: chunk, Event: i})
	}
}

// additionsOf returns what to store of each part. The logs have a record of each event that is left, in order.
func additionsOf(logs plog.Logs, left []*item, parts []deferredPart) []deferred.Addition {
	var additions []deferred.Addition
	for i, records := range recordsOf(logs, left, parts) {
		addition := deferred.Addition{Records: records}
		if c := parts[i].chain; c != nil {
			addition.Behind = c.smallLast()
		}
		additions = append(additions, addition)
	}
	return additions
}

// recordsOf returns the records of each part.
func recordsOf(logs plog.Logs, left []*item, parts []deferredPart) []plog.Logs {
	if len(parts) == 1 {
		return []plog.Logs{logs}
	}
	partOf := make(map[*item]int, len(left))
	for i, part := range parts {
		for _, it := range part.items {
			partOf[it] = i
		}
	}
	split := make([]plog.Logs, len(parts))
	for i := range split {
		split[i] = plog.NewLogs()
	}
	index := 0
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			copies := map[int]plog.LogRecordSlice{}
			for _, record := range scope.LogRecords().All() {
				part := partOf[left[index]]
				index++
				if _, known := copies[part]; !known {
					copies[part] = copyScope(split[part], resource, scope)
				}
				record.CopyTo(copies[part].AppendEmpty())
			}
		}
	}
	return split
}

// copyScope adds a copy of a resource and scope without records to logs, and returns the place for its records.
func copyScope(logs plog.Logs, resource plog.ResourceLogs, scope plog.ScopeLogs) plog.LogRecordSlice {
	resourceCopy := logs.ResourceLogs().AppendEmpty()
	resource.Resource().CopyTo(resourceCopy.Resource())
	resourceCopy.SetSchemaUrl(resource.SchemaUrl())
	scopeCopy := resourceCopy.ScopeLogs().AppendEmpty()
	scope.Scope().CopyTo(scopeCopy.Scope())
	scopeCopy.SetSchemaUrl(scope.SchemaUrl())
	return scopeCopy.LogRecords()
}
