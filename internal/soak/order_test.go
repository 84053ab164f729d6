// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// orderScenario has five users who send all the time, and a thousand who send now and then, over all lanes, while three
// in ten requests fail.
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
	everybody := slices.Concat(busy, quiet)
	settled := b.settle(t, everybody, patience)
	tell(t, "8 lanes, 30 %% of requests answered 503: %s; %.1f s", settled, time.Since(began).Seconds())
	settled.assertPerfect(t)
}
