// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

// TestRecipesWithOTTL runs each configuration in examples/ottl with the collector that includes the OTTL processors and
// the sampler. The input is input.yaml, a batch, or events.ndjson, one event per line. The output in ${env:OUTPUT} must
// equal expected.yaml, and the output in ${env:OUTPUT}-name must equal expected-name.yaml.
func TestRecipesWithOTTL(t *testing.T) {
	folders, err := filepath.Glob(examples("ottl", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	// All recipes would serve their metrics on the same port.
	t.Setenv("METRICS_LEVEL", "none")
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			assert.FileExists(t, filepath.Join(folder, "README.md"))
			expected, err := filepath.Glob(filepath.Join(folder, "expected*.yaml"))
			require.NoError(t, err)
			require.NotEmpty(t, expected)
			output := filepath.Join(t.TempDir(), "output.json")
			var outputs []string
			for _, path := range expected {
				suffix := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "expected"), ".yaml")
				outputs = append(outputs, output+suffix)
			}

			config := filepath.Join(folder, "collector.yaml")
			written := process(t, collectortest.OTTL, config, "OUTPUT="+output, recipeInput(t, folder), outputs...)
			for i, batches := range written {
				for _, logs := range batches {
					assertExpected(t, expected[i], logs)
				}
			}
		})
	}
}

// recipeInput reads the batch of a recipe, or makes a batch with one of the recipe's events as the body of each record.
func recipeInput(t *testing.T, folder string) plog.Logs {
	t.Helper()
	events, err := os.ReadFile(filepath.Join(folder, "events.ndjson"))
	if os.IsNotExist(err) {
		return readLogs(t, filepath.Join(folder, "input.yaml"))
	}
	require.NoError(t, err)
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	parser := jsonvalue.NewParser(jsonvalue.Limits{MaxDepth: 40, MaxBytes: len(events)})
	for line := range bytes.Lines(events) {
		require.NoError(t, parser.Parse(string(line), records.AppendEmpty().Body()))
	}
	return logs
}
