// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// insertIDLifetime is how long Amplitude remembers an insert_id.
const insertIDLifetime = 7 * 24 * time.Hour

// store holds everything that the server records.
type store struct {
	settings   *settings
	requests   []Request
	events     []Event
	duplicates []Event
	counts     Counts
	seen       map[insertID]time.Time
	users      map[userKey]*user
	groups     map[groupKey]*Group
	// order and groupOrder list the users and groups in the order of their first events.
	order      []*user
	groupOrder []*Group
}

// insertID is an insert_id with its scope: the device or, for events without one, the user, from whose id Amplitude
// generates a device id.
type insertID struct {
	device, user, id string
}

// userKey is a user_id or, for events without one, a device_id.
type userKey struct {
	id       string
	isDevice bool
}

type user struct {
	key        userKey
	properties map[string]any
	// groups are those that $identify events have given to the user.
	groups map[string][]string
	// revenue is that of all events.
	revenue float64
	// events are indexes into store.events.
	events     []int
	duplicates int
	updates    []time.Time
}

func newStore(of *settings) store {
	return store{
		settings: of, counts: Counts{Answers: map[int]int{}}, seen: map[insertID]time.Time{}, users: map[userKey]*user{},
		groups: map[groupKey]*Group{},
	}
}

// remember records an answered request.
func (s *store) remember(request *Request) {
	s.requests = append(s.requests, *request)
	s.counts.Requests++
	s.counts.Received += request.EventCount
	s.counts.Bytes += int64(request.Bytes)
	if request.Reset {
		s.counts.Resets++
		return
	}
	s.counts.Answers[request.Status]++
}

// ingest stores the events of a request, in order.
func (s *store) ingest(request *Request, events []Event) {
	request.Ingested = true
	for i := range events {
		e := events[i]
		e.removeShortIDs(request.MinIDLength)
		e.cutStrings()
		e.Request, e.At = len(s.requests), request.At
		u := s.user(&e)
		if s.isDuplicate(&e) {
			s.counts.Duplicates++
			u.duplicates++
			s.duplicates = append(s.duplicates, s.compact(e))
			continue
		}
		s.apply(u, &e)
		u.events = append(u.events, len(s.events))
		s.events = append(s.events, s.compact(e))
		s.counts.Ingested++
	}
}

// apply applies an event to its user and its groups.
func (s *store) apply(u *user, e *Event) {
	operations := e.transform()
	switch {
	case e.Type == groupIdentifyType:
	case e.skipsSync():
		e.UserState = applyOperations(applyOperations(map[string]any{}, e.UserProperties), operations)
	default:
		if s.mayUpdate(u, e, operations) {
			u.properties = applyOperations(applyOperations(u.properties, e.UserProperties), operations)
		}
		s.addUserState(u, e)
	}
	u.revenue += e.Revenue
	s.counts.UntrackedGroups += e.untrackedGroups
	s.applyToGroups(e)
}

// addUserState adds what Amplitude shows with an event that doesn't skip the synchronization.
func (s *store) addUserState(u *user, e *Event) {
	if !s.settings.compact {
		e.UserState = maps.Clone(u.properties)
	}
	if len(u.groups) == 0 && (e.Type != identifyType || len(e.Groups) == 0) {
		return
	}
	groups := maps.Clone(u.groups)
	if groups == nil {
		groups = map[string][]string{}
	}
	maps.Copy(groups, e.Groups)
	e.Groups = groups
	if e.Type == identifyType {
		u.groups = groups
	}
}

func (s *store) user(e *Event) *user {
	key := userKey{id: e.UserID}
	if key.id == "" {
		key = userKey{id: e.DeviceID, isDevice: true}
	}
	u := s.users[key]
	if u == nil {
		u = &user{key: key, properties: map[string]any{}}
		s.users[key] = u
		s.order = append(s.order, u)
	}
	return u
}

func (s *store) isDuplicate(e *Event) bool {
	if e.InsertID == "" {
		return false
	}
	key := insertID{device: e.DeviceID, id: e.InsertID}
	if key.device == "" {
		key.user = e.UserID
	}
	first, seen := s.seen[key]
	if seen && e.At.Sub(first) < insertIDLifetime {
		return true
	}
	s.seen[key] = e.At
	return false
}

// mayUpdate reports whether the event updates user properties and its user is within the limit. It counts the update.
func (s *store) mayUpdate(u *user, e *Event, operations map[string]any) bool {
	if len(e.UserProperties) == 0 && len(operations) == 0 {
		return false
	}
	if s.settings.updatesPerHour <= 0 {
		return true
	}
	u.updates = slices.DeleteFunc(u.updates, func(at time.Time) bool { return e.At.Sub(at) >= time.Hour })
	if len(u.updates) >= s.settings.updatesPerHour {
		return false
	}
	u.updates = append(u.updates, e.At)
	return true
}

// compact returns the event without the parts that WithCompact drops.
func (s *store) compact(e Event) Event {
	if !s.settings.compact {
		return e
	}
	kept := map[string]any(nil)
	for _, name := range s.settings.keptProperties {
		value, given := e.Properties[name]
		if !given {
			continue
		}
		if kept == nil {
			kept = make(map[string]any, len(s.settings.keptProperties))
		}
		kept[name] = value
	}
	e.Properties, e.UserProperties, e.Fields, e.Raw, e.Groups, e.UserState = kept, nil, nil, nil, nil, nil
	return e
}

// Counts counts what the server has received so far.
type Counts struct {
	Requests int
	// Answers counts responses by status. Connections that were reset are counted in Resets instead.
	Answers map[int]int
	Resets  int
	// Received counts the events of all requests, including refused ones. Ingested doesn't include Duplicates.
	Received, Ingested, Duplicates int
	// UntrackedGroups counts the groups of ingested events that exceed the limits or whose name isn't a string.
	UntrackedGroups int
	// Bytes is the size of all bodies after decompression.
	Bytes int64
}

// Counts returns the counts so far.
func (s *Server) Counts() Counts {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.store.countsNow()
}

func (s *store) countsNow() Counts {
	counts := s.counts
	counts.Answers = maps.Clone(counts.Answers)
	return counts
}

// WaitUntil waits until the condition holds. It checks the condition now and after each request.
func (s *Server) WaitUntil(ctx context.Context, holds func(Counts) bool) error {
	for {
		s.mutex.Lock()
		counts, changed := s.store.countsNow(), s.changed
		s.mutex.Unlock()
		if holds(counts) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w after %+v", ctx.Err(), counts)
		}
	}
}

// Requests returns all requests to the APIs, in the order in which the server processed them.
func (s *Server) Requests() []Request {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.store.requests)
}

// Events returns the ingested events in order, without duplicates, as Amplitude shows them. They include $identify
// events.
func (s *Server) Events() []Event {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.store.events)
}

// Duplicates returns, in order, the events that were ignored because their insert_id was already known.
func (s *Server) Duplicates() []Event {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.store.duplicates)
}

// Reset forgets everything received so far. Settings stay.
func (s *Server) Reset() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.store = newStore(&s.settings)
	s.rates.taken = nil
}
