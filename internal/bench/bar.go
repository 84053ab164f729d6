// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
)

// bar is a limit for one figure of an entry.
type bar struct {
	// unit follows the number, such as "× floor".
	unit  string
	value float64
	limit float64
	// atLeast makes the limit a lower one.
	atLeast bool
}

func (b bar) met() bool {
	if b.atLeast {
		return b.value >= b.limit
	}
	return b.value <= b.limit
}

// String returns the short form for the table.
func (b bar) String() string {
	sign, verdict := "≤", "ok"
	if b.atLeast {
		sign = "≥"
	}
	if !b.met() {
		verdict = fmt.Sprintf("MISSED (%.2f)", b.value)
	}
	return fmt.Sprintf("%s %g %s %s", sign, b.limit, b.unit, verdict)
}

// minTimesOurs holds how much longer than ours other contenders must take at least.
var minTimesOurs = map[string]float64{
	"otel/10 " + ottlFanOut:       8,
	"otel/10 " + ottlIdealRouter:  3,
	"otel/100 " + ottlFanOut:      5,
	"otel/100 " + ottlIdealRouter: 5,
	"encode " + goccy:             1,
	"encode " + sonic:             1,
	"encode " + stdJSON:           1,
	"exporter " + analyticsGo:     3,
}

// timeLimit limits an entry's time to a multiple of another entry's.
type timeLimit struct {
	times float64
	other string
}

// maxTimes holds the limits of our entries.
//
// The limit for calls that aren't impressions is the time of OTTL's cheapest selection, because every processor has to look
// at the event name at least. A loop that never looks into the map would not be a fair limit: a single lookup costs 20 to 30
// times as much as visiting the record. More presets add keys to look for, but no further pass over the map, so with all
// presets the limit is 1.5 times as high.
var maxTimes = map[string]timeLimit{
	"otel/0 " + ours: {2, floor},
	// The EventName alone decides, however many presets there are.
	"otel/0 " + allPresets:               {1.2, ours},
	"inspector/0 " + unwatched:           {1.01, ours},
	"inspector/10 " + unwatched:          {1.01, ours},
	"inspector/100 " + unwatched:         {1.01, ours},
	"segment-body/0 " + ours:             {1, ottlSelection},
	"segment-attributes/0 " + ours:       {1, ottlSelection},
	"segment-body/0 " + allPresets:       {1.5, ottlSelection},
	"segment-attributes/0 " + allPresets: {1.5, ottlSelection},
	"segment-text/0 " + ours:             {1.2, neededSearch},
	"segment-text-batch/0 " + ours:       {1.2, neededSearch},
	// Texts that aren't read cost more behind an envelope: each record moves, because pdata can't insert into a slice.
	"envelope/10 " + behindEnvelope:                 {1.1, ours},
	"envelope/100 " + behindEnvelope:                {1.1, ours},
	"attributes " + attributesLabel(manyAttributes): {12, attributesLabel(fewAttributes)},
	"calls " + identifyCall:                         {1.2, trackLabel},
	"calls " + pageCall:                             {1.2, trackLabel},
	"receiver/single " + ours:                       {1.25, bareHandler},
	"receiver/batch " + ours:                        {1.25, bareHandler},
}

// maxAllocs holds the limits of allocations per event.
var maxAllocs = map[string]float64{
	"otel/0 " + ours:                     0,
	"otel/0 " + allPresets:               0,
	"otel/100 " + ours:                   14,
	"inspector/0 " + unwatched:           0,
	"segment-body/0 " + ours:             0,
	"segment-body/0 " + allPresets:       0,
	"segment-attributes/0 " + ours:       0,
	"segment-attributes/0 " + allPresets: 0,
	"segment-text/0 " + ours:             0,
	"segment-text-batch/0 " + ours:       0,
	"encode " + ours:                     0,
}

// bars returns the limits for an entry of the group. A limit relative to an entry that isn't measured is left out.
func (g *group) bars(e *entry) []bar {
	name := g.name + " " + e.label
	var bars []bar
	if limit, found := minTimesOurs[name]; found {
		bars = append(bars, g.atLeast(e, limit)...)
	}
	if limit, found := maxTimes[name]; found {
		bars = append(bars, g.atMost(e, limit.times, limit.other)...)
	}
	if name == "segment-text/100 "+ours || name == "segment-text-batch/100 "+ours {
		bars = append(bars, g.atMostBeyond(e, transformation, 1.6, bareParse)...)
	}
	if limit, found := maxAllocs[name]; found {
		bars = append(bars, bar{unit: "allocs/event", value: e.allocs, limit: limit})
	}
	return bars
}

// atMost limits the entry's time to a multiple of another entry's.
func (g *group) atMost(e *entry, limit float64, label string) []bar {
	other := g.find(label)
	if other == nil {
		return nil
	}
	return []bar{{unit: "× " + label, value: median(pair(e, other, ratio)), limit: limit}}
}

// atMostBeyond is like atMost for the part of the entry's time that exceeds a third entry's.
func (g *group) atMostBeyond(e *entry, third string, limit float64, label string) []bar {
	other, given := g.find(label), g.find(third)
	if other == nil || given == nil {
		return nil
	}
	beyond := &entry{result: result{samples: pair(e, given, difference)}}
	return []bar{{unit: "× " + label + " beyond " + third, value: median(pair(beyond, other, ratio)), limit: limit}}
}

// atLeast requires the entry's time to be at least a multiple of ours.
func (g *group) atLeast(e *entry, limit float64) []bar {
	bars := g.atMost(e, limit, ours)
	for i := range bars {
		bars[i].atLeast = true
	}
	return bars
}

// missed returns an error that names each missed limit, or nil.
func missed(groups []*group) error {
	var errs []error
	for _, g := range groups {
		for _, e := range g.entries {
			for _, b := range g.bars(e) {
				if !b.met() {
					errs = append(errs, fmt.Errorf("%s: %s takes %.2f %s, want %s", g.name, e.label, b.value, b.unit, b.wanted()))
				}
			}
		}
	}
	return errors.Join(errs...)
}

func (b bar) wanted() string {
	if b.atLeast {
		return fmt.Sprintf("at least %g", b.limit)
	}
	return fmt.Sprintf("at most %g", b.limit)
}
