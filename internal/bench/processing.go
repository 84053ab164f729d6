// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
)

// processing is the job of a processor. It is done when the call returns, so it is measured by the time that passes.
type processing struct {
	workload
	contender string

	consume consume
	batches []plog.Logs
	// single is a batch of one record.
	single plog.Logs
}

func newGroup(layout string, percent int) *group {
	g := &group{name: fmt.Sprintf("%s/%d", layout, percent)}
	for _, contender := range contenders(layout, percent) {
		g.add(contender, &processing{workload: newWorkload(layout, percent), contender: contender})
	}
	if percent == 100 && (layout == segmentText || layout == segmentTextBatch) {
		g.add(transformation, &processing{workload: newWorkload(segmentBody, percent), contender: ours})
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
		g.add(attributesLabel(number), &processing{workload: w, contender: ours})
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

func (p *processing) check() error {
	if p.contender != fanOut && p.contender != favourable {
		return nil
	}
	return compareOutputs(p.contender, p.layout, p.batch(0))
}

func (p *processing) prepare(made batches) (err error) {
	p.batches, p.single = made.of(p.workload), p.workload.single().batch(0)
	p.consume, err = newContender(p.contender, p.layout, consumertest.NewNop())
	return err
}

// countAllocs leaves out what is allocated once a batch.
func (p *processing) countAllocs() (float64, error) {
	return allocsPerEvent(p.ready(p.batches[0]), p.ready(p.single), p.events()-p.eventsPerRecord)
}

func (p *processing) ready(batch plog.Logs) func() work {
	return func() work {
		copied := copyOf(batch)
		return func(ctx context.Context) error { return p.consume(ctx, copied) }
	}
}

// turn times each batch once. It copies each right before, so that it is as warm in the processor's caches as one that
// was just decoded. A batch of one record goes first, so that the code is as warm as in a collector that is busy, and
// what the collection took from the pools is there again.
func (p *processing) turn() ([]float64, error) {
	samples := make([]float64, 0, len(p.batches))
	for _, batch := range p.batches {
		whole, first := p.ready(batch)(), p.ready(p.single)()
		if err := first(context.Background()); err != nil {
			return nil, err
		}
		took, err := timed(wallTime, p.contender, whole)
		if err != nil {
			return nil, err
		}
		samples = append(samples, perEvent(took, p.events()))
	}
	return samples, nil
}

func (p *processing) close() error {
	p.batches = nil
	return nil
}
