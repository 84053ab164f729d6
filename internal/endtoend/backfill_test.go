// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"compress/gzip"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// liveEvents are what Amplitude got before the backfill: an update and an event of a user.
const liveEvents = `{"api_key":"any","events":[
	{"event_type":"$identify","user_id":"usr_1042","user_properties":{"$set":{"[Experiment] checkout-button":"live","plan":"pro"}}},
	{"event_type":"Live","user_id":"usr_1042","device_id":"3f2c9a1e-6a57-4c5e","insert_id":"live-1"}]}`

// archived are the events of an archive that are sent: all but the identify call.
const archived = 4

// TestBackfill sends the archive of each CDP, and sends it again over an outage and a crash.
func TestBackfill(t *testing.T) {
	for _, preset := range []string{"segment", "rudderstack"} {
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			server := amplitudetest.Start(t)
			response, err := http.Post(server.URL(amplitude.Batch), "application/json", strings.NewReader(liveEvents)) //nolint:noctx // on loopback
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			live := server.User("usr_1042").Properties
			folder := t.TempDir()
			pack(t, examples("backfill", preset+".ndjson"), filepath.Join(folder, "archive", "1.gz"))

			c := startBackfill(t, server, preset, folder)
			waitForArchive(t, c, server, archived)
			require.NoError(t, c.Stop())
			assert.Contains(t, c.Logs(), "Amplitude recognizes repeated events for 7 days only")
			assertBackfilled(t, server, live)

			server.AnswerAll(unavailable)
			requests := server.Counts().Requests
			again := startBackfill(t, server, preset, folder)
			require.NoError(t, again.WaitForCounts(t.Context(), server, func(counts amplitudetest.Counts) bool { return counts.Requests > requests }))
			require.NoError(t, again.Kill())
			server.AnswerUsually()
			require.NoError(t, again.Restart(t.Context()))
			// What was in the queue is sent, and the file is read again.
			waitForArchive(t, again, server, 3*archived)
			require.NoError(t, again.Stop())
			assertBackfilled(t, server, live)
		})
	}
}

func startBackfill(t *testing.T, server *amplitudetest.Server, preset, folder string) *collectortest.Collector {
	t.Helper()
	return startBridge(t, "backfill", server, "AMPLITUDE_ENDPOINT="+server.URL(amplitude.Batch), "PRESET="+preset,
		"INPUT="+filepath.Join(folder, "archive", "*.gz"), "REFUSED="+filepath.Join(folder, "refused.ndjson"))
}

// pack compresses a file of examples.
func pack(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o700))
	file, err := os.Create(to)
	require.NoError(t, err)
	packed := gzip.NewWriter(file)
	_, err = packed.Write(text)
	require.NoError(t, err)
	require.NoError(t, packed.Close())
	require.NoError(t, file.Close())
}

// waitForArchive waits until Amplitude got this many events of the archive, repeated ones included.
func waitForArchive(t *testing.T, c *collectortest.Collector, server *amplitudetest.Server, events int) {
	t.Helper()
	require.NoError(t, c.WaitForCounts(t.Context(), server, func(counts amplitudetest.Counts) bool {
		return counts.Ingested-2+counts.Duplicates >= events
	}))
}

// assertBackfilled asserts that Amplitude has each event of the archive once, shown with the user properties of its time, and that
// the user still has those of today.
func assertBackfilled(t *testing.T, server *amplitudetest.Server, live map[string]any) {
	t.Helper()
	user := server.User("usr_1042")
	assert.Equal(t, live, user.Properties)
	assert.InDelta(t, 25.5, user.Revenue, 0)
	shown := map[string][]map[string]any{}
	for i := range user.Events[2:] {
		e := &user.Events[2+i]
		shown[e.Type] = append(shown[e.Type], e.UserState)
	}
	assert.Len(t, user.Events, 2+archived)
	assert.ElementsMatch(t, []map[string]any{{"[Experiment] checkout-button": "green"}, {}}, shown["[Experiment] Impression"])
	assert.Equal(t, []map[string]any{{}}, shown["Order Completed"])
}
