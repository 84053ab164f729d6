// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

// Stats counts records, by the layout that matches them. Each event of an envelope counts as a record. The counts are
// only for metrics.
type Stats struct {
	// ByLayout counts the records with an event type, listed or not, by the index of the first layout that finds it.
	ByLayout []int64
	// NoLayout counts the records without an event type.
	NoLayout int64
	// UnreadJSON counts the JSON texts that weren't parsed because they can't contain an event of the reader's types.
	UnreadJSON int64
}

func (s *Stats) count(layout int) {
	if layout < 0 {
		s.NoLayout++
		return
	}
	s.ByLayout[layout]++
}
