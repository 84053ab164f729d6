// SPDX-License-Identifier: Apache-2.0

package pdatautil // import "github.com/impression-collector/impression-bridge/internal/pdatautil"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/plog"
)

// Gap is a place for new records in a slice.
type Gap struct {
	// Before is the index of the record before which the new records are inserted, or the length of the slice to append them.
	Before int
	// Records is the number of new records.
	Records int
}

// OpenGaps inserts empty records into a slice. The gaps must be in ascending order of Before. Each record after the first gap
// is moved once.
func OpenGaps(records plog.LogRecordSlice, gaps []Gap) {
	from, to := records.Len()-1, records.Len()-1
	for _, g := range gaps {
		to += g.Records
	}
	records.EnsureCapacity(to + 1)
	for records.Len() <= to {
		records.AppendEmpty()
	}
	for _, g := range slices.Backward(gaps) {
		for ; from >= g.Before; from, to = from-1, to-1 {
			records.At(from).MoveTo(records.At(to))
		}
		to -= g.Records
	}
}
