// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"hash/maphash"
	"maps"
	"sync"
	"time"
)

// suspects has the events that failed alone, in a request of their own, from one batch to the next. It is shared by all
// workers.
//
// If a request is refused and the answer names no event, either one of its events is bad, or everything is refused at the
// moment: by a firewall, a proxy, or a limit of a region. Only later requests tell which. A suspect waits, and later events
// of the same user or device wait behind it. It is bad if it is refused again whenever others are accepted.
type suspects struct {
	seed maphash.Seed

	mutex sync.Mutex
	// byHash has the suspects by a hash of their JSON. In a new batch, the same event is another item.
	byHash map[uint64]*suspect
	// accepted is how many requests were accepted.
	accepted int
	// failedInRow is how many events failed alone since a request was accepted.
	failedInRow int
	// nextProbe is when a suspect may be sent again even if no other event was accepted.
	nextProbe time.Time
	// batch is the number of the batch.
	batch int
}

type suspect struct {
	// tries counts the failures in a row before which other events were accepted, and refusals the last of them that were
	// refusals.
	tries, refusals int
	// accepted is the value of suspects.accepted at the last failure.
	accepted int
	// nextTry is when it may be sent again even if no other event was accepted. backoff is how long it waited for that.
	nextTry time.Time
	backoff time.Duration
	// batch is the last batch that had the event.
	batch int
}

const (
	// An event is dropped after maxRefusals: when it became a suspect, twice in a row after others were accepted, and once
	// more after others were accepted again. Neither a short block nor a proxy that refuses every second request looks like
	// that.
	maxRefusals = 4
	// After maxFailedInRow events failed alone and nothing else was accepted, events are chosen at random. If maxProbes of
	// them fail too, everything is refused.
	maxFailedInRow = 10
	maxProbes      = 3

	// probePeriod is how long it takes from one suspect that is sent without a reason to the next.
	probePeriod       = 10 * time.Second
	minSuspectBackoff = time.Minute
	maxSuspectBackoff = 2 * time.Minute
	// A suspect is forgotten if no batch had it for so many batches, because the queue gave it up.
	maxBatchesUnseen = 1000
)

func newSuspects() *suspects {
	return &suspects{seed: maphash.MakeSeed(), byHash: map[uint64]*suspect{}}
}

func (s *suspects) beginBatch() {
	s.batch++
	maps.DeleteFunc(s.byHash, func(_ uint64, one *suspect) bool { return s.batch-one.batch > maxBatchesUnseen })
}

// endBatch returns when the first suspect of the batch is due, or the zero time if the batch has none.
func (s *suspects) endBatch(now time.Time) time.Time {
	var first time.Time
	for _, one := range s.byHash {
		if one.batch != s.batch {
			continue
		}
		due := s.due(one)
		if due.IsZero() {
			due = now
		}
		if first.IsZero() || due.Before(first) {
			first = due
		}
	}
	return first
}

// admit returns the items that may be sent, and those that are suspects. The items behind suspects are blocked.
func (s *suspects) admit(items []*Item, blocked *blockedIDs) (admitted, found []*Item) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.byHash) == 0 {
		return items, nil
	}
	admitted = blocked.filter(items, func(item *Item, isBlocked bool) bool {
		one := s.byHash[s.hash(item)]
		if one == nil {
			return !isBlocked
		}
		one.batch = s.batch
		if !isBlocked {
			found = append(found, item)
		}
		return false
	})
	return admitted, found
}

// isDue reports whether a suspect should be sent again now.
func (s *suspects) isDue(item *Item, now time.Time) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	one := s.byHash[s.hash(item)]
	if one == nil {
		return true
	}
	due := s.due(one)
	if now.Before(due) {
		return false
	}
	if !due.IsZero() {
		s.nextProbe = now.Add(probePeriod)
	}
	return true
}

// due returns when a suspect may be sent again, or the zero time if other events were accepted since it failed.
func (s *suspects) due(one *suspect) time.Time {
	switch {
	case s.accepted > one.accepted && one.tries < maxRefusals:
		return time.Time{}
	case one.nextTry.Before(s.nextProbe):
		return s.nextProbe
	default:
		return one.nextTry
	}
}

func (s *suspects) hash(item *Item) uint64 {
	return maphash.Bytes(s.seed, item.JSON)
}

// accept notes that a request was accepted.
func (s *suspects) accept(items []*Item) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.accepted++
	s.failedInRow = 0
	if len(items) == 1 && len(s.byHash) > 0 {
		delete(s.byHash, s.hash(items[0]))
	}
}

// suspicion says how to go on after an event failed alone.
type suspicion uint8

const (
	// suspectWaits is for an event that waits until others are accepted.
	suspectWaits suspicion = iota
	// suspectAgain is for an event that is sent again at once.
	suspectAgain
	// suspectIsBad is for an event that is refused for good.
	suspectIsBad
)

// fail notes that an event failed alone. refused reports whether the answer was a refusal.
func (s *suspects) fail(item *Item, refused bool, now time.Time) suspicion {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.failedInRow++
	hash := s.hash(item)
	one := s.byHash[hash]
	isConfirmed := one != nil && (s.accepted > one.accepted || one.refusals == 2)
	if one == nil {
		one = &suspect{backoff: minSuspectBackoff / 2}
		s.byHash[hash] = one
		isConfirmed = true
	}
	if isConfirmed {
		one.tries++
		one.refusals++
	}
	if !refused {
		one.refusals = 0
	}
	one.batch, one.accepted = s.batch, s.accepted
	one.backoff = min(2*one.backoff, maxSuspectBackoff)
	one.nextTry = now.Add(one.backoff)
	switch one.refusals {
	case maxRefusals:
		delete(s.byHash, hash)
		return suspectIsBad
	case 2:
		return suspectAgain
	default:
		return suspectWaits
	}
}

// manyFailed reports whether so many events failed alone that later events should be tried.
func (s *suspects) manyFailed() bool {
	return s.failed() >= maxFailedInRow
}

// allFail reports whether so many events failed alone that the events can't be the reason.
func (s *suspects) allFail() bool {
	return s.failed() >= maxFailedInRow+maxProbes
}

func (s *suspects) failed() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.failedInRow
}
