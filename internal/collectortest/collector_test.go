// SPDX-License-Identifier: Apache-2.0

package collectortest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMissingCollectorNamesItsTarget(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "builder-config.yaml"), nil, 0o600))
	t.Chdir(root)
	for name, target := range map[string]string{Default: "run make collector first: ", OTTL: "run make collector-ottl first: "} {
		_, err := Start(t.Context(), name, "collector.yaml")
		require.ErrorContains(t, err, target)
		_, err = Run(t.Context(), name, "validate")
		require.ErrorContains(t, err, target)
	}
}

func TestOutsideTheRepository(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Root()
	require.ErrorContains(t, err, "not inside the repository")
}

func TestStopReportsAnUncleanExit(t *testing.T) {
	t.Setenv("INPUT", os.DevNull)
	t.Setenv("OUTPUT", filepath.Join(t.TempDir(), "output.json"))
	c, err := Start(t.Context(), Default, filepath.Join("..", "..", "testdata", "demo", "collector.yaml"))
	require.NoError(t, err)
	require.NoError(t, c.Kill())
	require.ErrorContains(t, c.WaitUntil(t.Context(), "nothing", func() (bool, error) { return false, nil }),
		"waiting for nothing: it exited (signal: killed)")
	require.ErrorContains(t, c.Stop(), "the collector failed: signal: killed")
}
