// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Segment's algorithm
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

const (
	// webhookBridge is the example that receives webhooks, by its path from testdata/soak.
	webhookBridge = "../../examples/webhook/segment/collector.yaml"
	// webhookMaxWait is its max_wait.
	webhookMaxWait = 3 * time.Second

	webhookSecret, webhookAuthorization = "canary-secret", "Bearer canary-authorization"
)

// webhookScenario has 200 senders that post signed calls as Segment and RudderStack do, one by one and in batches. It kills the
// collector again and again while three in ten requests to Amplitude fail, and once more while Amplitude is away and the queue is
// full.
func webhookScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.AnswerShare(0.3, unavailable)
	endpoint, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	b := startBridge(t, server, webhookBridge, "WEBHOOK_ENDPOINT="+endpoint, "QUEUE_SIZE=10000",
		"WEBHOOK_SECRET="+webhookSecret, "WEBHOOK_AUTHORIZATION="+webhookAuthorization)
	peak := 0
	restart := func() {
		peak = max(peak, memoryOf(t, b.PID()).peak)
		require.NoError(t, b.Kill())
		require.NoError(t, b.Restart(t.Context()))
	}
	w := startWebhooks(t, "http://"+endpoint+"/segment", 200, size.records)

	random := rand.New(rand.NewPCG(2, 0))
	for range size.kills {
		w.waitFor(t, b, acceptedWebhook, random.IntN(400))
		restart()
	}
	server.AnswerAll(unavailable)
	for range 2 {
		w.waitFor(t, b, "max_wait", 100)
		restart()
	}
	server.AnswerUsually()
	people := w.stop(t)
	result := b.waitForAll(t, people, maxWait)
	peak = max(peak, memoryOf(t, b.PID()).peak)
	reportf(t, "%d kills, 200 senders of webhooks, half of them of batches of %d: %s; answers: %v; %d deliveries failed three times; "+
		"slowest answer %s; peak memory %d MiB",
		size.kills+2, size.records, result, w.answers, w.failed, w.slowest.Round(time.Millisecond), peak>>20)
	result.assertPerfect(t)
	assert.LessOrEqual(t, peak, maxMemory)
	if !raceEnabled {
		assert.LessOrEqual(t, w.slowest, webhookMaxWait+time.Second)
	}
}

// webhooks are senders of webhooks.
type webhooks struct {
	url     string
	client  *http.Client
	people  []*person
	running *errgroup.Group
	ends    chan struct{}

	mutex sync.Mutex
	// answers counts answers by reason. Requests without an answer aren't in it.
	answers map[string]int
	// failed counts deliveries that weren't accepted in webhookTries tries.
	failed  int
	slowest time.Duration
}

const (
	webhookTries   = 3
	webhookTimeout = 10 * time.Second
	// webhookPause is the time between two requests of a sender, and before it tries again.
	webhookPause = time.Second
	// acceptedWebhook stands for the reason of a request that was accepted.
	acceptedWebhook = "accepted"
)

// startWebhooks starts senders, every other one with batches of this many events.
func startWebhooks(t *testing.T, url string, senders, batch int) *webhooks {
	t.Helper()
	w := &webhooks{
		url: url, client: &http.Client{Timeout: webhookTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: senders}},
		ends: make(chan struct{}), answers: map[string]int{},
	}
	var ctx context.Context
	w.running, ctx = errgroup.WithContext(t.Context())
	for i := range senders {
		people := newPeople(fmt.Sprintf("sender-%03d", i), 1+i%2*(batch-1))
		for _, p := range people {
			p.isOtel = false
		}
		w.people = append(w.people, people...)
		w.running.Go(func() error {
			// They don't all send at the same time.
			for pause := webhookPause * time.Duration(i) / time.Duration(senders); w.pause(ctx, pause); pause = webhookPause {
				if err := w.deliver(ctx, people); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return w
}

// pause waits, and reports whether the sender goes on.
func (w *webhooks) pause(ctx context.Context, length time.Duration) bool {
	select {
	case <-time.After(length):
		return true
	case <-w.ends:
	case <-ctx.Done():
	}
	return false
}

// deliver posts the next event of each of the people in one request until it is accepted. A CDP gives up after three tries; then
// it is the user who has it send the events again.
func (w *webhooks) deliver(ctx context.Context, people []*person) error {
	body, signature, err := webhookOf(people)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		isAccepted, err := w.post(ctx, body, signature)
		if isAccepted || err != nil {
			return err
		}
		if try == webhookTries {
			w.mutex.Lock()
			w.failed++
			w.mutex.Unlock()
		}
		select {
		case <-time.After(webhookPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// webhookOf returns a request's body with the next event of each of the people, and the signature of its first event.
func webhookOf(people []*person) (body []byte, signature string, err error) {
	var calls [][]byte
	for _, record := range batch(people, 0).ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		call, err := json.Marshal(record.Body().AsRaw())
		if err != nil {
			return nil, "", err
		}
		calls = append(calls, call)
	}
	body = calls[0]
	if len(calls) > 1 {
		body = fmt.Appendf(nil, "[%s]", bytes.Join(calls, []byte(",")))
	}
	return body, signatureOf(calls[0]), nil
}

func signatureOf(call []byte) string {
	mac := hmac.New(sha1.New, []byte(webhookSecret))
	mac.Write(call)
	return hex.EncodeToString(mac.Sum(nil))
}

// post posts a body, and reports whether it was accepted. It returns an error for an answer after which CDPs don't try again.
func (w *webhooks) post(ctx context.Context, body []byte, signature string) (isAccepted bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	request.Header.Set("X-Signature", signature)
	request.Header.Set("Authorization", webhookAuthorization)
	began := time.Now()
	response, err := w.client.Do(request)
	if err != nil {
		return false, nil //nolint:nilerr // the collector was killed, or took too long
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return false, nil //nolint:nilerr // it was killed
	}
	answer := struct{ Reason string }{acceptedWebhook}
	if err := json.Unmarshal(text, &answer); err != nil {
		return false, fmt.Errorf("%s: %w", text, err)
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.answers[answer.Reason]++
	w.slowest = max(w.slowest, time.Since(began))
	switch response.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusServiceUnavailable:
		return false, nil
	default:
		return false, fmt.Errorf("%s: %s", response.Status, text)
	}
}

// waitFor waits until this many more requests were answered with a reason.
func (w *webhooks) waitFor(t *testing.T, b *bridge, reason string, requests int) {
	t.Helper()
	count := func() int {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		return w.answers[reason]
	}
	want := count() + requests
	require.NoError(t, b.WaitUntil(t.Context(), fmt.Sprintf("%d answers %q", want, reason), func() (bool, error) { return count() >= want, nil }))
}

// stop stops the senders when their last events are accepted, and returns all people.
func (w *webhooks) stop(t *testing.T) []*person {
	t.Helper()
	close(w.ends)
	require.NoError(t, w.running.Wait())
	return w.people
}
