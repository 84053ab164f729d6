// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// rates measures the rate of events of each user and device.
type rates struct {
	limit RateLimit
	taken map[rateKey][]burst
}

// rateKey is a user_id or a device_id.
type rateKey struct {
	id       string
	isDevice bool
}

// burst is the number of events of a user or device in one request.
type burst struct {
	at     time.Time
	events int
}

// SetRateLimit replaces the rate limit. Earlier events count only if there was a limit when they were sent.
func (s *Server) SetRateLimit(limit RateLimit) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.rates.limit = limit
}

func (r *rates) threshold(api amplitude.API) int {
	if r.limit.EventsPerSecond > 0 {
		return r.limit.EventsPerSecond
	}
	if api == amplitude.Batch {
		return 1_000
	}
	return 30
}

// exceeded returns the rates of the users and devices that this request would bring over the threshold.
func (r *rates) exceeded(request *Request, events []Event) map[rateKey]int {
	if r.limit.Window <= 0 {
		return nil
	}
	over := map[rateKey]int{}
	seconds := r.limit.Window.Seconds()
	for key, count := range countByID(events) {
		bursts := r.recent(key, request.At)
		if len(bursts) == 0 {
			// A single request over the threshold is accepted, because it would never succeed otherwise.
			continue
		}
		for _, b := range bursts {
			count += b.events
		}
		if float64(count) > float64(r.threshold(request.API))*seconds {
			over[key] = max(int(float64(count)/seconds), r.threshold(request.API)+1)
		}
	}
	return over
}

// recent returns the bursts within the window and forgets older ones.
func (r *rates) recent(key rateKey, now time.Time) []burst {
	bursts := r.taken[key]
	for len(bursts) > 0 && now.Sub(bursts[0].at) >= r.limit.Window {
		bursts = bursts[1:]
	}
	if len(bursts) == 0 {
		delete(r.taken, key)
		return nil
	}
	r.taken[key] = bursts
	return bursts
}

// add counts the events of an accepted request. Refused requests don't count, because otherwise a client that retries
// could never recover.
func (r *rates) add(request *Request, events []Event) {
	if r.limit.Window <= 0 {
		return
	}
	if r.taken == nil {
		r.taken = map[rateKey][]burst{}
	}
	for key, count := range countByID(events) {
		r.taken[key] = append(r.taken[key], burst{at: request.At, events: count})
	}
}

func countByID(events []Event) map[rateKey]int {
	counts := map[rateKey]int{}
	for i := range events {
		if id := events[i].UserID; id != "" {
			counts[rateKey{id: id}]++
		}
		if id := events[i].DeviceID; id != "" {
			counts[rateKey{id: id, isDevice: true}]++
		}
	}
	return counts
}
