// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"cmp"
	"strings"
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

// maxPairs is how many impressions are kept.
const maxPairs = 100

// pairs are the last impressions before and after the processor.
type pairs struct {
	hasher     *hasher
	showValues bool
	// ring has the pairs; the next one is in the place of its number modulo maxPairs. Numbers start at 1.
	ring [maxPairs]*pair
	next int64
	// byInsertID has the pairs by the insert ids of their impressions and updates.
	byInsertID map[string]*pair
}

// pair shares no memory with what was reported, because that could be a whole request.
type pair struct {
	number             int64
	at                 time.Time
	eventType, layout  string
	flag, variant      string
	userID, deviceID   string
	insertID, updateID string
	outcome, operation string
	// records are encoded. updateRecord and after are nil if there are none.
	before, updateRecord, after []byte
	// impression and update are what became of both. update is "" if there is no record of it.
	impression, update delivery
}

// delivery is the state of an event, "" if no exporter has reported it, and the reason.
type delivery struct {
	state, reason string
}

func newPairs(hasher *hasher, showValues bool) pairs {
	return pairs{hasher: hasher, showValues: showValues, next: 1, byInsertID: map[string]*pair{}}
}

func (all *pairs) add(p *inspection.Pair, now time.Time) {
	added := &pair{
		number: all.next, at: now, eventType: keep(p.Type), layout: p.Layout, flag: keep(p.FlagKey), variant: keep(p.Variant),
		userID: keepID(p.UserID), deviceID: keepID(p.DeviceID), insertID: keepID(p.InsertID), updateID: keepID(p.UpdateID),
		outcome: p.Outcome, operation: cmp.Or(p.Reason, p.Operation),
		before: encoded(p.Record), updateRecord: encoded(p.Update), after: encoded(p.After),
	}
	at := &all.ring[added.number%maxPairs]
	if old := *at; old != nil {
		all.unlink(old.insertID, old)
		all.unlink(old.updateID, old)
	}
	*at = added
	all.next++
	all.link(added.insertID, added)
	all.link(added.updateID, added)
}

// keepID returns a copy of an id, or "" if it is longer than those that Amplitude uses whole.
func keepID(id string) string {
	if len(id) > 2*amplitude.MaxStringLength {
		return ""
	}
	return strings.Clone(id)
}

func (all *pairs) link(id string, to *pair) {
	if id != "" {
		all.byInsertID[id] = to
	}
}

// unlink removes an id, unless it is that of a later pair.
func (all *pairs) unlink(id string, from *pair) {
	if all.byInsertID[id] == from {
		delete(all.byInsertID, id)
	}
}

func (all *pairs) delivered(items []inspection.Item) {
	for i := range items {
		item := &items[i]
		p := all.byInsertID[item.InsertID]
		if p == nil {
			continue
		}
		became := delivery{item.State, item.Reason}
		if item.Type != impression.IdentifyEventType {
			p.impression = became
			continue
		}
		p.update = became
		if p.insertID == "" && i+1 < len(items) && items[i+1].Type != impression.IdentifyEventType {
			// The exporter gives an impression without an insert id a hash. It comes directly after its update.
			p.insertID = keepID(items[i+1].InsertID)
			all.link(p.insertID, p)
		}
	}
}

// became returns what became of both events: the worst of it.
func (p *pair) became() delivery {
	if p.update.state != "" && rank(p.update) > rank(p.impression) {
		return p.update
	}
	return p.impression
}

func rank(d delivery) int {
	switch d.state {
	case inspection.StateRefused:
		return 4
	case inspection.StateWaiting:
		return 3
	case inspection.StateDelivered:
		if d.reason != "" {
			return 2
		}
		return 1
	default:
		return 0
	}
}

// pairView is a line in the panel Pairs.
type pairView struct {
	Number    int64     `json:"number"`
	At        time.Time `json:"at"`
	Type      string    `json:"event_type"`
	Layout    string    `json:"layout"`
	Flag      string    `json:"flag"`
	Variant   string    `json:"variant"`
	User      string    `json:"user"`
	Operation string    `json:"operation"`
	// State is what became of the pair: delivered, waiting, refused, dropped, or "" if no exporter has reported it.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// pairDetails are the records of a pair.
type pairDetails struct {
	Before *recordView `json:"before"`
	Update *recordView `json:"update,omitempty"`
	After  *recordView `json:"after,omitempty"`
}

// view returns the pairs, the last one first.
func (all *pairs) view() []pairView {
	views := []pairView{}
	for number := all.next - 1; number > 0 && number >= all.next-maxPairs; number-- {
		p := all.ring[number%maxPairs]
		became := p.became()
		if p.outcome == "dropped" {
			became = delivery{"dropped", "unassigned"}
		}
		user := cmp.Or(p.userID, p.deviceID)
		if !all.showValues {
			user = all.hasher.short(user)
		}
		views = append(views, pairView{
			Number: number, At: p.at, Type: p.eventType, Layout: p.layout, Flag: p.flag, Variant: p.variant, User: limit(user),
			Operation: p.operation, State: became.state, Reason: became.reason,
		})
	}
	return views
}

// details returns the records of a pair, and reports whether it is still kept.
func (all *pairs) details(number int64) (pairDetails, bool) {
	if number < 1 || number >= all.next || number < all.next-maxPairs {
		return pairDetails{}, false
	}
	p := all.ring[number%maxPairs]
	var show viewer
	if !all.showValues {
		show = all.hasher.hiding(p.userID, p.deviceID)
	}
	return pairDetails{Before: show.encoded(p.before), Update: show.encoded(p.updateRecord), After: show.encoded(p.after)}, true
}
