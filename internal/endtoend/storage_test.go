// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
