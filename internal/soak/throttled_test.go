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

// throttledScenario has somebody send far more than Amplitude takes of a user, among others, who must not wait for that,
// and kills the collector meanwhile.
func throttledScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.SetRateLimit(amplitudetest.RateLimit{Window: 30 * time.Second})
	b := startBridge(t, server, "bridge.yaml")
	busy, quiet := newPeople("busy", 1), newPeople("quiet", 99)
	s := newSender(b)
	began := time.Now()
	// In each batch as many of the one as of all others.
	for sent := 0; sent < size.records; sent += len(quiet) {
		logs := batch(quiet, 0)
		batch(slices.Repeat(busy, len(quiet)), 0).ResourceLogs().MoveAndAppendTo(logs.ResourceLogs())
		require.NoError(t, s.send(t.Context(), logs))
	}
	others := b.settle(t, quiet, patience)
	took := time.Since(began)
	others.assertPerfect(t)
	ofBusy := newAccount(busy, server)
	assert.Positive(t, ofBusy.lost, "somebody was throttled")

	require.NoError(t, b.Kill())
	require.NoError(t, b.Restart(t.Context()))
	settled := b.settle(t, busy, time.Duration(size.records/400+1)*time.Minute)
	tell(t, "one user sends more than is taken: all %d events of others there after %.1f s, when %d of %d are left of the user; after a kill %s; all there after %.1f s",
		others.sent, took.Seconds(), ofBusy.lost, ofBusy.sent, settled, time.Since(began).Seconds())
	settled.assertPerfect(t)
	if !raceEnabled {
		assert.Less(t, took, 10*time.Second, "others wait")
	}
}
