// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"sync"
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// pauses holds the users and devices that Amplitude throttled, from one batch to the next.
type pauses struct {
	length time.Duration
	// rate is how many events of one user or device Amplitude takes a second.
	rate int

	mutex          sync.Mutex
	users, devices map[string]*pause
}

// pause is that of one user or device.
type pause struct {
	until time.Time
	// burst is how many of its events may be sent once the pause is over, before the next.
	burst int
	// left is how much of burst is left in this batch.
	left int
	// held says that some of its events are left of this batch.
	held bool
}

func newPauses(limits amplitude.Limits) *pauses {
	return &pauses{length: limits.ThrottlePause, rate: limits.EventsPerSecond, users: map[string]*pause{}, devices: map[string]*pause{}}
}

// begin prepares for a batch.
func (p *pauses) begin() {
	for _, ids := range []map[string]*pause{p.users, p.devices} {
		for _, paused := range ids {
			paused.left, paused.held = paused.burst, false
		}
	}
}

// end forgets those whose pause is over and of whom nothing was held back, lets those pause of whom there was, for as long
// as Amplitude wants them to for what they sent, and returns when the first pause ends, the zero time without any.
func (p *pauses) end(now time.Time) time.Time {
	var first time.Time
	for _, ids := range []map[string]*pause{p.users, p.devices} {
		for id, paused := range ids {
			if !now.Before(paused.until) {
				if !paused.held {
					delete(ids, id)
					continue
				}
				paused.until = now.Add(p.length * time.Duration(paused.burst-paused.left) / time.Duration(paused.burst))
			}
			// One whose pause is over waits for another id of its events.
			if paused.held && paused.until.After(now) && (first.IsZero() || paused.until.Before(first)) {
				first = paused.until
			}
		}
	}
	return first
}

// throttled notes that Amplitude throttles an event's user or device: those that it names, or both where it names neither.
func (p *pauses) throttled(event *Event, answer amplitude.Answer, now time.Time) {
	user, device := answer.ThrottlesUser(event.UserID), answer.ThrottlesDevice(event.DeviceID)
	if !user && !device {
		user, device = true, true
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if user {
		p.pause(p.users, event.UserID, now)
	}
	if device {
		p.pause(p.devices, event.DeviceID, now)
	}
}

// pause lets an id pause, and then send as much at once as it may in such a time, or half as much as before where that is
// throttled again.
func (p *pauses) pause(ids map[string]*pause, id string, now time.Time) {
	if id == "" {
		return
	}
	paused, known := ids[id]
	switch {
	case !known:
		paused = &pause{burst: p.rate * int(p.length/time.Second)}
		ids[id] = paused
	case now.Before(paused.until):
		// Another event of the same request.
		return
	default:
		paused.burst = max(1, paused.burst/2)
	}
	paused.until = now.Add(p.length)
	paused.left, paused.held = 0, true
}

// held are the ids of which an event of the batch was held back: those behind it must not overtake it.
type held struct {
	users, devices map[string]struct{}
	// since is since when the first of the events waits, in nanoseconds since the epoch, 0 without any.
	since int64
}

func (h *held) add(event *Event) {
	if h.users == nil {
		h.users, h.devices = map[string]struct{}{}, map[string]struct{}{}
		h.since = event.Since
	}
	h.since = min(h.since, event.Since)
	if event.UserID != "" {
		h.users[event.UserID] = struct{}{}
	}
	if event.DeviceID != "" {
		h.devices[event.DeviceID] = struct{}{}
	}
}

func (h *held) has(event *Event) bool {
	if h.users == nil {
		return false
	}
	_, user := h.users[event.UserID]
	_, device := h.devices[event.DeviceID]
	return user || device
}

// admit takes from a lane's events those that must wait, in order, and counts the others as sent.
func (p *pauses) admit(events []Event, lane []int32, back *held, now time.Time) []int32 {
	return p.filter(events, lane, back, func(user, device *pause) bool {
		if !user.allows(now) || !device.allows(now) {
			return false
		}
		user.take()
		device.take()
		return true
	})
}

// holdBack takes from a lane's admitted events those of ids that have been throttled since.
func (p *pauses) holdBack(events []Event, lane []int32, back *held, now time.Time) []int32 {
	return p.filter(events, lane, back, func(user, device *pause) bool { return user.isOver(now) && device.isOver(now) })
}

func (p *pauses) filter(events []Event, lane []int32, back *held, passes func(user, device *pause) bool) []int32 {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.users)+len(p.devices) == 0 {
		return lane
	}
	kept := lane[:0]
	for _, index := range lane {
		event := &events[index]
		user, device := p.users[event.UserID], p.devices[event.DeviceID]
		if back.has(event) || !passes(user, device) {
			user.hold()
			device.hold()
			back.add(event)
			continue
		}
		kept = append(kept, index)
	}
	return kept
}

func (p *pause) isOver(now time.Time) bool {
	return p == nil || !now.Before(p.until)
}

// allows says whether another event may be sent.
func (p *pause) allows(now time.Time) bool {
	return p.isOver(now) && (p == nil || p.left > 0)
}

// take counts an event as sent.
func (p *pause) take() {
	if p != nil {
		p.left--
	}
}

func (p *pause) hold() {
	if p != nil {
		p.held = true
	}
}
