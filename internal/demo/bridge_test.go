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

func bridgeFolder(t *testing.T) string {
	t.Helper()
	return copyOf(t, filepath.Join("..", "..", "testdata", "demo", "bridge"))
}

func bridgeEvents() string {
	return filepath.Join("..", "..", "testdata", "demo", eventsFile)
}

func TestBridgeShowsWhatAmplitudeKnows(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, runBridge(t.Context(), strings.NewReader("\n"), &out, bridgeFolder(t), bridgeEvents(), false))

	for _, part := range []string{
		"The inspector shows what became of the events: http://127.0.0.1:",
		"The 20 lines of ",
		"events: 26, ",
		`
device e07a5b68-1d93-4f7c-a2e4-6b9f08c1d357
  user property  [Experiment] hero-image  beach
  user property  initial_referrer         https://shop.example.com/
  user property  referrer                 https://shop.example.com/
  event          $identify                $set: {"[Experiment] hero-image":"beach"}
`,
		`
user user-1042
  user property  [Experiment] free-shipping-banner  threshold-50
  user property  initial_referrer                   https://shop.example.com/
`,
		"\n4 users and devices: the same as in testdata/demo/bridge/expected.ndjson\n",
	} {
		assert.Contains(t, out.String(), part)
	}
}

func TestBridgeFailsIfAmplitudeKnowsSomethingElse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file, from, to string
		fault                string
	}{
		{
			name: "another user property", file: "expected.ndjson", from: `"user_properties":{"[Experiment] hero-image":"beach",`,
			to:    `"user_properties":{"[Experiment] hero-image":"city",`,
			fault: `  user_properties["[Experiment] hero-image"]: expected city, got beach`,
		},
		{
			name: "no processor", file: "collector.yaml", from: "processors: [impression]", to: "processors: []",
			fault: "  event_type: expected $identify, got [Experiment] Impression",
		},
		{
			name: "a collector that fails to start", file: "collector.yaml", from: "    api_key: ${env:AMPLITUDE_API_KEY}\n", to: "    lanes: 2\n",
			fault: "api_key: missing",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder := bridgeFolder(t)
			change(t, filepath.Join(folder, test.file), test.from, test.to)
			require.ErrorContains(t, runBridge(t.Context(), strings.NewReader("\n"), &bytes.Buffer{}, folder, bridgeEvents(), false), test.fault)
		})
	}
}

func TestBridgeUpdatesTheExpectedFile(t *testing.T) {
	t.Parallel()
	folder := bridgeFolder(t)
	expected := filepath.Join(folder, "expected.ndjson")
	committed, err := os.ReadFile(expected)
	require.NoError(t, err)
	require.NoError(t, os.Remove(expected))

	require.NoError(t, runBridge(t.Context(), strings.NewReader("\n"), &bytes.Buffer{}, folder, bridgeEvents(), true))

	updated, err := os.ReadFile(expected)
	require.NoError(t, err)
	assert.Equal(t, string(committed), string(updated))
}
