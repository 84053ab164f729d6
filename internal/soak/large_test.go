// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// tooLargeScenario has a server with a smaller limit than Amplitude's, such as a proxy's, and events of all sizes. Three of
// them are over the limit.
func tooLargeScenario(t *testing.T, size size) {
	t.Helper()
	const limit = 256 << 10
	server := startAmplitude(t)
	server.SetLimits(amplitudetest.Limits{Bytes: limit})
	// Nothing is sent before all events are queued, so that the ideal number of requests is known.
	complete := make(chan struct{})
	server.AnswerFunc(func(*amplitudetest.Request) (amplitudetest.Answer, bool) {
		<-complete
		return amplitudetest.Answer{}, false
	})
	b := startBridge(t, server, "bridge.yaml")
	people, large := newPeople("mixed", 100), newPeople("large", 3)
	s := newSender(b)
	for sent := 0; sent < size.records; sent += len(people) {
		logs := batch(people, sent*7919%5000)
		if number := 4 * sent / size.records; 4*sent%size.records == 0 && number > 0 {
			batch(large[number-1:number], limit).ResourceLogs().MoveAndAppendTo(logs.ResourceLogs())
		}
		require.NoError(t, s.send(t.Context(), logs))
	}
	close(complete)
	result := b.waitForAll(t, people, maxWait)
	counts := server.Counts()
	ideal := float64(bytesIngested(server)) / limit
	alone := refusedAlone(server)
	reportf(t, "requests of at most %d KiB: %s; %d requests, %.1f times the ideal number; %d answered 413, %d of them with a single event",
		limit>>10, result, counts.Requests, float64(counts.Requests)/ideal, counts.Answers[http.StatusRequestEntityTooLarge], alone)
	result.assertPerfect(t)
	assert.Equal(t, 3, summaryOf(large, server).lost, "large events lost")
	// An event is refused once when it is found, and up to five times more before it is dropped.
	assert.LessOrEqual(t, alone, 3*(1+5), "single events refused")
	assert.LessOrEqual(t, float64(counts.Requests), 2*ideal, "requests")
}

// bytesIngested returns the total size of the requests that the server ingested.
func bytesIngested(server *amplitudetest.Server) int {
	sum := 0
	for _, request := range server.Requests() {
		if request.Ingested {
			sum += request.Bytes
		}
	}
	return sum
}

// refusedAlone returns how many requests with a single event were refused as too large.
func refusedAlone(server *amplitudetest.Server) int {
	alone := 0
	for _, request := range server.Requests() {
		if request.Status == http.StatusRequestEntityTooLarge && request.EventCount == 1 {
			alone++
		}
	}
	return alone
}
