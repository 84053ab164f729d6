// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// validate runs the validate command on each configuration in a folder of testdata/config.
func validate(t *testing.T, folder string, check func(t *testing.T, config, printed string, err error)) {
	t.Helper()
	configs, err := filepath.Glob(testdata("config", folder, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, configs)
	for _, config := range configs {
		t.Run(strings.TrimSuffix(filepath.Base(config), ".yaml"), func(t *testing.T) {
			t.Parallel()
			// Reading the file tells Go's test cache that the test depends on it.
			_, err := os.ReadFile(config)
			require.NoError(t, err)
			printed, err := collectortest.Run(t.Context(), collectortest.Default, "validate", "--config", config)
			check(t, config, printed, err)
		})
	}
}

func TestValidateAcceptsGoodConfigs(t *testing.T) {
	validate(t, "valid", func(t *testing.T, _, printed string, err error) {
		t.Helper()
		require.NoError(t, err)
		assert.Empty(t, printed)
	})
}

// TestValidateReportsEachFault asserts that one run reports every fault of a configuration. The .txt file beside the
// configuration has one line per fault: the key, its value, and what is allowed.
func TestValidateReportsEachFault(t *testing.T) {
	validate(t, "invalid", func(t *testing.T, config, printed string, err error) {
		t.Helper()
		var failed *exec.ExitError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, 1, failed.ExitCode())
		faults, err := os.ReadFile(strings.TrimSuffix(config, ".yaml") + ".txt")
		require.NoError(t, err)
		for fault := range bytes.Lines(bytes.TrimSpace(faults)) {
			assert.Contains(t, printed, string(bytes.TrimSpace(fault)))
		}
	})
}

// TestStartRefusesBadConfig starts a collector without running validate first.
func TestStartRefusesBadConfig(t *testing.T) {
	t.Parallel()
	_, err := collectortest.Start(t.Context(), collectortest.Default, testdata("config", "invalid", "unknown-preset.yaml"))
	require.ErrorContains(t, err, "exit status 1")
	require.ErrorContains(t, err, `layouts[1].preset: "segmnt" is not known; allowed: amplitude, customerio,`)
}

// TestStartRefusesPooling: with this feature gate, pdata reuses the memory of records that still wait in queues.
func TestStartRefusesPooling(t *testing.T) {
	t.Parallel()
	for config, component := range map[string]string{"defaults.yaml": `"impression`, "amplitude-defaults.yaml": `"amplitude`, "webhook-defaults.yaml": `"cdp_webhook`} {
		_, err := collectortest.StartWithFlags(t.Context(), collectortest.Default, testdata("config", "valid", config),
			[]string{"--feature-gates=pdata.useProtoPooling"})
		require.ErrorContains(t, err, "exit status 1")
		require.ErrorContains(t, err, "failed to start "+component)
		require.ErrorContains(t, err, "remove it from --feature-gates")
	}
}
