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

// fewestRounds are measured whatever the budget.
const fewestRounds = 5

// result is what was measured of an entry.
type result struct {
	// perEvent are the nanoseconds an event, by sample; sorted in the end.
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
		var err error
		if e.allocs, err = e.countAllocs(); err != nil {
			return err
		}
	}
	end := time.Now().Add(budget)
	for g.rounds = 0; g.rounds < fewestRounds || time.Now().Before(end); g.rounds++ {
		for _, e := range g.entries {
			runtime.GC()
			samples, err := e.turn()
			if err != nil {
				return err
			}
			e.perEvent = append(e.perEvent, samples...)
		}
	}
	for _, e := range g.entries {
		slices.Sort(e.perEvent)
	}
	return nil
}

func perEvent(took time.Duration, events int) float64 {
	return float64(took.Nanoseconds()) / float64(events)
}

// work is what is measured of a job. All that it needs was made ready before.
type work func(context.Context) error

// timed does the work, under the contender's name in profiles, and returns how far the clock went on.
func timed(clock func() time.Duration, contender string, work work) (took time.Duration, err error) {
	pprof.Do(context.Background(), pprof.Labels("contender", contender), func(ctx context.Context) {
		start := clock()
		err = work(ctx)
		took = clock() - start
	})
	return took, err
}

var began = time.Now()

// wallTime is the time that passed.
func wallTime() time.Duration {
	return time.Since(began)
}

// cpuTime is the time that the cores spent on this process, in the kernel too.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	// It fails for wrong arguments alone.
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// allocsPerEvent compares much work with little, so that what is allocated for both alike does not count. The events are
// those that the one has more than the other.
func allocsPerEvent(much, little func() work, events int) (float64, error) {
	most, err := fewestAllocs(much)
	if err != nil {
		return 0, err
	}
	least, err := fewestAllocs(little)
	if err != nil {
		return 0, err
	}
	return (float64(most) - float64(least)) / float64(events), nil
}

// fewestAllocs is the least of several counts, for the runtime allocates now and then too.
func fewestAllocs(ready func() work) (uint64, error) {
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
