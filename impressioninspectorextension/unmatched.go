// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/diagnosis"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

const (
	// maxShapes is how many kinds of records are kept.
	maxShapes = 100
	// maxKeys is how many keys of a record are shown.
	maxKeys = 30
	// maxNames is how many event types are kept.
	maxNames = 200
)

// unmatched has the records that no layout claims and those whose impression is malformed, by their top-level keys.
type unmatched struct {
	diagnoser *diagnosis.Diagnoser
	shapes    map[string]*shape
	names     map[string]int64
	// listed are the event types of the processor that reported last.
	listed []string
}

// shape is a kind of records.
type shape struct {
	reason, eventType string
	keys              []string
	count             int64
	lastSeen          time.Time
	diagnosis.Finding
}

func newUnmatched(diagnoser *diagnosis.Diagnoser) unmatched {
	return unmatched{diagnoser: diagnoser, shapes: map[string]*shape{}, names: map[string]int64{}}
}

func (u *unmatched) add(p *inspection.Processed, now time.Time) {
	u.listed = p.Types
	for i := range p.Left {
		u.addRecord(&p.Left[i], now)
	}
	for name, n := range p.Names {
		name = limit(name)
		if _, known := u.names[name]; known || len(u.names) < maxNames || diagnosis.IsLikeImpression(name) && len(u.names) < 2*maxNames {
			u.names[strings.Clone(name)] += n
		}
	}
}

func (u *unmatched) addRecord(e *inspection.Event, now time.Time) {
	reason, eventType, keys := cmp.Or(e.Problem, e.Outcome, "not_listed"), keep(e.Type), u.topLevelKeys(e.Record)
	id := strings.Join(append([]string{reason, eventType}, keys...), "\x00")
	known := u.shapes[id]
	if known == nil {
		if len(u.shapes) == maxShapes {
			u.forgetOldest()
		}
		finding, _ := u.diagnoser.Of(e)
		known = &shape{reason: reason, eventType: eventType, keys: keys, Finding: finding}
		u.shapes[id] = known
	}
	known.count += e.Weight
	known.lastSeen = now
}

func (u *unmatched) forgetOldest() {
	oldest := ""
	for id, s := range u.shapes {
		if oldest == "" || s.lastSeen.Before(u.shapes[oldest].lastSeen) {
			oldest = id
		}
	}
	delete(u.shapes, oldest)
}

// topLevelKeys returns the keys of a record's attributes and body, sorted.
func (u *unmatched) topLevelKeys(record plog.LogRecord) []string {
	var keys []string
	for key := range record.Attributes().All() {
		keys = append(keys, "attributes."+keep(key))
	}
	body := record.Body()
	if len(keys) == 0 {
		// Beside attributes, a text is the line that a file receiver parsed into them.
		body = u.diagnoser.Parsed(body)
	}
	switch body.Type() {
	case pcommon.ValueTypeMap:
		for key := range body.Map().All() {
			keys = append(keys, keep(key))
		}
	case pcommon.ValueTypeEmpty:
	case pcommon.ValueTypeSlice:
		keys = append(keys, "a list")
	default:
		keys = append(keys, "a text")
	}
	slices.Sort(keys)
	return keys[:min(len(keys), maxKeys)]
}

// unmatchedView is the panel Not matched.
type unmatchedView struct {
	Records []shapeView `json:"records"`
	Names   []nameView  `json:"names"`
}

type shapeView struct {
	Reason   string    `json:"reason"`
	Type     string    `json:"event_type,omitempty"`
	Keys     []string  `json:"keys"`
	Count    int64     `json:"count"`
	LastSeen time.Time `json:"last_seen"`
	diagnosis.Finding
}

type nameView struct {
	Name     string `json:"name"`
	Count    int64  `json:"count"`
	IsListed bool   `json:"listed"`
	diagnosis.Finding
}

func (u *unmatched) view() unmatchedView {
	view := unmatchedView{Records: []shapeView{}, Names: []nameView{}}
	for _, id := range slices.Sorted(maps.Keys(u.shapes)) {
		s := u.shapes[id]
		view.Records = append(view.Records, shapeView{s.reason, s.eventType, s.keys, s.count, s.lastSeen, s.Finding})
	}
	slices.SortStableFunc(view.Records, func(a, b shapeView) int { return b.LastSeen.Compare(a.LastSeen) })
	for _, name := range slices.Sorted(maps.Keys(u.names)) {
		finding, _ := diagnosis.OfName(name, u.listed)
		view.Names = append(view.Names, nameView{name, u.names[name], slices.Contains(u.listed, name), finding})
	}
	slices.SortStableFunc(view.Names, func(a, b nameView) int {
		return cmp.Or(cmp.Compare(len(b.Cure), 0)-cmp.Compare(len(a.Cure), 0), cmp.Compare(b.Count, a.Count))
	})
	return view
}
