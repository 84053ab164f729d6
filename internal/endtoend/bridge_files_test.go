// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// TestFilesBridge kills the bridge during an outage, and rotates the file before it is back.
func TestFilesBridge(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	users := trackedUsers(20)
	server := amplitudetest.Start(t)
	writeFile(t, filepath.Join(folder, "events.ndjson"), users, 0, 12)
	c := startBridge(t, "bridge/files", server, "INPUT="+filepath.Join(folder, "events*.ndjson"))
	assertKnown(t, c, server, users, 12)

	server.AnswerAll(unavailable)
	before := server.Counts()
	writeFile(t, filepath.Join(folder, "events.ndjson"), users, 12, 16)
	require.NoError(t, c.WaitForCounts(t.Context(), server, func(counts amplitudetest.Counts) bool { return counts.Requests > before.Requests }))
	require.NoError(t, c.Kill())
	writeFile(t, filepath.Join(folder, "events.ndjson"), users, 16, 18)
	require.NoError(t, os.Rename(filepath.Join(folder, "events.ndjson"), filepath.Join(folder, "events-1.ndjson")))
	writeFile(t, filepath.Join(folder, "events.ndjson"), users, 18, 20)

	server.AnswerUsually()
	require.NoError(t, c.Restart(t.Context()))
	assertKnown(t, c, server, users, 20)
	require.NoError(t, c.Stop())
}

// TestAStopWithAFullQueueLosesOneBatchOfLines, as the bridge's README says: the receiver takes the batch that waits as read.
func TestAStopWithAFullQueueLosesOneBatchOfLines(t *testing.T) {
	t.Parallel()
	const maxLost, records = 100, 12_000
	folder := t.TempDir()
	users := trackedUsers(records / 4)
	server := amplitudetest.Start(t)
	server.AnswerAll(unavailable)
	writeFile(t, filepath.Join(folder, "events.ndjson"), users, 0, 4)
	c := startBridge(t, "bridge/files", server, "INPUT="+filepath.Join(folder, "events.ndjson"), "QUEUE_SIZE=8192")
	require.NoError(t, c.WaitForCounts(t.Context(), server, func(counts amplitudetest.Counts) bool { return counts.Requests > 0 }))
	require.NoError(t, c.Stop())
	server.AnswerUsually()
	require.NoError(t, c.Restart(t.Context()))
	// Three in four records cause an update.
	waitForIngested(t, c, server, records*7/4-2*maxLost)
	require.NoError(t, c.Stop())
}

// writeFile appends every user's events numbered from up to, but not including, to.
func writeFile(t *testing.T, path string, users []string, from, to int) {
	t.Helper()
	var lines bytes.Buffer
	for number := from; number < to; number++ {
		for _, user := range users {
			fmt.Fprintf(&lines, "%s\n", trackedEvent{user: user, number: number}.call(t))
		}
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = file.Write(lines.Bytes())
	require.NoError(t, err)
	require.NoError(t, file.Close())
}
