// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// sdk is an SDK under test. js/<name>.mjs connects it to the scenario.
type sdk struct {
	name, npm, preset string
	// modes are the ways in which it sends events, each a run and a recording of its own: "single" is a request for each event,
	// "batch" several events in a request.
	modes []string
}

var sdks = []sdk{
	{name: "amplitude-node", npm: "@amplitude/analytics-node", preset: "amplitude", modes: []string{"single", "batch"}},
	{name: "customerio-node", npm: "@customerio/cdp-analytics-node", preset: "customerio", modes: []string{"single", "batch"}},
	{name: "posthog-node", npm: "posthog-node", preset: "posthog", modes: []string{"single", "batch"}},
	{name: "rudderstack-node", npm: "@rudderstack/rudder-sdk-node", preset: "rudderstack", modes: []string{"single", "batch"}},
	{name: "segment-node", npm: "@segment/analytics-node", preset: "segment", modes: []string{"single", "batch"}},
	{name: "segment-webhook", npm: "@segment/action-destinations", preset: "segment", modes: []string{"single", "batch"}},
}

// version returns the version of the SDK that is installed.
func (c *testCase) version() (string, error) {
	text, err := os.ReadFile(filepath.Join(c.scripts, "node_modules", filepath.FromSlash(c.sdk.npm), "package.json"))
	if err != nil {
		return "", err
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		return "", fmt.Errorf("%s: %w", c.sdk.npm, err)
	}
	return manifest.Version, nil
}
