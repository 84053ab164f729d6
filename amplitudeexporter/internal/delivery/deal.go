// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import "github.com/cespare/xxhash/v2"

// dealer deals the events of a batch out to lanes.
type dealer struct {
	// users and devices hold the group, by index of its first event, in which an id was seen first.
	users, devices map[string]int32
	// parent is the forest of groups, by index of event; a root is its own parent.
	parent []int32
}

func newDealer() *dealer {
	return &dealer{users: map[string]int32{}, devices: map[string]int32{}}
}

// mostIDsKept bounds the maps that are used again.
const mostIDsKept = 1 << 16

// deal appends the indexes of the events to the lanes, in order. All events that share a user or a device, also through
// others, go to one lane: a user's events may name the device or not. The lane is chosen by the device_id, else the
// user_id, of the first of them.
func (d *dealer) deal(events []Event, lanes [][]int32) {
	if len(lanes) == 1 {
		for i := range events {
			lanes[0] = append(lanes[0], int32(i))
		}
		return
	}
	d.group(events)
	for i := range events {
		first := &events[d.root(int32(i))]
		id := first.DeviceID
		if id == "" {
			id = first.UserID
		}
		lane := xxhash.Sum64String(id) % uint64(len(lanes))
		lanes[lane] = append(lanes[lane], int32(i))
	}
	d.forget()
}

func (d *dealer) group(events []Event) {
	d.parent = d.parent[:0]
	for i := range events {
		d.parent = append(d.parent, int32(i))
		d.join(d.users, events[i].UserID, int32(i))
		d.join(d.devices, events[i].DeviceID, int32(i))
	}
}

// join puts an event into the group that has its id.
func (d *dealer) join(ids map[string]int32, id string, event int32) {
	if id == "" {
		return
	}
	seen, known := ids[id]
	if !known {
		ids[id] = event
		return
	}
	a, b := d.root(seen), d.root(event)
	// The earliest event is the root, whose ids choose the lane.
	d.parent[max(a, b)] = min(a, b)
}

func (d *dealer) root(event int32) int32 {
	for d.parent[event] != event {
		d.parent[event] = d.parent[d.parent[event]]
		event = d.parent[event]
	}
	return event
}

// forget lets go of the batch's ids.
func (d *dealer) forget() {
	for _, ids := range []*map[string]int32{&d.users, &d.devices} {
		if len(*ids) > mostIDsKept {
			*ids = map[string]int32{}
			continue
		}
		clear(*ids)
	}
}
