// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"
)

// minRounds is the number of rounds that are measured even if the budget is used up.
const minRounds = 5

// result is what was measured of an entry.
type result struct {
	// samples are in nanoseconds per event, in the order in which they were taken.
	samples []float64
	// allocs is the number of allocations per event, without those per batch.
	allocs float64
}

func (r *result) median() float64            { return median(r.samples) }
func (r *result) quantile(q float64) float64 { return quantile(r.samples, q) }

func median(samples []float64) float64 { return quantile(samples, 0.5) }

func quantile(samples []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[int(q*float64(len(sorted)-1))]
}

// pair combines the samples of two entries that were taken in the same round, of the same batch. On a noisy machine, the
// median over pairs varies much less than a ratio or difference of two medians does.
func pair(a, b *entry, combine func(a, b float64) float64) []float64 {
	combined := make([]float64, min(len(a.samples), len(b.samples)))
	for i := range combined {
		combined[i] = combine(a.samples[i], b.samples[i])
	}
	return combined
}

func ratio(a, b float64) float64      { return a / b }
func difference(a, b float64) float64 { return a - b }

// measure samples the entries in turn, round by round, until the budget is used up.
func (g *group) measure(budget time.Duration) error {
	// With the garbage collector off, no entry pays for the garbage of another. No entry pays for its own either, which favors
	// entries that produce much.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, e := range g.entries {
		var err error
		if e.allocs, err = e.countAllocs(); err != nil {
			return err
		}
	}
	end := time.Now().Add(budget)
	for g.rounds = 0; g.rounds < minRounds || time.Now().Before(end); g.rounds++ {
		for _, e := range g.entries {
			runtime.GC()
			samples, err := e.sample()
			if err != nil {
				return err
			}
			e.samples = append(e.samples, samples...)
		}
	}
	return nil
}

func perEvent(took time.Duration, events int) float64 {
	return float64(took.Nanoseconds()) / float64(events)
}

// work is the part of a job that is timed. Everything that it needs is prepared beforehand.
type work func(context.Context) error

// timed does the work, labeled with the contender's name in profiles, and returns the time that it took by the clock.
func timed(clock func() time.Duration, contender string, work work) (took time.Duration, err error) {
	pprof.Do(context.Background(), pprof.Labels("contender", contender), func(ctx context.Context) {
		start := clock()
		err = work(ctx)
		took = clock() - start
	})
	return took, err
}

var began = time.Now()

// wallTime returns the time since the process started.
func wallTime() time.Duration {
	return time.Since(began)
}

// cpuTime returns the CPU time of this process, including time in the kernel.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	// It fails only for wrong arguments.
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// allocsPerEvent returns the difference in allocations between a large and a small amount of work, divided by the
// difference in events. Allocations that both make, such as those per batch, cancel out.
func allocsPerEvent(large, small func() work, events int) (float64, error) {
	many, err := minAllocs(large)
	if err != nil {
		return 0, err
	}
	few, err := minAllocs(small)
	if err != nil {
		return 0, err
	}
	return (float64(many) - float64(few)) / float64(events), nil
}

// minAllocs returns the minimum of several counts, because the runtime sometimes allocates too.
func minAllocs(ready func() work) (uint64, error) {
	var counts []uint64
	for range 6 {
		work := ready()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := work(context.Background()); err != nil {
			return 0, err
		}
		runtime.ReadMemStats(&after)
		counts = append(counts, after.Mallocs-before.Mallocs)
	}
	return slices.Min(counts), nil
}
