// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// orderScenario has five users who send constantly and a thousand who send now and then, spread over all lanes, while
// three in ten requests fail.
func orderScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.AnswerShare(0.3, unavailable)
	b := startBridge(t, server, "bridge.yaml")
	s := newSender(b)
	busy, quiet := newPeople("busy", 5), newPeople("quiet", 1000)
	var running sync.WaitGroup
	send := func(people []*person, records, perBatch int) {
		running.Go(func() {
			if err := s.sendInTurn(t.Context(), people, records, perBatch, 0); err != nil {
				t.Error(err)
			}
		})
	}
	began := time.Now()
	for i := range busy {
		send(busy[i:i+1], size.records, 1)
	}
	send(quiet, 4*size.records, 20)
	running.Wait()
	everyone := slices.Concat(busy, quiet)
	result := b.waitForAll(t, everyone, maxWait)
	reportf(t, "8 lanes, 30 %% of requests answered 503: %s; took %.1f s", result, time.Since(began).Seconds())
	result.assertPerfect(t)
}
