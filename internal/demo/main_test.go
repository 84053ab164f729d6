// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func demoFolder(t *testing.T) string {
	t.Helper()
	return copyOf(t, filepath.Join("..", "..", "testdata", "demo"))
}

// copyOf returns a copy of a folder that a test may change.
func copyOf(t *testing.T, folder string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), filepath.Base(folder))
	require.NoError(t, os.CopyFS(copied, os.DirFS(folder)))
	return copied
}

// change replaces the only occurrence of a text in a file.
func change(t *testing.T, path, from, to string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(data), from), "%s in %s", from, path)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(data), from, to, 1)), 0o600))
}

func TestDemoShowsBeforeAndAfter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, demoFolder(t), false))

	for _, part := range []string{
		`
   2  user-1042                                                    + $identify: set [Experiment] checkout-button to green
                      $impression                                  [Experiment] Impression
                        flag_key: checkout-button                    [Experiment] Flag Key: checkout-button
                        variant: green                               [Experiment] Variant: green
                        experiment_key: exp-7                        [Experiment] Experiment Key: exp-7
   3  user-1042       Product Viewed                               unchanged
`,
		`
  12  user-3150       $impression                                  [Experiment] Impression
                        flag_key: homepage-slots                     [Experiment] Flag Key: homepage-slots
                        variant: slot-2                              [Experiment] Variant: slot-2
                        metadata.flagType: mutual-exclusion-group    metadata.flagType: mutual-exclusion-group
                                                                   no user property update
`,
		`
  14  user-3150       $impression                                  unchanged
                        no flag_key                                  no flag_key
                        variant: semantic                            variant: semantic
`,
		`
user-1042                             [Experiment] checkout-button       green, blue, (unset)
`,
		"\n20 lines in, 28 records out: the same as in testdata/demo/expected.ndjson",
	} {
		assert.Contains(t, out.String(), part)
	}
}

func TestDemoFailsIfTheOutputDiffers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file, from, to string
		fault                string
	}{
		{
			name: "another value", file: "expected.ndjson", from: `"[Experiment] Variant":"green"`, to: `"[Experiment] Variant":"red"`,
			fault: "first in record 3:\n" +
				`  attributes["properties"]["[Experiment] Variant"]: expected red, got green`,
		},
		{
			name: "an unexpected value", file: "expected.ndjson", from: `,"user_properties":{"$set":{"[Experiment] checkout-button":"green"}}`,
			fault: `  attributes["user_properties"]["$set"]["[Experiment] checkout-button"]: expected nothing, got green`,
		},
		{
			name: "a missing record", file: "collector.yaml", from: "  impression:\n\n", to: "  impression:\n    unassigned: drop\n\n",
			fault: "line 10 is missing from the output; in its place is: ",
		},
		{
			name: "a missing update", file: "collector.yaml", from: "  impression:\n\n", to: "  impression:\n    user_properties:\n      emit: none\n\n",
			fault: `  event_name: expected $identify, got nothing`,
		},
		{
			name: "a collector that fails to start", file: "collector.yaml", from: "  impression:\n\n", to: "  impression:\n    unassigned: remove\n\n",
			fault: `unassigned: "remove" is not known; allowed: keep, drop`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder := demoFolder(t)
			change(t, filepath.Join(folder, test.file), test.from, test.to)
			require.ErrorContains(t, run(t.Context(), &bytes.Buffer{}, folder, false), test.fault)
		})
	}
}

func TestDemoUpdatesTheExpectedFile(t *testing.T) {
	t.Parallel()
	folder := demoFolder(t)
	committed, err := os.ReadFile(filepath.Join(folder, "expected.ndjson"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(folder, "expected.ndjson")))

	require.NoError(t, run(t.Context(), &bytes.Buffer{}, folder, true))

	updated, err := os.ReadFile(filepath.Join(folder, "expected.ndjson"))
	require.NoError(t, err)
	assert.Equal(t, string(committed), string(updated))
}
