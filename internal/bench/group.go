// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
)

// distinct is how many batches of a workload there are, so that no contender learns one by heart.
const distinct = 8

// group is measured together, round by round, so that its entries meet the same weather.
type group struct {
	name    string
	entries []*entry
	rounds  int
}

// entry is one contender on one workload.
type entry struct {
	workload
	contender string
	// label tells entries of the same contender apart.
	label   string
	consume consume
	batches []plog.Logs
	// single is a batch of one record.
	single plog.Logs
	result
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
	if len(groups) == 0 {
		return nil, fmt.Errorf("nothing begins with %q", only)
	}
	return groups, nil
}

func newGroup(layout string, percent int) *group {
	g := &group{name: fmt.Sprintf("%s/%d", layout, percent)}
	for _, contender := range contenders(layout, percent) {
		g.entries = append(g.entries, &entry{workload: newWorkload(layout, percent), contender: contender, label: contender})
	}
	if percent == 100 && (layout == segmentText || layout == segmentTextBatch) {
		g.entries = append(g.entries, &entry{workload: newWorkload(segmentBody, percent), contender: ours, label: transformation})
	}
	return g
}

// contenders are those that tell something of a layout. OTTL has no part in texts of several events: it cannot make
// records of them.
func contenders(layout string, percent int) []string {
	switch {
	case layout == segmentText:
		return []string{bareScan, bareParse, ours, favourable}
	case layout == segmentTextBatch:
		return []string{bareScan, bareParse, ours}
	case percent == 0:
		return []string{floor, floorComponent, ours, allPresets, fanOut, favourable}
	default:
		return []string{floor, floorComponent, ours, fanOut, favourable}
	}
}

// transformation labels ours on events that need no parsing: what is left of its time on texts when they are parsed.
const transformation = "transformation alone"

func newAttributesGroup() *group {
	g := &group{name: "attributes"}
	for _, number := range []int{fewAttributes, manyAttributes} {
		w := newWorkload(otel, 100)
		w.fewest, w.most = number, number
		g.entries = append(g.entries, &entry{workload: w, contender: ours, label: attributesLabel(number)})
	}
	return g
}

// The numbers of attributes between which the cost is to be linear.
const (
	fewAttributes  = 10
	manyAttributes = 100
)

func attributesLabel(number int) string {
	return fmt.Sprintf("%s, %d attributes", ours, number)
}

// check says where contenders do not do the same job.
func (g *group) check() error {
	for _, e := range g.entries {
		if e.contender != fanOut && e.contender != favourable {
			continue
		}
		if err := compareOutputs(e.contender, e.layout, e.batch(0)); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the contenders and their batches, which those on one workload share.
func (g *group) prepare() error {
	made := map[workload][]plog.Logs{}
	for _, e := range g.entries {
		var err error
		if e.consume, err = newContender(e.contender, e.layout, consumertest.NewNop()); err != nil {
			return err
		}
		for number := uint64(len(made[e.workload])); number < distinct; number++ {
			made[e.workload] = append(made[e.workload], e.batch(number))
		}
		e.batches, e.single = made[e.workload], e.workload.single().batch(0)
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
