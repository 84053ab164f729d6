// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// stopScenario stops the collector as an orchestrator does, during an outage and with events in its queue, and starts it
// again.
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
	assert.NotContains(t, b.Logs(), "Dropping data", "the events are still in the queue")

	server.AnswerUsually()
	require.NoError(t, b.Restart(t.Context()))
	result := b.waitForAll(t, people, maxWait)
	reportf(t, "stopped during an outage: %s", result)
	result.assertPerfect(t)
}

// keyScenario has Amplitude refuse the API key for a while.
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
	result := b.waitForAll(t, people, maxWait)
	b.waitForHealth(t, "StatusOK")
	reportf(t, "API key refused in %d requests: %s", refused, result)
	result.assertPerfect(t)
	assert.Equal(t, map[int]int{200: server.Counts().Answers[200], 400: refused}, server.Counts().Answers)
}
