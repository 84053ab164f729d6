// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

// Stats counts records by what they match, events of envelopes each on their own. They are for metrics.
type Stats struct {
	// ByLayout counts the records that have an event type, listed or not, by the index of the first layout that has it.
	ByLayout []int64
	// NoLayout counts records without an event type.
	NoLayout int64
	// UnreadJSON counts JSON texts that weren't parsed, because they can't hold an event of the reader's types.
	UnreadJSON int64
}

func (s *Stats) count(layout int) {
	if layout < 0 {
		s.NoLayout++
		return
	}
	s.ByLayout[layout]++
}
