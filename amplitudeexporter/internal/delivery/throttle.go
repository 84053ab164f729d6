// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"slices"
	"sync"
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// throttles has the users and devices that Amplitude throttles, from one batch to the next. It is shared by all workers.
type throttles struct {
	// pause is how long nothing is sent of a user or device that was throttled.
	pause time.Duration
	// rate is how many events of one user or device Amplitude accepts in a second.
	rate int

	mutex          sync.Mutex
	users, devices map[string]*throttle
}

// throttle limits the events of one user or device. A nil throttle limits nothing.
type throttle struct {
	// until is when the pause ends.
	until time.Time
	// burst is how many events may be sent between two pauses, remaining how many of them this batch may still send.
	burst, remaining int
	// hasBlocked reports whether events of this batch were blocked.
	hasBlocked bool
}

func newThrottles(limits amplitude.Limits) *throttles {
	t := &throttles{pause: limits.ThrottlePause, rate: limits.EventsPerSecond}
	t.users, t.devices = map[string]*throttle{}, map[string]*throttle{}
	return t
}

func (t *throttles) beginBatch() {
	for _, ids := range []map[string]*throttle{t.users, t.devices} {
		for _, one := range ids {
			one.remaining, one.hasBlocked = one.burst, false
		}
	}
}

// endBatch forgets the ids whose pause is over, except for those of blocked events: they pause again, in proportion to how
// much of their burst was sent. It returns when the first pause ends, the zero time if there is none.
func (t *throttles) endBatch(now time.Time) time.Time {
	var first time.Time
	for _, ids := range []map[string]*throttle{t.users, t.devices} {
		for id, one := range ids {
			if one.isOver(now) {
				if !one.hasBlocked {
					delete(ids, id)
					continue
				}
				one.until = now.Add(t.pause * time.Duration(one.burst-one.remaining) / time.Duration(one.burst))
			}
			// A throttle that is over and sent nothing is blocked by another id of its events.
			if one.hasBlocked && one.until.After(now) && (first.IsZero() || one.until.Before(first)) {
				first = one.until
			}
		}
	}
	return first
}

// throttle throttles the user or the device of an item: the one that the answer names, or both if it names neither.
func (t *throttles) throttle(item *Item, answer amplitude.Answer, now time.Time) {
	user, device := answer.ThrottlesUser(item.UserID), answer.ThrottlesDevice(item.DeviceID)
	if !user && !device {
		user, device = true, true
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if user {
		t.throttleID(t.users, item.UserID, now)
	}
	if device {
		t.throttleID(t.devices, item.DeviceID, now)
	}
}

// throttleID begins a pause. After it, a burst may be sent: as many events as Amplitude accepts in the time of a pause, or
// half as many as before if the id was throttled before.
func (t *throttles) throttleID(ids map[string]*throttle, id string, now time.Time) {
	if id == "" {
		return
	}
	one, known := ids[id]
	switch {
	case !known:
		one = &throttle{burst: t.rate * int(t.pause/time.Second)}
		ids[id] = one
	case !one.isOver(now):
		// The same answer named another event of this id.
		return
	default:
		one.burst = max(1, one.burst/2)
	}
	one.until = now.Add(t.pause)
	one.remaining, one.hasBlocked = 0, true
}

// blockedIDs are the ids of a worker's events that must wait. Later events with one of these ids must not overtake them.
type blockedIDs struct {
	users, devices map[string]struct{}
	// since is when the first of the events began to wait, in nanoseconds since the epoch, 0 if there are none.
	since int64
}

func (b *blockedIDs) add(item *Item) {
	if b.users == nil {
		b.users, b.devices = map[string]struct{}{}, map[string]struct{}{}
		b.since = item.Since
	}
	b.since = min(b.since, item.Since)
	if item.UserID != "" {
		b.users[item.UserID] = struct{}{}
	}
	if item.DeviceID != "" {
		b.devices[item.DeviceID] = struct{}{}
	}
}

func (b *blockedIDs) has(item *Item) bool {
	_, user := b.users[item.UserID]
	_, device := b.devices[item.DeviceID]
	return user || device
}

// filter returns the items that may pass, and blocks the others. isBlocked reports whether an item must wait behind another one,
// and then mayPass must return false.
func (b *blockedIDs) filter(items []*Item, mayPass func(item *Item, isBlocked bool) bool) []*Item {
	return slices.DeleteFunc(items, func(item *Item) bool {
		if mayPass(item, b.has(item)) {
			return false
		}
		b.add(item)
		return true
	})
}

// admit returns the items that may be sent, and counts them as sent. The others are blocked.
func (t *throttles) admit(items []*Item, blocked *blockedIDs, now time.Time) []*Item {
	return t.filter(items, blocked, func(item *Item, user, device *throttle) bool {
		if !user.allows(now) || !device.allows(now) {
			return false
		}
		user.take(item.events())
		device.take(item.events())
		return true
	})
}

// block returns the admitted items without those whose ids were throttled since.
func (t *throttles) block(items []*Item, blocked *blockedIDs, now time.Time) []*Item {
	return t.filter(items, blocked, func(_ *Item, user, device *throttle) bool { return user.isOver(now) && device.isOver(now) })
}

func (t *throttles) filter(items []*Item, blocked *blockedIDs, passes func(item *Item, user, device *throttle) bool) []*Item {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if len(t.users)+len(t.devices) == 0 {
		return items
	}
	return blocked.filter(items, func(item *Item, isBlocked bool) bool {
		user, device := t.users[item.UserID], t.devices[item.DeviceID]
		if !isBlocked && passes(item, user, device) {
			return true
		}
		user.noteBlocked()
		device.noteBlocked()
		return false
	})
}

// isOver reports whether the pause is over.
func (t *throttle) isOver(now time.Time) bool {
	return t == nil || !now.Before(t.until)
}

// allows reports whether another event may be sent.
func (t *throttle) allows(now time.Time) bool {
	return t.isOver(now) && (t == nil || t.remaining > 0)
}

// take counts events as sent. The events of the last item may be more than remain.
func (t *throttle) take(events int) {
	if t != nil {
		t.remaining -= events
	}
}

func (t *throttle) noteBlocked() {
	if t != nil {
		t.hasBlocked = true
	}
}
