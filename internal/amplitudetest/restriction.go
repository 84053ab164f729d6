// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"cmp"
	"net/http"
	"slices"
)

// Restriction is a reason to refuse requests that contain a user or device.
type Restriction uint8

// The restrictions.
const (
	ThrottledUser Restriction = iota
	ThrottledDevice
	ExceededDailyQuotaUser
	ExceededDailyQuotaDevice
	SilencedDevice

	restrictionCount = iota
)

// UntilLifted is the number of requests for a restriction that lasts until it is lifted.
const UntilLifted = -1

// dailyQuota is how many events per day Amplitude accepts of a user or device that it considers spam.
const dailyQuota = 500_000

// restrictions holds what Restrict and ThrottleEvents have set.
type restrictions struct {
	// requests is how many more requests to refuse, by restriction and id.
	requests [restrictionCount]map[string]int
	events   []restrictedEvents
}

type restrictedEvents struct {
	left    int
	indexes []int
}

// Restrict makes the server refuse, for each of the ids, the next requests that contain it, or all of them UntilLifted.
// With 0 requests, it lifts the restriction of these ids.
func (s *Server) Restrict(restriction Restriction, requests int, ids ...string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	restricted := &s.restrictions.requests[restriction]
	if *restricted == nil {
		*restricted = map[string]int{}
	}
	for _, id := range ids {
		if (*restricted)[id] = requests; requests == 0 {
			delete(*restricted, id)
		}
	}
}

// ThrottleEvents makes the server refuse the next requests, or all of them UntilLifted, with an answer that lists the
// indexes as throttled events but doesn't name users or devices. Requests that have no event at these indexes are
// accepted and don't count.
func (s *Server) ThrottleEvents(requests int, indexes ...int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.restrictions.events = append(s.restrictions.events, restrictedEvents{left: requests, indexes: indexes})
}

// LiftAll ends all restrictions.
func (s *Server) LiftAll() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.restrictions = restrictions{}
}

// named collects the ids and events that an answer names.
type named struct {
	ids    [restrictionCount]map[string]int
	events map[string][]int
}

func (n *named) name(restriction Restriction, id string, figure int) {
	if n.ids[restriction] == nil {
		n.ids[restriction] = map[string]int{}
	}
	n.ids[restriction][id] = figure
}

// nameEvent adds the index of an event to a list. Indexes come in ascending order. The same one may come twice, for the
// user and for the device of the event.
func (n *named) nameEvent(list string, index int) {
	if n.events == nil {
		n.events = map[string][]int{}
	}
	if of := n.events[list]; len(of) == 0 || of[len(of)-1] != index {
		n.events[list] = append(of, index)
	}
}

// restrict answers a request that is refused because of the users or devices in it.
func (s *Server) restrict(request *Request, events []Event) (Answer, bool) {
	threshold := s.rates.threshold(request.API)
	var found named
	rates := s.rates.exceeded(request, events)
	for i := range events {
		e := &events[i]
		for restriction := range Restriction(restrictionCount) {
			id := restriction.idOf(e)
			rate, tooFast := rates[rateKey{id: id, isDevice: restriction == ThrottledDevice}]
			_, restricted := s.restrictions.requests[restriction][id]
			tooFast = tooFast && (restriction == ThrottledUser || restriction == ThrottledDevice)
			if id == "" || !restricted && !tooFast {
				continue
			}
			found.name(restriction, id, cmp.Or(rate, restriction.figure(threshold)))
			if list := restriction.eventList(); list != "" {
				found.nameEvent(list, i)
			}
		}
	}
	s.restrictions.count(&found)
	s.restrictions.nameEvents(&found, len(events))
	if answer, isRestricted := found.answer(threshold); isRestricted {
		return answer, true
	}
	s.rates.add(request, events)
	return Answer{}, false
}

// count decrements the remaining requests of each named id.
func (r *restrictions) count(found *named) {
	for restriction, ids := range found.ids {
		for id := range ids {
			left := r.requests[restriction][id]
			switch {
			case left == 1:
				delete(r.requests[restriction], id)
			case left > 1:
				r.requests[restriction][id] = left - 1
			}
		}
	}
}

// nameEvents adds the events that ThrottleEvents has set.
func (r *restrictions) nameEvents(found *named, events int) {
	for i := range r.events {
		restricted := &r.events[i]
		if restricted.left == 0 {
			continue
		}
		hit := false
		for _, index := range restricted.indexes {
			if index < events {
				found.nameEvent("throttled_events", index)
				hit = true
			}
		}
		if hit && restricted.left > 0 {
			restricted.left--
		}
	}
	r.events = slices.DeleteFunc(r.events, func(e restrictedEvents) bool { return e.left == 0 })
}

func (r Restriction) idOf(e *Event) string {
	if r == ThrottledUser || r == ExceededDailyQuotaUser {
		return e.UserID
	}
	return e.DeviceID
}

// figure returns the number in the answer for an id whose rate wasn't measured.
func (r Restriction) figure(threshold int) int {
	if r == ExceededDailyQuotaUser || r == ExceededDailyQuotaDevice {
		return dailyQuota + 1
	}
	return threshold + 1
}

func (r Restriction) eventList() string {
	switch r {
	case ThrottledUser, ThrottledDevice:
		return "throttled_events"
	case SilencedDevice:
		return "silenced_events"
	default:
		return ""
	}
}

// answer returns the answer that names what was found. It is a 400 if any device is silenced, as in Amplitude's example,
// and a 429 otherwise.
func (n *named) answer(threshold int) (Answer, bool) {
	body := map[string]any{}
	for restriction, field := range map[Restriction]string{
		ThrottledUser:            "throttled_users",
		ThrottledDevice:          "throttled_devices",
		ExceededDailyQuotaUser:   "exceeded_daily_quota_users",
		ExceededDailyQuotaDevice: "exceeded_daily_quota_devices",
	} {
		if ids := n.ids[restriction]; len(ids) > 0 {
			body[field] = ids
		}
	}
	for list, indexes := range n.events {
		slices.Sort(indexes)
		body[list] = slices.Compact(indexes)
	}
	silenced := n.ids[SilencedDevice]
	if len(body) == 0 && len(silenced) == 0 {
		return Answer{}, false
	}
	body["eps_threshold"] = threshold
	if len(silenced) == 0 {
		body["error"] = "Too many requests for some devices and users"
		return answerJSON(http.StatusTooManyRequests, body), true
	}
	body["error"], body["silenced_devices"] = "Events silenced for device_id", sortedKeys(silenced)
	return answerJSON(http.StatusBadRequest, body), true
}
