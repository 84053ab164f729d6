// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
)

// processing is the job of a processor. A processor has finished when the call returns, so it is measured in wall time.
type processing struct {
	workload
	contender string

	consume consume
	batches []plog.Logs
	// single is a batch with one record.
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

// contenders returns the contenders that can process a layout. OTTL can't process texts of several events, because it can't
// add records.
func contenders(layout string, percent int) []string {
	switch {
	case layout == segmentText:
		return []string{bareSearch, neededSearch, bareParse, ours, ottlIdealRouter}
	case layout == segmentTextBatch:
		return []string{bareSearch, neededSearch, bareParse, ours}
	case percent == 0:
		return []string{floor, floorComponent, ours, allPresets, ottlSelection, ottlFanOut, ottlIdealRouter}
	default:
		return []string{floor, floorComponent, ours, ottlFanOut, ottlIdealRouter}
	}
}

// transformation labels ours on events that need no parsing. It shows how much of its time on texts isn't parsing.
const transformation = "transformation alone"

// newEnvelopeGroup compares a scope of texts with the same scope after an envelope. The envelope's own events aren't counted,
// so its cost is spread over the others.
func newEnvelopeGroup(percent int) *group {
	g := &group{name: fmt.Sprintf("envelope/%d", percent)}
	w := newWorkload(segmentText, percent)
	w.records, w.scopes = recordsBehindEnvelope, 1
	g.add(ours, &processing{workload: w, contender: ours})
	w.envelope = true
	g.add(behindEnvelope, &processing{workload: w, contender: ours})
	return g
}

const (
	behindEnvelope        = "ours, behind an envelope"
	recordsBehindEnvelope = 2000
)

// newInspectorGroup compares ours with ours beside an inspector at which nobody looks.
func newInspectorGroup(percent int) *group {
	g := &group{name: fmt.Sprintf("inspector/%d", percent)}
	for _, contender := range []string{ours, unwatched} {
		g.add(contender, &processing{workload: newWorkload(otel, percent), contender: contender})
	}
	return g
}

func newAttributesGroup() *group {
	g := &group{name: "attributes"}
	for _, number := range []int{fewAttributes, manyAttributes} {
		w := newWorkload(otel, 100)
		w.minAttributes, w.maxAttributes = number, number
		g.add(attributesLabel(number), &processing{workload: w, contender: ours})
	}
	return g
}

// The cost of an impression should grow linearly between these numbers of attributes.
const (
	fewAttributes  = 10
	manyAttributes = 100
)

func attributesLabel(number int) string {
	return fmt.Sprintf("%s, %d attributes", ours, number)
}

func (p *processing) check() error {
	switch p.contender {
	case ottlFanOut, ottlIdealRouter:
	case ottlSelection:
		// Without impressions, a pipeline that only selects keeps every record, as ours does.
	default:
		return nil
	}
	return compareOutputs(p.contender, p.layout, p.batch(0))
}

func (p *processing) prepare(made batches) (err error) {
	p.batches, p.single = made.of(p.workload), p.workload.single().batch(0)
	p.consume, err = newContender(p.contender, p.layout, consumertest.NewNop())
	return err
}

// countAllocs leaves out allocations per batch.
func (p *processing) countAllocs() (float64, error) {
	return allocsPerEvent(p.ready(p.batches[0]), p.ready(p.single), p.events()-p.eventsPerRecord)
}

func (p *processing) ready(batch plog.Logs) func() work {
	return func() work {
		copied := copyOf(batch)
		return func(ctx context.Context) error { return p.consume(ctx, copied) }
	}
}

// sample times each batch once. It copies each batch directly before, so that the caches are as warm as after decoding. A
// batch with one record goes first: it warms up the code, as in a busy collector, and refills the pools that the garbage
// collection emptied.
func (p *processing) sample() ([]float64, error) {
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
