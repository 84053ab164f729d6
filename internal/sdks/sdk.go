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
	inBrowser         bool
	// modes are the ways in which it sends events, each a run and a recording of its own: "single" is a request for each event,
	// "batch" several events in a request, and "beacon" what is sent when the user leaves the page.
	modes []string
}

var allModes = []string{"single", "batch", "beacon"}

var sdks = []sdk{
	{name: "amplitude-browser", npm: "@amplitude/analytics-browser", preset: "amplitude", inBrowser: true, modes: allModes},
	{name: "amplitude-node", npm: "@amplitude/analytics-node", preset: "amplitude", modes: []string{"single", "batch"}},
	{name: "customerio-browser", npm: "@customerio/cdp-analytics-browser", preset: "customerio", inBrowser: true, modes: allModes},
	{name: "customerio-node", npm: "@customerio/cdp-analytics-node", preset: "customerio", modes: []string{"single", "batch"}},
	{name: "hightouch-browser", npm: "@ht-sdks/events-sdk-js-browser", preset: "hightouch", inBrowser: true, modes: allModes},
	{name: "jitsu-browser", npm: "@jitsu/js", preset: "jitsu", inBrowser: true, modes: []string{"single"}},
	{name: "jitsu-node", npm: "@jitsu/js", preset: "jitsu", modes: []string{"single"}},
	{name: "mparticle-browser", npm: "@mparticle/web-sdk", preset: "mparticle", inBrowser: true, modes: allModes},
	{name: "otel-browser", npm: "@opentelemetry/sdk-logs", preset: "otel", inBrowser: true, modes: []string{"single", "batch"}},
	{name: "otel-node", npm: "@opentelemetry/sdk-logs", preset: "otel", modes: []string{"single", "batch"}},
	{name: "posthog-browser", npm: "posthog-js", preset: "posthog", inBrowser: true, modes: allModes},
	{name: "posthog-node", npm: "posthog-node", preset: "posthog", modes: []string{"single", "batch"}},
	{name: "rudderstack-browser", npm: "@rudderstack/analytics-js", preset: "rudderstack", inBrowser: true, modes: allModes},
	{name: "rudderstack-node", npm: "@rudderstack/rudder-sdk-node", preset: "rudderstack", modes: []string{"single", "batch"}},
	{name: "segment-browser", npm: "@segment/analytics-next", preset: "segment", inBrowser: true, modes: allModes},
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
