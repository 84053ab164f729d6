// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// tooLargeScenario has a server that takes less than Amplitude, as behind a proxy with a limit of its own, and events of
// all sizes, three of them larger than that.
func tooLargeScenario(t *testing.T, size size) {
	t.Helper()
	const limit = 256 << 10
	server := startAmplitude(t)
	server.SetLimits(amplitudetest.Limits{Bytes: limit})
	// How many requests are ideal depends on how much is there to be sent at once: all of it.
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
	settled := b.settle(t, people, patience)
	counts := server.Counts()
	ideal := float64(bytesIngested(server)) / limit
	alone := refusedAlone(server)
	tell(t, "requests of at most %d KiB: %s; %d requests, %.1f times the ideal number, %d answered 413; %d events refused alone",
		limit>>10, settled, counts.Requests, float64(counts.Requests)/ideal, counts.Answers[http.StatusRequestEntityTooLarge], alone)
	settled.assertPerfect(t)
	assert.Equal(t, 3, newAccount(large, server).lost, "lost of the large ones")
	assert.Equal(t, 3, alone, "refused alone")
	assert.LessOrEqual(t, float64(counts.Requests), 2*ideal, "requests")
}

func bytesIngested(server *amplitudetest.Server) int {
	sum := 0
	for _, request := range server.Requests() {
		if request.Ingested {
			sum += request.Bytes
		}
	}
	return sum
}

func refusedAlone(server *amplitudetest.Server) int {
	alone := 0
	for _, request := range server.Requests() {
		if request.Status == http.StatusRequestEntityTooLarge && request.EventCount == 1 {
			alone++
		}
	}
	return alone
}
