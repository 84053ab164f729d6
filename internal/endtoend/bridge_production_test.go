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

func health(t *testing.T, endpoint string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+endpoint, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}
