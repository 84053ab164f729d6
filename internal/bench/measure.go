// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"time"
)

// fewestRounds are measured whatever the budget.
const fewestRounds = 5

// result is what was measured of an entry.
type result struct {
	// perEvent are the nanoseconds an event, by batch; sorted in the end.
	perEvent []float64
	// allocs an event, beyond those of a batch.
	allocs float64
}

func (r *result) median() float64            { return r.quantile(0.5) }
func (r *result) quantile(q float64) float64 { return r.perEvent[int(q*float64(len(r.perEvent)-1))] }

// measure lets the entries take turns, round by round, until the budget is used up.
func (g *group) measure(budget time.Duration) error {
	// Nobody pays for the garbage of others, nor, in favour of those that make much, for its own.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, e := range g.entries {
		if err := e.countAllocs(); err != nil {
			return err
		}
	}
	end := time.Now().Add(budget)
	for g.rounds = 0; g.rounds < fewestRounds || time.Now().Before(end); g.rounds++ {
		for _, e := range g.entries {
			if err := e.turn(); err != nil {
				return err
			}
		}
	}
	for _, e := range g.entries {
		slices.Sort(e.perEvent)
		e.batches = nil
	}
	return nil
}

// turn times each batch once. It copies each right before, so that it is as warm in the processor's caches as one that
// was just decoded. A batch of one record goes first, so that the code is as warm as in a collector that is busy, and
// what the collection took from the pools is there again.
func (e *entry) turn() (err error) {
	runtime.GC()
	for _, original := range e.batches {
		batch, first := copyOf(original), copyOf(e.single)
		var took time.Duration
		pprof.Do(context.Background(), pprof.Labels("contender", e.contender), func(ctx context.Context) {
			if err = e.consume(ctx, first); err != nil {
				return
			}
			start := time.Now()
			err = e.consume(ctx, batch)
			took = time.Since(start)
		})
		if err != nil {
			return err
		}
		e.perEvent = append(e.perEvent, float64(took.Nanoseconds())/float64(e.events()))
	}
	return nil
}

// countAllocs compares a whole batch with a batch of one record, so that what is allocated once a batch does not count.
func (e *entry) countAllocs() error {
	whole, err := e.allocsOf(e.workload)
	if err != nil {
		return err
	}
	one, err := e.allocsOf(e.workload.single())
	if err != nil {
		return err
	}
	e.allocs = (float64(whole) - float64(one)) / float64(e.events()-e.eventsPerRecord)
	return nil
}

// allocsOf is the least of several counts, for the runtime allocates now and then too.
func (e *entry) allocsOf(w workload) (uint64, error) {
	batch := w.batch(0)
	var counts []uint64
	for range 6 {
		copied := copyOf(batch)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := e.consume(context.Background(), copied); err != nil {
			return 0, err
		}
		runtime.ReadMemStats(&after)
		counts = append(counts, after.Mallocs-before.Mallocs)
	}
	return slices.Min(counts), nil
}
