// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

// What a record matches that no layout claims.
const (
	noLayout = -1
	// unreadText is a JSON text without any of the reader's event types.
	unreadText = -2
)

// Untouched is why a record that may hold events of the reader's types is left as it is.
type Untouched uint8

// The reasons.
const (
	// TooLarge and TooDeep are JSON texts beyond the reader's limits.
	TooLarge Untouched = iota
	TooDeep
	// InvalidJSON is a text that begins like JSON and is none.
	InvalidJSON
	// MixedEvents is a list of events and other things, or of lists.
	MixedEvents
	// EnvelopeTooLarge is an envelope whose fields would be copied to too many events.
	EnvelopeTooLarge

	UntouchedReasons = iota
)

// String is the reason as the label of a metric.
func (u Untouched) String() string {
	switch u {
	case TooLarge:
		return "json_too_large"
	case TooDeep:
		return "json_too_deep"
	case InvalidJSON:
		return "json_invalid"
	case MixedEvents:
		return "mixed_events"
	case EnvelopeTooLarge:
		return "envelope_too_large"
	default:
		return "unknown"
	}
}

// Seen counts records by what they match. Those whose EventName alone says that the first layout claims them are not
// counted, for Find costs least there: they are the rest of all records.
type Seen struct {
	// ByLayout counts by index of the layout that has its event type in the record.
	ByLayout []int64
	// None counts records in which no layout has an event type, Text JSON texts that were not read.
	None, Text int64
	Untouched  [UntouchedReasons]int64
}

func (s *Seen) count(matched int) {
	switch matched {
	case noLayout:
		s.None++
	case unreadText:
		s.Text++
	default:
		s.ByLayout[matched]++
	}
}

func (s *Seen) untouched(reason Untouched) {
	s.Untouched[reason]++
}

func (s *Seen) reset() {
	clear(s.ByLayout)
	*s = Seen{ByLayout: s.ByLayout}
}

// Records returns how many records are counted.
func (s *Seen) Records() int64 {
	sum := s.None + s.Text
	for _, n := range s.ByLayout {
		sum += n
	}
	return sum
}

// Names are the layouts' presets, or their keys in the configuration, in order.
func (ls *Layouts) Names() []string {
	var names []string
	for i := range ls.all {
		names = append(names, ls.all[i].name)
	}
	return names
}

// firstOf returns the first layout that has its event type in one of these slots.
func (ls *Layouts) firstOf(slots uint32, named bool) int {
	if slots == 0 && !named {
		return noLayout
	}
	for i := range ls.all {
		if ls.all[i].slots&slots != 0 || named && ls.all[i].named {
			return i
		}
	}
	return noLayout
}
