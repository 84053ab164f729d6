// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// batchOf returns a batch with every user's event of this number.
func batchOf(t *testing.T, users []string, number int) []byte {
	t.Helper()
	var calls [][]byte
	for _, user := range users {
		calls = append(calls, trackedEvent{user: user, number: number}.call(t))
	}
	return slices.Concat([]byte("["), bytes.Join(calls, []byte(",")), []byte("]"))
}

// send sends every user's events numbered from up to, but not including, to: odd ones one by one, others as a batch.
func (c *cdp) send(t *testing.T, users []string, from, to int) {
	t.Helper()
	for number := from; number < to; number++ {
		if number%2 == 0 {
			c.deliver(t, batchOf(t, users, number))
			continue
		}
		for _, user := range users {
			c.deliver(t, trackedEvent{user: user, number: number}.call(t))
		}
	}
}

// TestWebhookBridge sends what Segment sends, forged and right. It kills the bridge during an outage and starts it again.
func TestWebhookBridge(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	c, sender := startWebhook(t, "segment", server)
	users := trackedUsers(10)

	sender.assertForgeriesRefused(t, []byte(`[{"type":"track","event":"forged","userId":"user-0000","messageId":"forged"}]`))
	sender.send(t, users, 0, 8)
	// A sender that got no answer sends the same again.
	sender.send(t, users, 4, 8)
	assertKnown(t, c, server, users, 8)

	server.AnswerAll(unavailable)
	before := server.Counts()
	sender.send(t, users, 8, 12)
	require.NoError(t, c.WaitForCounts(t.Context(), server, func(counts amplitudetest.Counts) bool { return counts.Requests > before.Requests }))
	require.NoError(t, c.Kill())

	server.AnswerUsually()
	require.NoError(t, c.Restart(t.Context()))
	assertKnown(t, c, server, users, 12)
	require.NoError(t, c.Stop())
	assert.NotContains(t, c.Logs(), "canary")
}

// TestWebhookBridgeWithAFullQueue sends to a bridge whose queue is full, as a sender that repeats what was answered with 503.
func TestWebhookBridgeWithAFullQueue(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	c, sender := startWebhook(t, "segment", server, "QUEUE_SIZE=10000")
	users := trackedUsers(1000)
	server.AnswerAll(unavailable)
	number, refused := 0, ""
	for ; refused == ""; number++ {
		require.Less(t, number, 100, "the queue is never full")
		if status, answer := sender.post(t, batchOf(t, users, number)); status != http.StatusOK {
			require.Equal(t, http.StatusServiceUnavailable, status, answer)
			refused = answer
		}
	}
	assert.Contains(t, refused, `"reason":"max_wait"`)

	server.AnswerUsually()
	body := batchOf(t, users, number-1)
	require.NoError(t, c.WaitUntil(t.Context(), "room in the queue", func() (bool, error) {
		status, _ := sender.post(t, body)
		return status == http.StatusOK, nil
	}))
	assertKnown(t, c, server, users, number)
	require.NoError(t, c.Stop())
}

const webhookWithAuth = `
receivers:
  cdp_webhook:
    endpoint: "${env:WEBHOOK_ENDPOINT}"
    sources:
      basic: {path: /basic, auth: {authenticator: basicauth}}
      bearer: {path: /bearer, auth: {authenticator: bearertokenauth}}
exporters: {debug: {}}
extensions:
  basicauth: {htpasswd: {inline: "user:password"}}
  bearertokenauth: {token: token}
  health_check: {endpoint: "${env:HEALTH_ENDPOINT}"}
service:
  extensions: [basicauth, bearertokenauth, health_check]
  telemetry: {metrics: {level: none}}
  pipelines: {logs: {receivers: [cdp_webhook], exporters: [debug]}}
`

// TestWebhookWithAuth protects the receiver, and each of its sources, by the collector's extensions for it.
func TestWebhookWithAuth(t *testing.T) {
	const basic, bearer, wrong = "Basic dXNlcjpwYXNzd29yZA==", "Bearer token", "Bearer other"
	for name, test := range map[string]struct {
		flags   []string
		accepts map[string]string
	}{
		"sources":         {nil, map[string]string{"/basic": basic, "/bearer": bearer}},
		"source and both": {[]string{"--config=yaml:receivers::cdp_webhook::auth::authenticator: bearertokenauth"}, map[string]string{"/bearer": bearer}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := filepath.Join(t.TempDir(), "collector.yaml")
			require.NoError(t, os.WriteFile(config, []byte(webhookWithAuth), 0o600))
			endpoint, err := collectortest.FreeEndpoint(t.Context())
			require.NoError(t, err)
			c, err := collectortest.StartWithFlags(t.Context(), collectortest.Default, config, test.flags, "WEBHOOK_ENDPOINT="+endpoint)
			require.NoError(t, err)
			for _, path := range []string{"/basic", "/bearer"} {
				for _, authorization := range []string{basic, bearer, wrong, ""} {
					want := http.StatusUnauthorized
					if authorization != "" && authorization == test.accepts[path] {
						want = http.StatusOK
					}
					sender := &cdp{url: "http://" + endpoint + path, authorization: authorization}
					status, answer := sender.post(t, []byte("{}"))
					assert.Equal(t, want, status, "%s %s: %s", path, authorization, answer)
				}
			}
			require.NoError(t, c.Stop())
		})
	}
}

const webhookWithLimiter = `
receivers: {cdp_webhook: {endpoint: "${env:WEBHOOK_ENDPOINT}", sources: {cdp: {path: /cdp}}}}
processors: {memory_limiter: {check_interval: 100ms, limit_mib: 1}}
exporters: {debug: {}}
extensions: {health_check: {endpoint: "${env:HEALTH_ENDPOINT}"}}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines: {logs: {receivers: [cdp_webhook], processors: [memory_limiter], exporters: [debug]}}
`

// TestWebhookBehindMemoryLimiter sends to a collector that always has less memory than it wants.
func TestWebhookBehindMemoryLimiter(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "collector.yaml")
	require.NoError(t, os.WriteFile(config, []byte(webhookWithLimiter), 0o600))
	endpoint, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	c, err := collectortest.Start(t.Context(), collectortest.Default, config, "WEBHOOK_ENDPOINT="+endpoint)
	require.NoError(t, err)
	sender := &cdp{url: "http://" + endpoint + "/cdp"}
	var answer string
	require.NoError(t, c.WaitUntil(t.Context(), "a refusal", func() (bool, error) {
		var status int
		status, answer = sender.post(t, []byte("{}"))
		return status == http.StatusServiceUnavailable, nil
	}))
	assert.Contains(t, answer, `"reason":"retryable_error"`)
	require.NoError(t, c.Stop())
}
