// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import "github.com/impression-collector/impression-bridge/internal/amplitude"

// State is what became of an item.
type State uint8

// The states.
const (
	// Left is an item that must be delivered again.
	Left State = iota
	// Delivered is an item that Amplitude accepted.
	Delivered
	// Dropped is an item that Amplitude will never accept.
	Dropped
)

// Item is an encoded event on its way to Amplitude, or several events of one user that are accepted or dropped together.
type Item struct {
	// JSON is the event as it is sent, or several of them with commas between them. More is how many follow the first.
	JSON []byte
	More int
	// UserID and DeviceID are the ids as they are sent, "" if missing.
	UserID, DeviceID string
	// Since is when the event began to wait, in nanoseconds since the epoch.
	Since int64

	// State and, if it is Dropped, Reason are set by Deliver.
	State  State
	Reason amplitude.Reason
	// Status is the HTTP status of the last answer that didn't accept the item, 0 if there was none.
	Status int
}

// events returns how many events the item has.
func (it *Item) events() int {
	return 1 + it.More
}

func eventsOf(items []*Item) int {
	events := 0
	for _, item := range items {
		events += item.events()
	}
	return events
}

// sharesID reports whether two items have the same user or device.
func (it *Item) sharesID(with *Item) bool {
	return it.UserID != "" && it.UserID == with.UserID || it.DeviceID != "" && it.DeviceID == with.DeviceID
}
