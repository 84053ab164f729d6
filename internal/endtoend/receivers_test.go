// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/configtest"
)

// TestExamplesDoNotSkipRecords checks the receivers of all examples. By default, both file_log and kafka go on without the
// records that a component behind them refuses, and kafka commits an offset before it hands the message on.
func TestExamplesDoNotSkipRecords(t *testing.T) {
	t.Parallel()
	configs, err := filepath.Glob(examples("*", "*", "collector.yaml"))
	require.NoError(t, err)
	files, topics := 0, 0
	for _, path := range configs {
		for id, receiver := range receivers(t, path) {
			switch kindOf(id) {
			case "file_log":
				files++
				assert.Equal(t, map[string]any{"enabled": true, "max_elapsed_time": "0s"}, receiver["retry_on_failure"], path)
			case "kafka":
				topics++
				assert.Equal(t, map[string]any{"after": true, "on_permanent_error": true}, receiver["message_marking"], path)
				backoff, _ := receiver["error_backoff"].(map[string]any)
				assert.Equal(t, true, backoff["enabled"], path)
				assert.Equal(t, "0s", backoff["max_elapsed_time"], path)
			}
		}
	}
	assert.NotZero(t, files)
	assert.NotZero(t, topics)
}

// readsFiles reports whether a configuration has a receiver of files.
func readsFiles(t *testing.T, path string) bool {
	t.Helper()
	for id := range receivers(t, path) {
		if kindOf(id) == "file_log" {
			return true
		}
	}
	return false
}

// kindOf returns the type of a component. The older name of file_log counts as its name.
func kindOf(id string) string {
	kind, _, _ := strings.Cut(id, "/")
	if kind == "filelog" {
		return "file_log"
	}
	return kind
}

// receivers returns the receivers of a configuration, by id.
func receivers(t *testing.T, path string) map[string]map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	config := configtest.Parse(t, string(text)).(map[string]any)
	found := map[string]map[string]any{}
	for id, receiver := range config["receivers"].(map[string]any) {
		found[id], _ = receiver.(map[string]any)
	}
	return found
}
