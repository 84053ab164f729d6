// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// busyScenario has one user send many more events than Amplitude takes, for so long that they have no room in memory, while
// others send one event a second. They must not wait because of that. It also kills the collector, and then everything must
// arrive.
func busyScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.SetRateLimit(amplitudetest.RateLimit{Window: 30 * time.Second})
	b := startBridge(t, server, "bridge.yaml")
	busy, quiet := newPeople("busy", 1), newPeople("quiet", 20)
	s := newSender(b)
	var running sync.WaitGroup
	const busyBatches = 20
	running.Go(func() {
		err := atRate(t.Context(), busyBatches, size.length, func(ctx context.Context, _ int) error {
			return s.send(ctx, batch(slices.Repeat(busy, size.rate/busyBatches), 0))
		})
		if err != nil {
			t.Error(err)
		}
	})
	sentAt := map[*person][]time.Time{}
	require.NoError(t, atRate(t.Context(), len(quiet), size.length, func(ctx context.Context, i int) error {
		p := quiet[i%len(quiet)]
		sentAt[p] = append(sentAt[p], time.Now())
		return s.send(ctx, batch([]*person{p}, 0))
	}))
	running.Wait()
	others := b.waitForAll(t, quiet, maxWait)
	others.assertPerfect(t)
	waits := waitsOf(sentAt, server)
	ofBusy := summaryOf(busy, server)
	used := memoryOf(t, b.PID())

	server.SetRateLimit(amplitudetest.RateLimit{})
	require.NoError(t, b.Kill())
	require.NoError(t, b.Restart(t.Context()))
	result := b.waitForAll(t, busy, maxWait+size.length)
	reportf(t, "one user with %d events/s for %s: %d events of others waited %s in the median, %s in the 99th percentile, %s at most, when %d of the user's %d were still waiting; %d MiB of memory, %d MiB without files; after a kill %s",
		size.rate, size.length, len(waits), percentile(waits, 50), percentile(waits, 99), percentile(waits, 100),
		ofBusy.lost, ofBusy.accepted, used.peak>>20, used.anonymous>>20, result)
	result.assertPerfect(t)
	assert.Greater(t, ofBusy.lost, size.records, "the busy user's events must not have room in memory")
	if !raceEnabled {
		assert.Less(t, percentile(waits, 99), 5*time.Second, "how long the others waited")
	}
}

// atRate calls f this many times a second.
func atRate(ctx context.Context, perSecond int, length time.Duration, f func(ctx context.Context, i int) error) error {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	began := time.Now()
	for i := 0; time.Since(began) < length; i++ {
		if err := f(ctx, i); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// waitsOf returns how long people's events took to the server, sorted.
func waitsOf(sentAt map[*person][]time.Time, server *amplitudetest.Server) []time.Duration {
	var waits []time.Duration
	for p, sent := range sentAt {
		known := server.User(p.id())
		for i := range known.Events {
			if number, isUpdate := numberOf(&known.Events[i]); !isUpdate {
				waits = append(waits, known.Events[i].At.Sub(sent[number]).Round(time.Millisecond))
			}
		}
	}
	slices.Sort(waits)
	return waits
}

func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}
