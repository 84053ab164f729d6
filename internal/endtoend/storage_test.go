// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/configtest"
)

// TestNoConfigurationCompactsItsStorage: compaction replaces the file and its lock, so that two collectors that start on one
// directory at once both run, each with a file of its own, and one file is lost.
func TestNoConfigurationCompactsItsStorage(t *testing.T) {
	root, err := collectortest.Root()
	require.NoError(t, err)
	storages := configtest.Component{Section: "extensions", Type: "file_storage"}
	found := storages.InFolder(t, root)
	for _, file := range markdownFiles(t, root) {
		maps.Copy(found, storages.InMarkdown(t, file))
	}
	require.NotEmpty(t, found)
	for place, config := range found {
		settings, _ := config.(map[string]any)
		compaction, _ := settings["compaction"].(map[string]any)
		assert.NotContains(t, compaction, "on_start", place)
		assert.NotContains(t, compaction, "on_rebound", place)
	}
}

// TestTheStorageOfTheProductionBridge: the exporter learns where the files are, and which exporters there are, from parts of the
// collector that have no promise to stay.
func TestTheStorageOfTheProductionBridge(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	server.AnswerAll(unavailable)
	storage := filepath.Join(t.TempDir(), "storage")
	c := startBridge(t, "bridge/production", server, "STORAGE="+storage)
	send(t, c, trackedUsers(1), 0, 3)
	file := filepath.Join(storage, "exporter_amplitude__logs")
	_, err := collectortest.Start(t.Context(), collectortest.Default, bridgeConfig(t, "bridge/production"), "AMPLITUDE_API_KEY=any", "STORAGE="+storage)
	require.ErrorContains(t, err, file+" can't be opened; if the disk is full, make room, and if another collector uses it, give each its own")
	require.NoError(t, c.Kill())
	content, err := os.ReadFile(file)
	require.NoError(t, err)

	orphan := filepath.Join(storage, "exporter_amplitude_renamed_logs")
	require.NoError(t, os.WriteFile(orphan, content, 0o600))
	require.NoError(t, c.Restart(t.Context()))
	assert.Contains(t, c.Logs(), "belongs to no exporter")
	assert.Contains(t, c.Logs(), orphan)
	assert.NotContains(t, c.Logs(), strconv.Quote(file))

	require.NoError(t, os.RemoveAll(storage))
	assert.Equal(t, http.StatusServiceUnavailable, post(t, c, "application/json", []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}`)))
	require.NoError(t, c.WaitUntil(t.Context(), "the log of the removed file", func() (bool, error) {
		return strings.Contains(c.Logs(), file+" was removed"), nil
	}))
	server.AnswerUsually()
	assertKnown(t, c, server, trackedUsers(1), 3)
	require.NoError(t, c.Stop())

	// All pages but the first ones.
	require.NoError(t, os.MkdirAll(storage, 0o700))
	for at := 2 * os.Getpagesize(); at < len(content); at += os.Getpagesize() {
		content[at] ^= 1
	}
	require.NoError(t, os.WriteFile(file, content, 0o600))
	require.ErrorContains(t, c.Restart(t.Context()), file+" is damaged: page ")
}
