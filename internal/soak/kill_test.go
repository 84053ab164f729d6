// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// startTime is about how long a collector takes to be ready.
const startTime = 300 * time.Millisecond

// killScenario kills the collector again and again while it receives events. Meanwhile three in ten requests fail, and
// now and then a user is throttled.
func killScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.AnswerShare(0.3, unavailable)
	// With a short timeout, deliveries are in flight when the collector is killed.
	b := startBridge(t, server, "bridge.yaml", "FLUSH_TIMEOUT=20ms")
	began := time.Now()
	senders := startSenders(t, b, newPeople("left", 50), newPeople("right", 50))
	random := rand.New(rand.NewPCG(1, 0))
	for kill := 0; kill < size.kills; kill++ {
		if kill%5 == 4 {
			// Without this wait, hardly anything would be delivered and the queue would grow without limit.
			b.waitForCounts(t, func(counts amplitudetest.Counts) bool { return counts.Ingested >= senders.events()-maxQueued })
		}
		if kill%10 == 0 && kill < size.kills*9/10 {
			throttled := senders.people[random.IntN(len(senders.people))]
			server.Restrict(amplitudetest.ThrottledUser, 1, throttled.userID)
		}
		senders.waitForMore(t, b, random.Int64N(40))
		require.NoError(t, b.Kill())
		if kill%3 == 2 {
			// Kill it once more while it starts and reads its queue.
			require.NoError(t, b.Launch(t.Context()))
			<-time.After(time.Duration(random.Int64N(int64(startTime))))
			require.NoError(t, b.Kill())
			kill++
		}
		require.NoError(t, b.Restart(t.Context()))
	}
	server.LiftAll()
	took := time.Since(began)
	people := senders.stop(t)
	// Events that are accepted after the last start are delivered after all earlier ones.
	require.NoError(t, senders.send(t.Context(), finalBatch(people)))
	result := b.waitForAll(t, people, maxWait)
	reportf(t, "%d kills in %.0f s: %s; complete %s after the last kill",
		size.kills, took.Seconds(), result, (time.Since(began) - took).Round(time.Millisecond))
	result.assertPerfect(t)
	assert.NotContains(t, b.Logs(), "damaged", "a kill must not look like damage")
}

// maxQueued is how many events may be in the queue before the kills go on.
const maxQueued = 2000

// senders runs several senders concurrently, each for its own people.
type senders struct {
	*sender
	ends    atomic.Bool
	running sync.WaitGroup
	people  []*person
	errors  chan error
}

// events returns roughly how many events and updates were accepted. A request has two events, and three in four events
// cause an update.
func (s *senders) events() int {
	return int(s.accepted.Load()) * 7 / 2
}

// startSenders starts a sender for each group of people.
func startSenders(t *testing.T, b *bridge, groups ...[]*person) *senders {
	t.Helper()
	s := &senders{sender: newSender(b), errors: make(chan error, len(groups))}
	for _, people := range groups {
		s.people = append(s.people, people...)
		s.running.Go(func() { s.errors <- s.sendUntilStopped(t.Context(), people) })
	}
	return s
}

// sendUntilStopped sends two events at a time, up to 250 times a second.
func (s *senders) sendUntilStopped(ctx context.Context, people []*person) error {
	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	for i := 0; !s.ends.Load(); i = (i + 2) % len(people) {
		if err := s.send(ctx, batch(people[i:i+2], 0)); err != nil {
			return err
		}
		<-tick.C
	}
	return nil
}

// waitForMore waits until the collector has accepted this many more requests.
func (s *senders) waitForMore(t *testing.T, b *bridge, requests int64) {
	t.Helper()
	want := s.accepted.Load() + requests
	err := b.WaitUntil(t.Context(), "more accepted requests", func() (bool, error) { return s.accepted.Load() >= want, nil })
	require.NoError(t, err)
}

// stop stops all senders, waits until their last events are accepted, and returns all people.
func (s *senders) stop(t *testing.T) []*person {
	t.Helper()
	s.ends.Store(true)
	s.running.Wait()
	close(s.errors)
	for err := range s.errors {
		require.NoError(t, err)
	}
	return s.people
}
