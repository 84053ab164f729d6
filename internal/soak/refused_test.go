// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// forbidden is the answer of a firewall.
var forbidden = amplitudetest.Answer{Status: http.StatusForbidden, Body: "<html><h1>403 Forbidden</h1></html>"}

// isDisliked reports whether the firewall refuses an event: each attacker's events are refused now and then.
func isDisliked(e *amplitudetest.Event) bool {
	if !strings.Contains(e.UserID+e.DeviceID, "attacker") || e.Type == "$identify" {
		return false
	}
	number, _ := numberOf(e)
	return number%10 == 4
}

// firewallScenario has a firewall refuse some people's events for their content, and now and then refuse everything.
func firewallScenario(t *testing.T, size size) {
	t.Helper()
	// Compact requests have no events.
	server := amplitudetest.Start(t)
	var refusesAll atomic.Bool
	server.AnswerFunc(func(request *amplitudetest.Request) (amplitudetest.Answer, bool) {
		isRefused := slices.ContainsFunc(request.Events, func(e amplitudetest.Event) bool { return isDisliked(&e) })
		return forbidden, refusesAll.Load() || isRefused
	})
	b := startBridge(t, server, "health.yaml")
	visitors, attackers := newPeople("visitor", 100), newPeople("attacker", 5)
	s := newSender(b)
	for range size.kills {
		for range size.records / len(visitors) / size.kills {
			require.NoError(t, s.send(t.Context(), batch(slices.Concat(attackers, visitors), 0)))
		}
		refusesAll.Store(true)
		require.NoError(t, s.send(t.Context(), batch(visitors, 0)))
		b.waitForHealth(t, "StatusRecoverableError")
		refusesAll.Store(false)
	}
	require.NoError(t, s.send(t.Context(), finalBatch(attackers)))
	// Events are dropped only after others were accepted.
	background, stop := context.WithCancel(t.Context())
	sent := make(chan error)
	go func() { sent <- s.sendAtRate(background, newPeople("other", 100), 100, time.Hour) }()
	disliked := 0
	for _, p := range attackers {
		for number := range p.sent {
			if number%10 == 4 {
				disliked++
			}
		}
	}
	result := b.waitForAll(t, visitors, maxWait)
	require.NoError(t, b.WaitUntil(t.Context(), "the events of attackers", func() (bool, error) {
		return summaryOf(attackers, server).lost <= disliked, nil
	}))
	stop()
	require.ErrorIs(t, <-sent, context.Canceled)
	refused := summaryOf(attackers, server)
	reportf(t, "a firewall, and %d times everything refused: %s; of people whose events the firewall refuses: %s; %d events that it refuses",
		size.kills, result, refused, disliked)
	result.assertPerfect(t)
	assert.Equal(t, disliked, refused.lost, "events that the firewall refuses")
	assert.Zero(t, refused.outOfOrder, "out of order")
	assert.Zero(t, refused.duplicated, "duplicated")
}

// notAmplitude returns answers of proxies, login pages, and wrong servers.
func notAmplitude() []amplitudetest.Answer {
	var answers []amplitudetest.Answer
	bodies := []string{"", "<html>Sign in</html>", "null", "{}", `{"code":400}`, `{"code":"200"}`, `[{"code":200}]`, `{"success":true}`, `{"code":200`}
	for _, status := range []int{200, 202, 204, 400} {
		for _, body := range bodies {
			answers = append(answers, amplitudetest.Answer{Status: status, Body: body})
		}
	}
	for _, status := range []int{301, 302, 403, 404, 407, 413, 500, 511} {
		answers = append(answers, amplitudetest.Answer{Status: status, Body: "<html>"})
	}
	return append(answers, amplitudetest.Answer{Status: 200, Body: `{"code":200,"events_ingested":1}`, Cut: true}, amplitudetest.Answer{Reset: true})
}

// notAmplitudeScenario has something else than Amplitude answer for a while, again and again.
func notAmplitudeScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	b := startBridge(t, server, "bridge.yaml")
	people := newPeople("lucky", 100)
	s := newSender(b)
	answers := notAmplitude()
	number := min(size.kills, len(answers))
	for i := range number {
		server.AnswerAll(answers[i*len(answers)/number])
		require.NoError(t, s.sendAtRate(t.Context(), people, size.rate, size.length))
		server.AnswerUsually()
	}
	result := b.waitForAll(t, people, maxWait)
	reportf(t, "%d answers that aren't Amplitude's, %s each: %s", number, size.length, result)
	result.assertPerfect(t)
}

// tooLargeForAWhileScenario has everything refused as too large for a while.
func tooLargeForAWhileScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.AnswerAll(amplitudetest.Answer{Status: http.StatusRequestEntityTooLarge})
	b := startBridge(t, server, "health.yaml")
	people := newPeople("large", 100)
	require.NoError(t, newSender(b).sendInTurn(t.Context(), people, size.records, len(people), 0))
	b.waitForHealth(t, "StatusRecoverableError")
	before := server.Counts().Requests
	server.AnswerUsually()
	result := b.waitForAll(t, people, maxWait)
	requests := server.Counts().Requests - before
	reportf(t, "everything answered 413 in %d requests: %s; then %d requests", before, result, requests)
	result.assertPerfect(t)
	assert.LessOrEqual(t, requests, size.records/10, "requests once the limit is back")
}
