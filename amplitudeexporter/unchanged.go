// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"cmp"
	"hash/maphash"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// unchanged finds identify calls that say the same as the one before of their user. Amplitude drops more than 1,800 updates of a user
// in an hour. It finds none if it is nil.
type unchanged struct {
	seed maphash.Seed
	// delivered has what the last identify call of a user said, by a hash of the user. It lacks users whose last call wasn't
	// delivered.
	delivered *simplelru.LRU[uint64, statement]
	// pending has what the last identify call in this batch said.
	pending map[uint64]uint64
}

// statement is a hash of what an identify call said, and when it was delivered.
type statement struct {
	hash uint64
	at   time.Time
}

// identified is a user, and a hash of what an identify call said. The zero value is that of other events.
type identified struct{ user, said uint64 }

// unchangedFor is how long a call isn't sent again. Somebody else may have changed the user meanwhile.
const unchangedFor = time.Hour

func newUnchanged(config *IdentifyConfig) (*unchanged, error) {
	if !config.SkipUnchanged {
		return nil, nil //nolint:nilnil // nil finds none
	}
	delivered, err := simplelru.NewLRU[uint64, statement](maxDelivered, nil)
	return &unchanged{seed: maphash.MakeSeed(), delivered: delivered, pending: map[uint64]uint64{}}, err
}

// read reports whether an event is an identify call that says nothing new. Otherwise, it returns what it says, for endBatch.
func (u *unchanged) read(e *reader.Event, encoder *amplitude.Encoder, now time.Time) (says identified, isUnchanged bool) {
	if u == nil {
		return identified{}, false
	}
	traits, areTraits := e.Traits()
	if !areTraits && e.Call().Kind != layout.Identify {
		return identified{}, false
	}
	if !amplitude.HasTraits(traits) && e.Call().Kind != layout.Identify {
		return identified{}, false
	}
	user := maphash.String(u.seed, cmp.Or(e.Text(event.UserID), "\x00"+e.Text(event.DeviceID)))
	if e.Call().Kind != layout.Identify {
		// It may change the same user properties.
		u.delivered.Remove(user)
		u.pending[user] = 0
		return identified{}, false
	}
	says = identified{user, u.hash(e, encoder)}
	if said, isPending := u.pending[user]; isPending {
		u.pending[user] = says.said
		return says, said == says.said
	}
	last, _ := u.delivered.Get(user)
	if last.hash == says.said && now.Sub(last.at) < unchangedFor {
		return says, true
	}
	u.pending[user] = says.said
	return says, false
}

// hash returns a hash of an event without its time, and without its attribution, which later events have too.
func (u *unchanged) hash(e *reader.Event, encoder *amplitude.Encoder) uint64 {
	said := e.Event
	traits, _ := e.Traits()
	said.SetMap(event.UserProperties, traits)
	said.Remove(event.Time)
	said.Remove(event.InsertID)
	said.Remove(event.SessionID)
	return maphash.String(u.seed, encoder.InsertHash(&said))
}

// endBatch remembers what was delivered.
func (u *unchanged) endBatch(items []item, now time.Time) {
	if u == nil {
		return
	}
	clear(u.pending)
	for i := range items {
		switch says := items[i].identified; {
		case says == identified{}:
		case items[i].State == delivery.Delivered:
			u.delivered.Add(says.user, statement{hash: says.said, at: now})
		default:
			u.delivered.Remove(says.user)
		}
	}
}
