// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// group is measured together, round by round, so that its entries meet the same weather.
type group struct {
	name    string
	entries []*entry
	rounds  int
}

// entry is a contender at its job.
type entry struct {
	// label tells entries of the same contender apart.
	label string
	job
	result
}

// job is what a contender does over and over.
type job interface {
	// check says where the contender does not do the same as ours.
	check() error
	// prepare makes the contender and its events.
	prepare(made batches) error
	// countAllocs returns the allocations an event, beyond those that do not grow with the number of events.
	countAllocs() (float64, error)
	// turn returns the nanoseconds an event, of one or several samples.
	turn() ([]float64, error)
	// close lets go of what prepare made.
	close() error
}

// newGroups makes the groups with the entries whose names, such as otel/10/ours, begin so.
func newGroups(only string) ([]*group, error) {
	var groups []*group
	add := func(g *group) {
		g.entries = slices.DeleteFunc(g.entries, func(e *entry) bool { return !strings.HasPrefix(g.name+"/"+e.label, only) })
		if len(g.entries) > 0 {
			groups = append(groups, g)
		}
	}
	for _, layout := range []string{otel, segmentBody, segmentAttributes, segmentText, segmentTextBatch} {
		for _, percent := range []int{0, 10, 100} {
			add(newGroup(layout, percent))
		}
	}
	add(newAttributesGroup())
	add(newEncodeGroup())
	add(newExporterGroup())
	add(newPipelineGroup())
	if len(groups) == 0 {
		return nil, fmt.Errorf("nothing begins with %q", only)
	}
	return groups, nil
}

func (g *group) add(label string, j job) {
	g.entries = append(g.entries, &entry{label: label, job: j})
}

// check says where contenders do not do the same job.
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

// prepare makes the contenders and their events.
func (g *group) prepare() error {
	made := batches{}
	for _, e := range g.entries {
		if err := e.prepare(made); err != nil {
			return err
		}
	}
	return nil
}

// close lets go of the contenders and their events, so that later groups do not pay for them.
func (g *group) close() error {
	for _, e := range g.entries {
		if err := e.close(); err != nil {
			return err
		}
	}
	return nil
}

// find returns the entry with this label.
func (g *group) find(label string) *entry {
	for _, e := range g.entries {
		if e.label == label {
			return e
		}
	}
	return nil
}
