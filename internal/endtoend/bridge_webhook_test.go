// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Segment's algorithm
	"encoding/base64"
	"encoding/hex"
	"io"
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

// segment posts events to a bridge as Segment does.
type segment struct {
	url, secret, authorization string
}

// post sends a body whose first event is signed, and returns the answer.
func (s *segment) post(t *testing.T, first, body []byte) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, bytes.NewReader(body))
	require.NoError(t, err)
	mac := hmac.New(sha1.New, []byte(s.secret))
	mac.Write(first)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Signature", hex.EncodeToString(mac.Sum(nil)))
	request.Header.Set("Authorization", s.authorization)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

// batchOf returns a batch with every user's event of this number, and its first event as it is in the batch.
func batchOf(t *testing.T, users []string, number int) (body, first []byte) {
	t.Helper()
	var calls [][]byte
	for _, user := range users {
		calls = append(calls, trackedEvent{user: user, number: number}.call(t))
	}
	return slices.Concat([]byte("["), bytes.Join(calls, []byte(",")), []byte("]")), calls[0]
}

// send sends every user's events numbered from up to, but not including, to: odd ones one by one, others as a batch.
func (s *segment) send(t *testing.T, users []string, from, to int) {
	t.Helper()
	accept := func(first, body []byte) {
		status, answer := s.post(t, first, body)
		require.Equal(t, http.StatusOK, status, answer)
		require.Equal(t, `{"success":true,"code":200}`, answer)
	}
	for number := from; number < to; number++ {
		if number%2 == 0 {
			body, first := batchOf(t, users, number)
			accept(first, body)
			continue
		}
		for _, user := range users {
			call := trackedEvent{user: user, number: number}.call(t)
			accept(call, call)
		}
	}
}

// TestWebhookBridge sends what Segment sends, forged and right. It kills the bridge during an outage and starts it again.
func TestWebhookBridge(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	endpoint, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	sender := &segment{url: "http://" + endpoint + "/segment", secret: "canary-secret", authorization: "Bearer canary-header"}
	c := startBridge(t, "webhook", server,
		"WEBHOOK_ENDPOINT="+endpoint, "SEGMENT_SECRET="+sender.secret, "SEGMENT_AUTHORIZATION="+sender.authorization)
	users := trackedUsers(10)

	forged := []byte(`[{"type":"track","event":"forged","userId":"user-0000","messageId":"forged"}]`)
	for _, forger := range []segment{
		{url: sender.url, secret: "other", authorization: sender.authorization},
		{url: sender.url, secret: sender.secret, authorization: "other"},
	} {
		status, _ := forger.post(t, forged[1:len(forged)-1], forged)
		require.Equal(t, http.StatusUnauthorized, status)
	}
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
	endpoint, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	sender := &segment{url: "http://" + endpoint + "/segment", secret: "secret", authorization: "Bearer header"}
	c := startBridge(t, "webhook", server,
		"WEBHOOK_ENDPOINT="+endpoint, "SEGMENT_SECRET="+sender.secret, "SEGMENT_AUTHORIZATION="+sender.authorization, "QUEUE_SIZE=10000")
	users := trackedUsers(1000)
	server.AnswerAll(unavailable)
	number, refused := 0, ""
	for ; refused == ""; number++ {
		require.Less(t, number, 100, "the queue is never full")
		body, first := batchOf(t, users, number)
		if status, answer := sender.post(t, first, body); status != http.StatusOK {
			require.Equal(t, http.StatusServiceUnavailable, status, answer)
			refused = answer
		}
	}
	assert.Contains(t, refused, `"reason":"max_wait"`)

	server.AnswerUsually()
	body, first := batchOf(t, users, number-1)
	require.NoError(t, c.WaitUntil(t.Context(), "room in the queue", func() (bool, error) {
		status, _ := sender.post(t, first, body)
		return status == http.StatusOK, nil
	}))
	assertKnown(t, c, server, users, number)
	require.NoError(t, c.Stop())
}

const webhookWithAuth = `
receivers: {cdp_webhook: {endpoint: "${env:WEBHOOK_ENDPOINT}", auth: {authenticator: "${env:AUTHENTICATOR}"}, sources: {any: {path: /}}}}
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

// TestWebhookWithAuth protects the receiver by each of the collector's extensions for it.
func TestWebhookWithAuth(t *testing.T) {
	for authenticator, right := range map[string]string{
		"basicauth":       "Basic " + base64.StdEncoding.EncodeToString([]byte("user:password")),
		"bearertokenauth": "Bearer token",
	} {
		t.Run(authenticator, func(t *testing.T) {
			t.Parallel()
			config := filepath.Join(t.TempDir(), "collector.yaml")
			require.NoError(t, os.WriteFile(config, []byte(webhookWithAuth), 0o600))
			endpoint, err := collectortest.FreeEndpoint(t.Context())
			require.NoError(t, err)
			c, err := collectortest.Start(t.Context(), collectortest.Default, config, "WEBHOOK_ENDPOINT="+endpoint, "AUTHENTICATOR="+authenticator)
			require.NoError(t, err)
			for authorization, want := range map[string]int{right: http.StatusOK, right + "x": http.StatusUnauthorized, "": http.StatusUnauthorized} {
				sender := &segment{url: "http://" + endpoint, authorization: authorization}
				status, answer := sender.post(t, nil, []byte("{}"))
				assert.Equal(t, want, status, answer)
			}
			require.NoError(t, c.Stop())
		})
	}
}
