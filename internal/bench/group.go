// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// group is a set of entries that are measured in turn, round by round, so that noise on the machine hits all of them.
type group struct {
	name    string
	entries []*entry
	rounds  int
}

// entry is a contender with its job and what was measured.
type entry struct {
	// label distinguishes entries of the same contender.
	label string
	job
	result
}

// job is the work of a contender that is measured.
type job interface {
	// check returns an error if the contender's results differ from ours.
	check() error
	// prepare creates the contender and its events.
	prepare(made batches) error
	// countAllocs returns the allocations per event, without those that don't depend on the number of events.
	countAllocs() (float64, error)
	// sample does the work and returns one or more samples in nanoseconds per event. Samples of different entries with
	// the same index belong together: they were taken in the same round, of the same batch.
	sample() ([]float64, error)
	// close releases what prepare created.
	close() error
}

// newGroups returns the groups with the entries whose names, such as otel/10/ours, start with prefix.
func newGroups(prefix string) ([]*group, error) {
	var groups []*group
	add := func(g *group) {
		g.entries = slices.DeleteFunc(g.entries, func(e *entry) bool { return !strings.HasPrefix(g.name+"/"+e.label, prefix) })
		if len(g.entries) > 0 {
			groups = append(groups, g)
		}
	}
	percentages := []int{0, 10, 100}
	for _, layout := range []string{otel, segmentBody, segmentAttributes, segmentText, segmentTextBatch} {
		for _, percent := range percentages {
			add(newGroup(layout, percent))
		}
	}
	for _, percent := range percentages {
		add(newEnvelopeGroup(percent))
		add(newInspectorGroup(percent))
	}
	add(newAttributesGroup())
	add(newEncodeGroup())
	add(newExporterGroup())
	add(newPipelineGroup())
	add(newCallsGroup())
	add(newReceiverGroup("single", 1))
	add(newReceiverGroup("batch", eventsPerText))
	if len(groups) == 0 {
		return nil, fmt.Errorf("no entry starts with %q; entries are named like otel/10/ours", prefix)
	}
	return groups, nil
}

func (g *group) add(label string, j job) {
	g.entries = append(g.entries, &entry{label: label, job: j})
}

func (g *group) check() error {
	for _, e := range g.entries {
		if err := e.check(); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) run(budget time.Duration) error {
	if err := g.prepare(); err != nil {
		return err
	}
	if err := g.measure(budget); err != nil {
		return err
	}
	return g.close()
}

func (g *group) prepare() error {
	made := batches{}
	for _, e := range g.entries {
		if err := e.prepare(made); err != nil {
			return err
		}
	}
	return nil
}

// close releases the contenders and their events, so that the garbage collector doesn't scan them in later groups.
func (g *group) close() error {
	for _, e := range g.entries {
		if err := e.close(); err != nil {
			return err
		}
	}
	return nil
}

// find returns the entry with this label, or nil.
func (g *group) find(label string) *entry {
	for _, e := range g.entries {
		if e.label == label {
			return e
		}
	}
	return nil
}
