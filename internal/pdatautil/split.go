// SPDX-License-Identifier: Apache-2.0

package pdatautil // import "github.com/impression-collector/impression-bridge/internal/pdatautil"

import "go.opentelemetry.io/collector/pdata/plog"

// Position is the place of a record in logs.
type Position struct {
	// Resource, Scope, and Record are the indexes of the resource, of the scope in it, and of the record in that.
	Resource, Scope, Record int
}

// Split moves the records before a position to new logs, and returns them. It removes resources and scopes from which it moves
// all records.
func Split(logs plog.Logs, at Position) (before plog.Logs) {
	before = plog.NewLogs()
	index := -1
	logs.ResourceLogs().RemoveIf(func(from plog.ResourceLogs) bool {
		index++
		switch {
		case index < at.Resource:
			from.MoveTo(before.ResourceLogs().AppendEmpty())
			return true
		case index > at.Resource || at.Scope == 0 && at.Record == 0:
			return false
		}
		to := before.ResourceLogs().AppendEmpty()
		from.Resource().CopyTo(to.Resource())
		to.SetSchemaUrl(from.SchemaUrl())
		splitScopes(from.ScopeLogs(), at, to.ScopeLogs())
		return from.ScopeLogs().Len() == 0
	})
	return before
}

func splitScopes(scopes plog.ScopeLogsSlice, at Position, before plog.ScopeLogsSlice) {
	index := -1
	scopes.RemoveIf(func(from plog.ScopeLogs) bool {
		index++
		switch {
		case index < at.Scope:
			from.MoveTo(before.AppendEmpty())
			return true
		case index > at.Scope || at.Record == 0:
			return false
		}
		to := before.AppendEmpty()
		from.Scope().CopyTo(to.Scope())
		to.SetSchemaUrl(from.SchemaUrl())
		splitRecords(from.LogRecords(), at.Record, to.LogRecords())
		return from.LogRecords().Len() == 0
	})
}

func splitRecords(records plog.LogRecordSlice, at int, before plog.LogRecordSlice) {
	before.EnsureCapacity(at)
	index := -1
	records.RemoveIf(func(from plog.LogRecord) bool {
		index++
		if index >= at {
			return false
		}
		from.MoveTo(before.AppendEmpty())
		return true
	})
}
