// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// errorsScenario has seven in ten requests fail while much is sent.
func errorsScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.AnswerShare(0.7, unavailable)
	b := startBridge(t, server, "bridge.yaml")
	people := newPeople("many", 1000)
	linesBefore := strings.Count(b.Logs(), "\n")
	began := time.Now()
	require.NoError(t, newSender(b).sendAtRate(t.Context(), people, size.rate, size.length))
	rate := float64(sentBy(people)) / time.Since(began).Seconds()

	server.AnswerUsually()
	ended := time.Now()
	settled := b.settle(t, people, patience)
	late := time.Since(ended)
	lines := strings.Count(b.Logs(), "\n") - linesBefore
	tell(t, "70 %% of requests answered 503 for %s at %.0f records/s: %s; all there %.1f s after, %d log lines in %.1f s",
		size.length, rate, settled, late.Seconds(), lines, time.Since(began).Seconds())
	settled.assertPerfect(t)
	assert.LessOrEqual(t, float64(lines), time.Since(began).Seconds()+1, "log lines")
	if !raceEnabled {
		assert.LessOrEqual(t, late, 10*time.Second)
	}
}

func sentBy(people []*person) int {
	sent := 0
	for _, p := range people {
		sent += p.sent
	}
	return sent
}

const mostMemory = 256 << 20

// outageScenario has Amplitude away for long, and the queue on disk grow.
func outageScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.AnswerAll(unavailable)
	b := startBridge(t, server, "bridge.yaml")
	people := newPeople("patient", 1000)
	require.NoError(t, newSender(b).sendAtRate(t.Context(), people, size.rate, size.length))
	inOutage := memoryOf(t, b.PID())

	mostAfter := watchMemory(t, b.PID())
	server.AnswerUsually()
	ended := time.Now()
	settled := b.settle(t, people, 5*patience)
	after := mostAfter()
	tell(t, "%s without Amplitude at %d records/s: %s; all there %.1f s after; peak memory %d MiB in the outage, %d MiB after and %d MiB of it not the queue's file",
		size.length, size.rate, settled, time.Since(ended).Seconds(), inOutage.peak>>20, after.peak>>20, after.anonymous>>20)
	settled.assertPerfect(t)
	assert.LessOrEqual(t, inOutage.peak, mostMemory, "in the outage")
	// The queue's file is mapped, and once all of it is read all of it is resident, until the system needs the memory.
	assert.LessOrEqual(t, after.anonymous, mostMemory, "after")
}

// memory is that of a process, in bytes; zero where the system does not tell.
type memory struct {
	// peak is the most that was ever resident, anonymous what is and belongs to no file.
	peak, anonymous int
}

// watchMemory returns a function that ends the watch, and returns the most that there was meanwhile.
func watchMemory(t *testing.T, pid int) (most func() memory) {
	t.Helper()
	done, result := make(chan struct{}), make(chan memory)
	go func() {
		var most memory
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			now := memoryOf(t, pid)
			most = memory{peak: max(most.peak, now.peak), anonymous: max(most.anonymous, now.anonymous)}
			select {
			case <-tick.C:
			case <-done:
				result <- most
				return
			}
		}
	}()
	return func() memory {
		close(done)
		return <-result
	}
}

func memoryOf(t *testing.T, pid int) memory {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return memory{}
	}
	if err != nil {
		t.Error(err)
	}
	var m memory
	for line := range strings.Lines(string(status)) {
		kibibytes := 0
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kibibytes); err == nil {
			m.peak = kibibytes << 10
		}
		if _, err := fmt.Sscanf(line, "RssAnon: %d kB", &kibibytes); err == nil {
			m.anonymous = kibibytes << 10
		}
	}
	return m
}
