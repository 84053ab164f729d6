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
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/impression"
)

// guard keeps an older update of an experiment's user property from undoing a newer one. Amplitude applies updates in the
// order in which they arrive, and what is brought a second time, by a sender without an answer or from a topic that is read
// again, may come behind what came later.
type guard struct {
	seed maphash.Seed
	// delivered are the times of the last updates that Amplitude has, by a hash of user and property.
	delivered *simplelru.LRU[uint64, pcommon.Timestamp]
	// updates are those of the batch, newest the times of the last of them. What is not delivered, and not deferred to the
	// next batch, is forgotten with it: it comes again, before those behind it, and is not older for having been seen once.
	updates []guardedUpdate
	newest  map[uint64]pcommon.Timestamp
	// older are the properties of one event that are older than one before.
	older []string
}

// guardedUpdate is an update in an event of the batch, by index.
type guardedUpdate struct {
	event int
	key   uint64
	at    pcommon.Timestamp
}

const (
	// guarded is how many updates are remembered: some 15 MB.
	guarded = 1 << 17
	// ahead is how far a time may be in the future. A clock that is wrong by more must not shut out what comes later.
	ahead = time.Minute
)

func newGuard() (*guard, error) {
	delivered, err := simplelru.NewLRU[uint64, pcommon.Timestamp](guarded, nil)
	return &guard{seed: maphash.MakeSeed(), delivered: delivered, newest: map[uint64]pcommon.Timestamp{}}, err
}

// operators are the user property operations that the impression processor emits.
var operators = []string{"$set", "$unset"}

// newer returns the user properties of the event, which is to be the batch's of this index, without the updates that are
// older than one before. They are a copy if any is: the record comes again as it was, should it not be delivered.
func (g *guard) newer(event *amplitude.Event, index int, now time.Time) pcommon.Map {
	if event.Time == 0 {
		return event.UserProperties
	}
	g.older = g.older[:0]
	for property := range experimentsOf(event.UserProperties) {
		if g.isOlder(event, property, index, now) {
			g.older = append(g.older, property)
		}
	}
	if len(g.older) == 0 {
		return event.UserProperties
	}
	return without(event.UserProperties, g.older)
}

// without copies user properties but for these, and for operations of which nothing is left.
func without(userProperties pcommon.Map, properties []string) pcommon.Map {
	rest := pcommon.NewMap()
	userProperties.CopyTo(rest)
	rest.RemoveIf(func(operator string, operation pcommon.Value) bool {
		if !slices.Contains(operators, operator) || operation.Type() != pcommon.ValueTypeMap {
			return false
		}
		operation.Map().RemoveIf(func(property string, _ pcommon.Value) bool { return slices.Contains(properties, property) })
		return operation.Map().Len() == 0
	})
	return rest
}

func (g *guard) isOlder(event *amplitude.Event, property string, index int, now time.Time) bool {
	key := g.key(event, property)
	delivered, _ := g.delivered.Get(key)
	if event.Time < max(delivered, g.newest[key]) {
		return true
	}
	if event.Time.AsTime().Sub(now) <= ahead {
		g.newest[key] = event.Time
		g.updates = append(g.updates, guardedUpdate{event: index, key: key, at: event.Time})
	}
	return false
}

// settle remembers the updates of the batch that were delivered.
func (g *guard) settle(events []delivery.Event) {
	for _, update := range g.updates {
		if events[update.event].State == delivery.Delivered {
			g.delivered.Add(update.key, update.at)
		}
	}
}

// move forgets the updates but for those of events that go on to the next batch, given where each goes, -1 for the others.
func (g *guard) move(events []int) {
	clear(g.newest)
	kept := g.updates[:0]
	for _, update := range g.updates {
		if update.event = events[update.event]; update.event < 0 {
			continue
		}
		kept = append(kept, update)
		g.newest[update.key] = max(g.newest[update.key], update.at)
	}
	g.updates = kept
}

// key hashes the user, as Amplitude tells users apart, and the property.
func (g *guard) key(event *amplitude.Event, property string) uint64 {
	var hash maphash.Hash
	hash.SetSeed(g.seed)
	kind, id := byte('u'), event.UserID
	if id == "" {
		kind, id = 'd', event.DeviceID
	}
	// Writes to a maphash.Hash never fail.
	_ = hash.WriteByte(kind)
	_, _ = hash.WriteString(id)
	_ = hash.WriteByte(0)
	_, _ = hash.WriteString(property)
	return hash.Sum64()
}

var experimentPrefix = impression.Property("")

// experimentsOf are the properties of experiments that user properties, pcommon.Map{} for none, set or unset.
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
