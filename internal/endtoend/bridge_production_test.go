// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// TestProductionBridge stops the bridge during an outage, while events wait in its queue, and starts it again.
func TestProductionBridge(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	c := startBridge(t, "bridge/production", server)
	users := trackedUsers(20)
	send(t, c, users, 0, 12)
	assertKnown(t, c, server, users, 12)
	assert.Zero(t, server.Counts().Duplicates)

	server.AnswerAll(unavailable)
	before := server.Counts()
	send(t, c, users, 12, 20)
	require.NoError(t, c.WaitForCounts(t.Context(), server, func(counts amplitudetest.Counts) bool { return counts.Requests > before.Requests }))
	require.Equal(t, http.StatusOK, health(t, c.HealthEndpoint), "during an outage")
	require.NoError(t, c.Stop())
	require.Equal(t, before.Ingested, server.Counts().Ingested)

	server.AnswerUsually()
	require.NoError(t, c.Restart(t.Context()))
	assertKnown(t, c, server, users, 20)
	require.Equal(t, http.StatusOK, health(t, c.HealthEndpoint))
	require.NoError(t, c.Stop())
}

// TestProductionWantsTokens sends without a token, with a wrong one, and without TLS.
func TestProductionWantsTokens(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	c := startBridge(t, "bridge/production", server)
	const event = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"Viewed","attributes":[{"key":"user.id","value":{"stringValue":"user-17"}}]}]}]}]}`
	sendAs := func(url, authorization string) int { return postJSON(t, c.Transport, url, event, authorization) }
	for _, authorization := range []string{"", "Bearer ", "Bearer other-token", "sender-token"} {
		assert.Equal(t, http.StatusUnauthorized, sendAs(c.OTLPURL, authorization), authorization)
	}
	assert.Equal(t, http.StatusBadRequest, sendAs("http://"+c.OTLPEndpoint+"/v1/logs", "Bearer sender-token"), "without TLS")
	assert.Equal(t, http.StatusOK, sendAs(c.OTLPURL, "Bearer sender-token"))
	require.NoError(t, c.Stop())
	assert.Equal(t, 1, server.Counts().Ingested)
}

func health(t *testing.T, endpoint string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+endpoint, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}
