// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"slices"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// State is what became of an event.
type State uint8

// The states.
const (
	// Left is an event to be brought again.
	Left State = iota
	// Delivered is an event that Amplitude has.
	Delivered
	// Dropped is an event that Amplitude will not take; the reason says why.
	Dropped
)

// Event is an encoded event and what delivery needs to know of it.
type Event struct {
	// Start and End are where it is in the batch's buffer: a comma and its JSON.
	Start, End int
	// UserID and DeviceID are the ids as they are sent, "" for none.
	UserID, DeviceID string
	// Since is since when it waits to be sent, in nanoseconds since the epoch.
	Since int64

	// State and, if it is Dropped, Reason are set by Deliver.
	State  State
	Reason amplitude.Reason
}

func (e *Event) size() int {
	return e.End - e.Start
}

// Batch are events in the order in which they came. Its memory is used again for the next.
type Batch struct {
	Buffer []byte
	Events []Event
}

// KeepLeft keeps those of the first so many events that are Left, and appends to moved where each event of the batch went,
// -1 for those that are gone.
func (b *Batch) KeepLeft(first int, moved []int) []int {
	kept, end := 0, 0
	for i := range b.Events {
		event := b.Events[i]
		if i >= first || event.State != Left {
			moved = append(moved, -1)
			continue
		}
		size := copy(b.Buffer[end:], b.Buffer[event.Start:event.End])
		event.Start, event.End = end, end+size
		end += size
		b.Events[kept] = event
		moved = append(moved, kept)
		kept++
	}
	clear(b.Events[kept:])
	b.Events = b.Events[:kept]
	b.Buffer = b.Buffer[:end]
	if cap(b.Buffer) > mostKept {
		b.Buffer = slices.Clone(b.Buffer)
	}
	return moved
}

// mostKept is how many bytes of memory are kept from one batch to the next.
const mostKept = 64 << 20
