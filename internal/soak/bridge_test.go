// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// maxWait bounds waits that have no limit of their own. With the race detector on a busy machine, everything takes long.
const maxWait = 2 * time.Minute

var unavailable = amplitudetest.Answer{Status: http.StatusServiceUnavailable}

const apiKey = "0123456789abcdef0123456789abcdef"

// bridge is a collector that sends to a fake Amplitude.
type bridge struct {
	*collectortest.Collector
	amplitude *amplitudetest.Server
}

// startAmplitude starts a server that keeps only what the tests need of each event.
func startAmplitude(t *testing.T) *amplitudetest.Server {
	t.Helper()
	return amplitudetest.Start(t, amplitudetest.WithCompact("number"))
}

// startBridge starts a collector with a configuration in testdata/soak, connected to the server.
func startBridge(t *testing.T, server *amplitudetest.Server, config string, variables ...string) *bridge {
	t.Helper()
	b := startCollector(t, config, append([]string{"AMPLITUDE_ENDPOINT=" + server.URL(amplitude.HTTPV2)}, variables...)...)
	b.amplitude = server
	return b
}

// startBridgeWithMetrics starts a collector with its queue in a folder, and returns the URL of its metrics.
func startBridgeWithMetrics(t *testing.T, server *amplitudetest.Server, variables ...string) (b *bridge, metrics string) {
	t.Helper()
	endpoint, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(endpoint)
	require.NoError(t, err)
	return startBridge(t, server, "metrics.yaml", append(variables, "METRICS_PORT="+port)...), "http://" + endpoint + "/metrics"
}

// gates lists the feature gates that configurations need.
var gates = map[string][]string{"health.yaml": {"--feature-gates=extension.healthcheck.useComponentStatus"}}

// startCollector is like startBridge, but the caller provides the variable AMPLITUDE_ENDPOINT.
func startCollector(t *testing.T, config string, variables ...string) *bridge {
	t.Helper()
	variables = append([]string{"AMPLITUDE_API_KEY=" + apiKey, "STORAGE=" + t.TempDir()}, variables...)
	c, err := collectortest.StartWithFlags(t.Context(), collectortest.Default, configOf(t, config), gates[config], variables...)
	require.NoError(t, err)
	// The processor and the exporter have the same layouts.
	t.Cleanup(func() { assert.NotContains(t, c.Logs(), "give the exporter the processor's layouts") })
	return &bridge{Collector: c}
}

// startProduction starts the production bridge, connected to the server.
func startProduction(t *testing.T, server *amplitudetest.Server, flags []string, variables ...string) *bridge {
	t.Helper()
	root, err := collectortest.Root()
	require.NoError(t, err)
	grpc, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	c, err := collectortest.StartWithFlags(t.Context(), collectortest.Default,
		filepath.Join(root, "examples", "bridge", "production", "collector.yaml"), flags,
		append([]string{"AMPLITUDE_ENDPOINT=" + server.URL(amplitude.HTTPV2), "AMPLITUDE_API_KEY=" + apiKey, "OTLP_GRPC_ENDPOINT=" + grpc}, variables...)...)
	require.NoError(t, err)
	return &bridge{Collector: c, amplitude: server}
}

func configOf(t *testing.T, name string) string {
	t.Helper()
	root, err := collectortest.Root()
	require.NoError(t, err)
	return filepath.Join(root, "testdata", "soak", name)
}

// waitForAll waits until the server has all events of the people, and returns the result. It gives up if no more of them arrive
// within a time.
func (b *bridge) waitForAll(t *testing.T, people []*person, within time.Duration) summary {
	t.Helper()
	var last summary
	for progress := time.Now(); ; {
		began := time.Now()
		now := summaryOf(people, b.amplitude)
		switch {
		case now.lost == 0:
			return now
		case now.lost != last.lost:
			progress = time.Now()
		case time.Since(progress) > within:
			t.Log(b.Logs())
			return now
		}
		last = now
		// A summary of many events keeps the server from answering.
		select {
		case <-time.After(max(100*time.Millisecond, 5*time.Since(began))):
		case <-t.Context().Done():
			return now
		}
	}
}

// waitForCounts waits until the server's counts meet the condition.
func (b *bridge) waitForCounts(t *testing.T, condition func(amplitudetest.Counts) bool) {
	t.Helper()
	require.NoError(t, b.WaitForCounts(t.Context(), b.amplitude, condition))
}

// get returns the body of a page that the collector serves.
func (b *bridge) get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return string(page)
}

// waitForHealth waits until the health check extension reports the status.
func (b *bridge) waitForHealth(t *testing.T, status string) {
	t.Helper()
	err := b.WaitUntil(t.Context(), status, func() (bool, error) {
		return strings.Contains(b.get(t, "http://"+b.HealthEndpoint), `"status":"`+status+`"`), nil
	})
	require.NoError(t, err)
}

// reportf prints a line with the results of a scenario.
func reportf(t *testing.T, format string, values ...any) {
	t.Helper()
	_, err := fmt.Fprintf(t.Output(), format+"\n", values...)
	require.NoError(t, err)
}
