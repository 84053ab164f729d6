// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// TestFormsAgree sends the same events in pre form and in post form to separate servers and asserts that both end up with
// the same users.
func TestFormsAgree(t *testing.T) {
	t.Parallel()
	pre, record, inline := amplitudetest.Start(t), amplitudetest.Start(t), amplitudetest.Start(t)
	output := filepath.Join(t.TempDir(), "output.json")
	deliver(t, "bridge/pre-form", pre)
	deliver(t, "bridge/post-form", record, "OUTPUT="+output)
	deliver(t, "bridge/post-form", inline, "OUTPUT="+output+"-inline", "EMIT=inline")

	assert.Contains(t, typesSent(pre), "$impression")
	assert.Equal(t, 1, typesSent(pre)["$identify"], "the identify call")
	assert.NotContains(t, typesSent(pre), "[Experiment] Impression")
	assert.Greater(t, typesSent(record)["$identify"], 1)
	assert.Contains(t, typesSent(record), "[Experiment] Impression")
	assert.Contains(t, typesSent(inline), "[Experiment] Impression")
	assert.Equal(t, 1, typesSent(inline)["$identify"], "the identify call")

	require.Len(t, pre.Users(), 4)
	for _, user := range pre.Users() {
		require.NotEmpty(t, user.Events)
		for form, server := range map[string]*amplitudetest.Server{"record": record, "inline": inline} {
			known := server.User(user.ID)
			assert.Equal(t, user.Properties, known.Properties, "%s: user properties of %s", form, user.ID)
			assert.Equal(t, shown(user), shown(known), "%s: events of %s", form, user.ID)
		}
	}

	warehouse, err := os.ReadFile(output)
	require.NoError(t, err)
	assert.Contains(t, string(warehouse), "[Experiment] Impression")
	assert.Contains(t, string(warehouse), "$identify")
}

func deliver(t *testing.T, folder string, server *amplitudetest.Server, variables ...string) {
	t.Helper()
	require.NoError(t, collectortest.Deliver(t.Context(), bridgeConfig(t, folder), testdata("demo", "events.ndjson"), server, variables...))
}

// typesSent returns how many events of each type were sent.
func typesSent(server *amplitudetest.Server) map[string]int {
	types := map[string]int{}
	for _, request := range server.Requests() {
		for i := range request.Events {
			types[request.Events[i].Type]++
		}
	}
	return types
}

// shownEvent is the part of an event that Amplitude shows.
type shownEvent struct {
	eventType, insertID string
	time                int64
	properties          map[string]any
}

// shown returns the events of a user, without the user property updates.
func shown(user amplitudetest.User) []shownEvent {
	var events []shownEvent
	for i := range user.Events {
		if e := &user.Events[i]; e.Type != "$identify" {
			events = append(events, shownEvent{eventType: e.Type, insertID: e.InsertID, time: e.Time, properties: e.Properties})
		}
	}
	return events
}
