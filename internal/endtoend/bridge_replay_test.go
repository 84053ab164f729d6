// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// deadLetters counts the lines of a file of dead letters, by the event's insert id.
func deadLetters(path string) (map[string]int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := map[string]int{}
	for text := range bytes.Lines(text) {
		var line struct {
			Event struct {
				InsertID string `json:"insert_id"`
			} `json:"event"`
		}
		if err := json.Unmarshal(text, &line); err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		lines[line.Event.InsertID]++
	}
	return lines, nil
}

// waitForDeadLetters waits until a file has dead letters of this many events, and returns their numbers by insert id.
func waitForDeadLetters(t *testing.T, c *collectortest.Collector, path string, events int) map[string]int {
	t.Helper()
	var lines map[string]int
	require.NoError(t, c.WaitUntil(t.Context(), "dead letters", func() (bool, error) {
		var err error
		lines, err = deadLetters(path)
		var torn *json.SyntaxError
		if errors.As(err, &torn) {
			// The last line is being written.
			return false, nil
		}
		return len(lines) >= events, err
	}))
	return lines
}

// TestReplay: what Amplitude refuses is what the file has, and what is delivered once Amplitude accepts it, although both
// collectors are killed.
func TestReplay(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	users := trackedUsers(20)
	refused, accepted := users[:8], users[8:]
	server.Restrict(amplitudetest.ExceededDailyQuotaUser, amplitudetest.UntilLifted, refused...)
	folder := t.TempDir()
	path := filepath.Join(folder, "dead-letters.ndjson")
	c := startBridge(t, "bridge/production", server, "DEAD_LETTERS="+path)

	send(t, c, users, 0, 10)
	before := waitForDeadLetters(t, c, path, 1)
	require.NoError(t, c.Kill())
	require.NoError(t, c.Restart(t.Context()))
	send(t, c, users, 10, 20)
	assertKnown(t, c, server, accepted, 20)
	events, _ := wantKnown(users[0], 20)
	dead := waitForDeadLetters(t, c, path, len(refused)*len(events))
	require.NoError(t, c.Stop())
	assert.Len(t, dead, len(refused)*len(events), "each refused event, and no other")
	for insertID, lines := range before {
		assert.GreaterOrEqual(t, dead[insertID], lines, "nothing that was written is lost")
	}
	for _, user := range refused {
		require.Empty(t, server.User(user).Events)
	}

	server.LiftAll()
	ingested := server.Counts().Ingested
	again := filepath.Join(folder, "refused-again.ndjson")
	r := startReplay(t, server, folder, again)
	waitForIngested(t, r, server, ingested+1)
	require.NoError(t, r.Kill())
	require.NoError(t, r.Restart(t.Context()))
	waitForIngested(t, r, server, ingested+len(dead))
	assertKnown(t, r, server, users, 20)
	require.NoError(t, r.Stop())
	lines, err := deadLetters(again)
	require.NoError(t, err)
	assert.Empty(t, lines, "nothing is refused again")
}

func startReplay(t *testing.T, server *amplitudetest.Server, folder, again string, variables ...string) *collectortest.Collector {
	t.Helper()
	return startBridge(t, "replay", server,
		append(variables, "DEAD_LETTERS="+filepath.Join(folder, "dead-letters*.ndjson"), "REFUSED_AGAIN="+again)...)
}

// TestReplayAfterAFix delivers events without loss that the exporter didn't even send, after a change of the configuration.
// Beside them are a torn line and a record that couldn't be read.
func TestReplayAfterAFix(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	folder := t.TempDir()
	path := filepath.Join(folder, "dead-letters.ndjson")
	require.NoError(t, os.WriteFile(path, []byte(`{"time":"2026-11-24T09:30:00.123Z","reason":"id_too_short","event":{"event_ty`), 0o600))
	c := startBridge(t, "bridge/production", server, "DEAD_LETTERS="+path)
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, text := range []string{
		`{"type":"track","event":"a","userId":"1","messageId":"m-1","timestamp":"2026-11-23T10:00:00Z","properties":{"n":9007199254740993,"x":0.1,"list":[1,null,{"a":"ü\n"}]}}`,
		`{"event": oops}`,
		`{"type":"track","event":"b","userId":"1","messageId":"m-2"}`,
	} {
		records.AppendEmpty().Body().SetStr(text)
	}
	body, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, post(t, c, "application/json", body))
	require.NoError(t, c.WaitUntil(t.Context(), "dead letters", func() (bool, error) {
		text, err := os.ReadFile(path)
		return bytes.Count(text, []byte("\n")) == 4, err
	}))
	require.NoError(t, c.Stop())
	require.Empty(t, server.Events())

	r := startReplay(t, server, folder, filepath.Join(folder, "refused-again.ndjson"), "MIN_ID_LENGTH=1")
	waitForIngested(t, r, server, 2)
	require.NoError(t, r.Stop())
	sent := server.User("1").Events
	require.Len(t, sent, 2)
	want := `{"event_type":"a","user_id":"1","time":1795428000000,"insert_id":"m-1",
		"event_properties":{"n":9007199254740993,"x":0.1,"list":[1,null,{"a":"ü\n"}]}}`
	got := exactly(t, sent[0].Raw)
	assert.Contains(t, got["library"], "impression-bridge/")
	delete(got, "library")
	assert.Equal(t, exactly(t, []byte(want)), got)
	assert.Equal(t, "b", sent[1].Type)
}

// exactly decodes a JSON object, with numbers as they are written.
func exactly(t *testing.T, text []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	require.NoError(t, decoder.Decode(&object))
	return object
}
