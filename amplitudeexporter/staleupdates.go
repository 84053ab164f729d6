// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
)

// staleUpdates finds updates of an experiment's user property that are older than one that was delivered before. Amplitude
// applies updates in the order in which they arrive, so an older update would undo a newer one. An update can come again after
// a newer one if its sender got no answer, or if a topic is read again.
type staleUpdates struct {
	seed maphash.Seed
	// delivered has the time of the last update that Amplitude accepted, by a hash of user and property.
	delivered *simplelru.LRU[uint64, pcommon.Timestamp]
	// newest has the time of the newest update in this batch, by the same hash. After the batch, only updates of deferred
	// events remain. All others are in delivered, or come again and must not be stale then.
	newest map[uint64]pcommon.Timestamp
}

// experimentUpdate is an update of an experiment's user property.
type experimentUpdate struct {
	// key is a hash of user and property.
	key uint64
	at  pcommon.Timestamp
}

const (
	// maxDelivered is the maximum length of delivered. It takes about 15 MB.
	maxDelivered = 1 << 17
	// An update whose time is more than maxAhead in the future isn't remembered. Otherwise, one wrong clock would make all
	// later updates stale.
	maxAhead = time.Minute
)

func newStaleUpdates() (*staleUpdates, error) {
	delivered, err := simplelru.NewLRU[uint64, pcommon.Timestamp](maxDelivered, nil)
	return &staleUpdates{seed: maphash.MakeSeed(), delivered: delivered, newest: map[uint64]pcommon.Timestamp{}}, err
}

// operators are the user property operations that the impression processor emits.
var operators = []string{"$set", "$unset"}

// remove returns the event's user properties without stale updates, and the remaining updates. If any is stale, it returns a
// copy of the user properties, because the record must not change until it is delivered. own is the event's own time: those of
// events without one can't be compared, because the collector's clock may have been set back.
//
// If the event has nothing but updates that are older than others in this batch, which Amplitude may refuse, remove returns them as
// withheld.
func (s *staleUpdates) remove(e *event.Event, own pcommon.Timestamp, now time.Time) (userProperties pcommon.Map, left, withheld []experimentUpdate) {
	all, _ := e.Map(event.UserProperties)
	if own == 0 {
		return all, nil, nil
	}
	var stale, older map[string]struct{}
	for property := range experimentsOf(all) {
		u := experimentUpdate{key: s.key(e, property), at: own}
		delivered, _ := s.delivered.Get(u.key)
		switch {
		case u.at < delivered:
			stale = with(stale, property)
		case u.at < s.newest[u.key]:
			older, withheld = with(older, property), append(withheld, u)
		case u.at.AsTime().Sub(now) <= maxAhead:
			s.newest[u.key] = u.at
			left = append(left, u)
		}
	}
	if len(stale)+len(older) == 0 {
		return all, left, nil
	}
	rest := all
	if len(stale) > 0 {
		rest = without(all, stale)
	}
	if len(older) == 0 {
		return rest, left, nil
	}
	maps.Copy(older, stale)
	if others := without(all, older); others.Len() > 0 || e.Text(event.Type) != impression.IdentifyEventType {
		return others, left, nil
	}
	return rest, nil, withheld
}

// with adds a property to a set, which it makes if there is none.
func with(set map[string]struct{}, property string) map[string]struct{} {
	if set == nil {
		set = map[string]struct{}{}
	}
	set[property] = struct{}{}
	return set
}

// settle decides on withheld events after a delivery: they are stale if newer updates were delivered, and wait as long as those wait.
// It reports whether any is to be sent.
func (s *staleUpdates) settle(items []item) (send bool) {
	if !slices.ContainsFunc(items, func(it item) bool { return it.withheld != nil }) {
		return false
	}
	delivered, waiting := map[uint64]pcommon.Timestamp{}, map[uint64]pcommon.Timestamp{}
	note := func(in map[uint64]pcommon.Timestamp, updates []experimentUpdate) {
		for _, u := range updates {
			in[u.key] = max(in[u.key], u.at)
		}
	}
	for i := range items {
		switch items[i].State {
		case delivery.Delivered:
			note(delivered, items[i].updates)
		case delivery.Left:
			note(waiting, items[i].updates)
		}
	}
	isNewest := func(u experimentUpdate) bool {
		before, _ := s.delivered.Peek(u.key)
		return u.at >= max(before, delivered[u.key])
	}
	for i := range items {
		it := &items[i]
		switch {
		case it.withheld == nil:
		case slices.ContainsFunc(it.withheld, func(u experimentUpdate) bool { return u.at < waiting[u.key] }):
		case !slices.ContainsFunc(it.withheld, isNewest):
			it.State, it.stale = delivery.Dropped, true
		default:
			send = true
			it.updates, it.withheld = it.withheld, nil
			note(waiting, it.updates)
		}
	}
	return send
}

// without returns a copy of user properties without the given properties and without operations that become empty.
func without(userProperties pcommon.Map, properties map[string]struct{}) pcommon.Map {
	rest := pcommon.NewMap()
	userProperties.CopyTo(rest)
	rest.RemoveIf(func(operator string, operation pcommon.Value) bool {
		if !slices.Contains(operators, operator) || operation.Type() != pcommon.ValueTypeMap {
			return false
		}
		operation.Map().RemoveIf(func(property string, _ pcommon.Value) bool {
			_, removed := properties[property]
			return removed
		})
		return operation.Map().Len() == 0
	})
	return rest
}

// endBatch remembers the updates of events that were delivered or remain deferred.
func (s *staleUpdates) endBatch(items []item) {
	clear(s.newest)
	for i := range items {
		for _, u := range items[i].updates {
			switch {
			case items[i].State == delivery.Delivered:
				s.delivered.Add(u.key, u.at)
			case items[i].staysDeferred():
				s.newest[u.key] = max(s.newest[u.key], u.at)
			}
		}
	}
}

// key returns a hash of the property and the user, which is the user_id or, without one, the device_id.
func (s *staleUpdates) key(e *event.Event, property string) uint64 {
	var hash maphash.Hash
	hash.SetSeed(s.seed)
	kind, id := byte('u'), e.Text(event.UserID)
	if id == "" {
		kind, id = 'd', e.Text(event.DeviceID)
	}
	// Writes to a maphash.Hash never fail.
	_ = hash.WriteByte(kind)
	_, _ = hash.WriteString(id)
	_ = hash.WriteByte(0)
	_, _ = hash.WriteString(property)
	return hash.Sum64()
}

var experimentPrefix = impression.Property("")

// experimentsOf yields the names of experiments' properties that user properties set or unset. The zero Map has none.
func experimentsOf(userProperties pcommon.Map) iter.Seq[string] {
	return func(yield func(string) bool) {
		if userProperties == (pcommon.Map{}) {
			return
		}
		for _, operator := range operators {
			operation, present := userProperties.Get(operator)
			if !present || operation.Type() != pcommon.ValueTypeMap {
				continue
			}
			for property := range operation.Map().All() {
				if strings.HasPrefix(property, experimentPrefix) && !yield(property) {
					return
				}
			}
		}
	}
}

// updatesExperiment reports whether user properties set or unset a property of an experiment.
func updatesExperiment(userProperties pcommon.Map) bool {
	for range experimentsOf(userProperties) {
		return true
	}
	return false
}
