// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// TestLoadBalancing runs a collector in front of two bridges and stops one of them for a while. Each bridge has its own
// API key, so the key of a request shows which bridge sent it.
func TestLoadBalancing(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	endpoints := [2]string{}
	bridges := [2]*collectortest.Collector{}
	for i, key := range []string{"first", "second"} {
		var err error
		endpoints[i], err = collectortest.FreeEndpoint(t.Context())
		require.NoError(t, err)
		bridges[i] = startBridge(t, "bridge/production", server, "AMPLITUDE_API_KEY="+key, "OTLP_GRPC_ENDPOINT="+endpoints[i])
	}
	front := startBridge(t, "bridge/load-balancing", server, "BRIDGE_1="+endpoints[0], "BRIDGE_2="+endpoints[1], "BRIDGE_RETRY_TIME=1s")
	users := trackedUsers(60)
	send(t, front, users, 0, 8)
	assertKnown(t, front, server, users, 8)
	require.Zero(t, server.Counts().Duplicates)

	require.NoError(t, bridges[1].Stop())
	body, err := (&plog.ProtoMarshaler{}).MarshalLogs(eventsOf(t, users, 8))
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, post(t, front, "application/x-protobuf", body), "the sender must retry")
	require.NoError(t, bridges[1].Restart(t.Context()))
	require.NoError(t, front.WaitUntil(t.Context(), "both bridges to accept events", func() (bool, error) {
		return post(t, front, "application/x-protobuf", body) == http.StatusOK, nil
	}))
	send(t, front, users, 9, 12)
	assertKnown(t, front, server, users, 12)

	for _, c := range []*collectortest.Collector{front, bridges[0], bridges[1]} {
		require.NoError(t, c.Stop())
	}
	assert.Len(t, keysByUser(t, server), len(users))
}

// keysByUser returns the API key that each user's events were sent with. It asserts that this is one key per user, and
// that both keys are used.
func keysByUser(t *testing.T, server *amplitudetest.Server) map[string]string {
	t.Helper()
	keys, usersOf := map[string]string{}, map[string]int{}
	for _, request := range server.Requests() {
		for i := range request.Events {
			user := request.Events[i].UserID
			if _, known := keys[user]; !known {
				keys[user] = request.Key
				usersOf[request.Key]++
			}
			require.Equal(t, keys[user], request.Key, user)
		}
	}
	assert.Len(t, usersOf, 2, "bridges in use")
	return keys
}
