// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// stopScenario stops the collector as an orchestrator does, while Amplitude is away and events wait, and starts it again.
func stopScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.AnswerAll(unavailable)
	b := startBridge(t, server, "bridge.yaml")
	people := newPeople("queued", 50)
	require.NoError(t, newSender(b).sendInTurn(t.Context(), people, size.records, len(people), 0))
	b.waitForCounts(t, func(counts amplitudetest.Counts) bool { return counts.Requests > 0 })
	require.NoError(t, b.Stop())
	require.Zero(t, server.Counts().Ingested)

	server.AnswerUsually()
	require.NoError(t, b.Restart(t.Context()))
	settled := b.settle(t, people, patience)
	tell(t, "stopped in an outage: %s", settled)
	settled.assertPerfect(t)
}

// keyScenario has Amplitude refuse the key for a while.
func keyScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.RefuseKey(true)
	b := startBridge(t, server, "health.yaml")
	people := newPeople("keyed", 50)
	require.NoError(t, newSender(b).sendInTurn(t.Context(), people, size.records, len(people), 0))
	b.waitForHealth(t, "StatusRecoverableError")
	refused := server.Counts().Requests
	server.RefuseKey(false)
	settled := b.settle(t, people, patience)
	b.waitForHealth(t, "StatusOK")
	tell(t, "key refused in %d requests: %s", refused, settled)
	settled.assertPerfect(t)
	assert.Equal(t, map[int]int{200: server.Counts().Answers[200], 400: refused}, server.Counts().Answers)
}
