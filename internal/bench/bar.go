// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
)

// bar is a limit that is kept or missed.
type bar struct {
	// what is limited, as a sentence's beginning.
	what  string
	value float64
	limit float64
	// atLeast says that more is better.
	atLeast bool
}

func (b bar) kept() bool {
	if b.atLeast {
		return b.value >= b.limit
	}
	return b.value <= b.limit
}

// String is short, for the table.
func (b bar) String() string {
	sign, verdict := "≤", "ok"
	if b.atLeast {
		sign = "≥"
	}
	if !b.kept() {
		verdict = "MISSED"
	}
	return fmt.Sprintf("%s %g %s %s", sign, b.limit, b.what, verdict)
}

// bars are the limits for an entry of a group. Without the entry that it is compared with there is none.
func (g *group) bars(e *entry) []bar {
	allocs := func(limit float64) bar { return bar{what: "allocs", value: e.allocs, limit: limit} }
	switch g.name + " " + e.label {
	case "otel/0 " + ours:
		return append(g.atMost(e, 2, floor), allocs(0))
	case "segment-body/0 " + ours, "segment-attributes/0 " + ours:
		return append(g.atMost(e, 15, floor), allocs(0))
	case "otel/0 " + allPresets, "segment-body/0 " + allPresets, "segment-attributes/0 " + allPresets:
		return append(g.atMost(e, 25, floor), allocs(0))
	case "segment-text/0 " + ours, "segment-text-batch/0 " + ours:
		return append(g.atMost(e, 1.5, bareScan), allocs(0))
	case "segment-text/100 " + ours, "segment-text-batch/100 " + ours:
		return g.atMostBeyond(e, transformation, 1.6, bareParse)
	case "otel/10 " + fanOut:
		return g.atLeast(e, 8)
	case "otel/10 " + favourable:
		return g.atLeast(e, 3)
	case "otel/100 " + fanOut, "otel/100 " + favourable:
		return g.atLeast(e, 5)
	case "otel/100 " + ours:
		return []bar{allocs(14)}
	case "attributes " + attributesLabel(manyAttributes):
		return g.atMost(e, 12, attributesLabel(fewAttributes))
	case "encode " + ours:
		return []bar{allocs(0)}
	case "encode " + goccy, "encode " + sonic, "encode " + stdJSON:
		return g.atLeast(e, 1)
	case "exporter " + analyticsGo:
		return g.atLeast(e, 3)
	}
	return nil
}

// atMost limits how often another entry's time goes into this one's.
func (g *group) atMost(e *entry, limit float64, label string) []bar {
	other := g.find(label)
	if other == nil {
		return nil
	}
	return []bar{{what: "× " + label, value: e.median() / other.median(), limit: limit}}
}

// atMostBeyond does so for what of this one's time is beyond that of a third entry.
func (g *group) atMostBeyond(e *entry, third string, limit float64, label string) []bar {
	bars, given := g.atMost(e, limit, label), g.find(third)
	if given == nil {
		return nil
	}
	for i := range bars {
		bars[i].what += " beyond " + third
		bars[i].value -= given.median() / g.find(label).median()
	}
	return bars
}

// atLeast wants the time of ours to go into this one's so often.
func (g *group) atLeast(e *entry, limit float64) []bar {
	bars := g.atMost(e, limit, ours)
	for i := range bars {
		bars[i].atLeast = true
	}
	return bars
}

// missed names each bar that is missed.
func missed(groups []*group) error {
	var faults []error
	for _, g := range groups {
		for _, e := range g.entries {
			for _, b := range g.bars(e) {
				if !b.kept() {
					faults = append(faults, fmt.Errorf("missed: %s, %s: %.2f, wanted %s", g.name, e.label, b.value, b.wanted()))
				}
			}
		}
	}
	return errors.Join(faults...)
}

func (b bar) wanted() string {
	if b.atLeast {
		return fmt.Sprintf("at least %g %s", b.limit, b.what)
	}
	return fmt.Sprintf("at most %g %s", b.limit, b.what)
}
