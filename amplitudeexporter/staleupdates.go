// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"hash/maphash"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
)

// staleUpdates keeps an older update of an experiment's user property from undoing a newer one. Amplitude applies updates
// in the order in which they arrive, and an update that is delivered twice, because its sender got no answer or a topic is
// read again, may arrive after a newer one.
type staleUpdates struct {
	seed maphash.Seed
	// delivered has the times of the last updates that Amplitude accepted, by a hash of user and property.
	delivered *simplelru.LRU[uint64, pcommon.Timestamp]
	// newest has the times of the newest updates in this batch. Only those of deferred events outlive the batch: the others
	// were delivered, or are delivered again and must not be stale because they were seen before.
	newest map[uint64]pcommon.Timestamp
}

// experimentUpdate is an update of an experiment's user property.
type experimentUpdate struct {
	// key is a hash of user and property.
	key uint64
	at  pcommon.Timestamp
}

const (
	// maxDelivered is how many updates are remembered, in about 15 MB.
	maxDelivered = 1 << 17
	// maxAhead is how far in the future an update's time may be to be remembered. A wrong clock must not make all later
	// updates stale.
	maxAhead = time.Minute
)

func newStaleUpdates() (*staleUpdates, error) {
	delivered, err := simplelru.NewLRU[uint64, pcommon.Timestamp](maxDelivered, nil)
	return &staleUpdates{seed: maphash.MakeSeed(), delivered: delivered, newest: map[uint64]pcommon.Timestamp{}}, err
}

// operators are the user property operations that the impression processor emits.
var operators = []string{"$set", "$unset"}

// remove returns the event's user properties without stale updates, and the updates that are left. It copies the user
// properties if it removes any, because a record that isn't delivered must stay as it was.
func (s *staleUpdates) remove(e *event.Event, now time.Time) (userProperties pcommon.Map, left []experimentUpdate) {
	all, _ := e.Map(event.UserProperties)
	if e.Time(event.Time) == 0 {
		return all, nil
	}
	var stale map[string]struct{}
	for property := range experimentsOf(all) {
		u := experimentUpdate{key: s.key(e, property), at: e.Time(event.Time)}
		delivered, _ := s.delivered.Get(u.key)
		switch {
		case u.at < max(delivered, s.newest[u.key]):
			if stale == nil {
				stale = map[string]struct{}{}
			}
			stale[property] = struct{}{}
		case u.at.AsTime().Sub(now) <= maxAhead:
			s.newest[u.key] = u.at
			left = append(left, u)
		}
	}
	if len(stale) == 0 {
		return all, left
	}
	return without(all, stale), left
}

// without copies user properties, except for these properties and for operations that are then empty.
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

// endBatch remembers the updates that were delivered, and those of events that stay deferred.
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

// key hashes the property and its user: the user_id, or the device_id of a user without one.
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

// experimentsOf returns the experiments' properties that user properties set or unset. pcommon.Map{} has none.
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

func updatesExperiment(userProperties pcommon.Map) bool {
	for range experimentsOf(userProperties) {
		return true
	}
	return false
}
