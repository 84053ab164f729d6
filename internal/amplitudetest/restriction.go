// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"cmp"
	"net/http"
	"slices"
)

// Restriction is why requests with an id are refused.
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

// UntilLifted is for restrictions that hold for any number of requests.
const UntilLifted = -1

// dailyQuota is how many events of a user or device Amplitude takes in a day once it has found it to be spam.
const dailyQuota = 500_000

// restrictions are set by Restrict and ThrottleEvents.
type restrictions struct {
	// requests is how many more requests each id is restricted in.
	requests [restrictionCount]map[string]int
	events   []restrictedEvents
}

type restrictedEvents struct {
	left    int
	indexes []int
}

// Restrict has the next so many requests refused that have one of the ids, or all UntilLifted.
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

// ThrottleEvents has the next so many requests refused, or all UntilLifted, with these indexes for throttled events and
// no word of whose they are. Requests without events of these indexes are none of them.
func (s *Server) ThrottleEvents(requests int, indexes ...int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.restrictions.events = append(s.restrictions.events, restrictedEvents{left: requests, indexes: indexes})
}

// Lift ends the restriction of the ids.
func (s *Server) Lift(restriction Restriction, ids ...string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, id := range ids {
		delete(s.restrictions.requests[restriction], id)
	}
}

// LiftAll ends all restrictions.
func (s *Server) LiftAll() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.restrictions = restrictions{}
}

// named are the ids and events that an answer names.
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

// nameEvent names an event by its index. Events are looked at in order, and each may be named by user and by device.
func (n *named) nameEvent(list string, index int) {
	if n.events == nil {
		n.events = map[string][]int{}
	}
	if of := n.events[list]; len(of) == 0 || of[len(of)-1] != index {
		n.events[list] = append(of, index)
	}
}

// restrict answers a request of which Amplitude takes nothing now because of whose events it has.
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
	if answer, is := found.answer(threshold); is {
		return answer, true
	}
	s.rates.add(request, events)
	return Answer{}, false
}

// count uses up a request of each id that is named.
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

// nameEvents names the events that are throttled by index.
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

// figure is what the answer tells of the id, where nothing was measured.
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

// answer tells what was found. A silenced device makes it a 400, also beside others, as in Amplitude's example.
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
