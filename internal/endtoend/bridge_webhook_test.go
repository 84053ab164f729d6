// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Segment's algorithm
	"encoding/hex"
	"io"
	"net/http"
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

// send sends every user's events numbered from up to, but not including, to: odd ones one by one, others as a batch.
func (s *segment) send(t *testing.T, users []string, from, to int) {
	t.Helper()
	for number := from; number < to; number++ {
		var calls [][]byte
		for _, user := range users {
			calls = append(calls, trackedEvent{user: user, number: number}.call(t))
		}
		bodies := [][]byte{append(append([]byte("["), bytes.Join(calls, []byte(","))...), ']')}
		if number%2 == 1 {
			bodies = calls
		}
		for i, body := range bodies {
			status, answer := s.post(t, calls[i], body)
			require.Equal(t, http.StatusOK, status, answer)
			require.Equal(t, `{"success":true}`, answer)
		}
	}
}

// TestWebhookBridge sends what Segment sends, forged and right. It stops the bridge during an outage and starts it again.
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
	require.NoError(t, c.Stop())

	server.AnswerUsually()
	require.NoError(t, c.Restart(t.Context()))
	assertKnown(t, c, server, users, 12)
	require.NoError(t, c.Stop())
	assert.NotContains(t, c.Logs(), "canary")
}
