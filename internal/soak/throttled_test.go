// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// throttledScenario has one user exceed Amplitude's rate limit by far. Other users must not wait because of that. It also
// kills the collector while the user is throttled.
func throttledScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.SetRateLimit(amplitudetest.RateLimit{Window: 30 * time.Second})
	b := startBridge(t, server, "bridge.yaml")
	busy, quiet := newPeople("busy", 1), newPeople("quiet", 99)
	s := newSender(b)
	began := time.Now()
	// Half of each batch is from the busy user.
	for sent := 0; sent < size.records; sent += len(quiet) {
		logs := batch(quiet, 0)
		batch(slices.Repeat(busy, len(quiet)), 0).ResourceLogs().MoveAndAppendTo(logs.ResourceLogs())
		require.NoError(t, s.send(t.Context(), logs))
	}
	others := b.waitForAll(t, quiet, maxWait)
	took := time.Since(began)
	others.assertPerfect(t)
	ofBusy := summaryOf(busy, server)
	assert.Positive(t, ofBusy.lost, "the busy user must be throttled")

	require.NoError(t, b.Kill())
	require.NoError(t, b.Restart(t.Context()))
	result := b.waitForAll(t, busy, time.Duration(size.records/400+1)*time.Minute)
	reportf(t, "one user over the rate limit: all %d events of others delivered after %.1f s, when %d of the user's %d were still waiting; after a kill %s; complete after %.1f s",
		others.accepted, took.Seconds(), ofBusy.lost, ofBusy.accepted, result, time.Since(began).Seconds())
	result.assertPerfect(t)
	if !raceEnabled {
		assert.Less(t, took, 10*time.Second, "time until the others were delivered")
	}
}
