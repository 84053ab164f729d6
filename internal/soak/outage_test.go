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

// errorsScenario sends events at a high rate while seven in ten requests fail.
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
	result := b.waitForAll(t, people, maxWait)
	late := time.Since(ended)
	lines := strings.Count(b.Logs(), "\n") - linesBefore
	reportf(t, "70 %% of requests answered 503 for %s at %.0f records/s: %s; complete %.1f s later; %d log lines in %.1f s",
		size.length, rate, result, late.Seconds(), lines, time.Since(began).Seconds())
	result.assertPerfect(t)
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

const maxMemory = 256 << 20

// outageScenario has a long outage of Amplitude, during which the queue on disk grows.
func outageScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	server.AnswerAll(unavailable)
	b := startBridge(t, server, "bridge.yaml")
	people := newPeople("patient", 1000)
	require.NoError(t, newSender(b).sendAtRate(t.Context(), people, size.rate, size.length))
	inOutage := memoryOf(t, b.PID())

	peakAfter := watchMemory(t, b.PID())
	server.AnswerUsually()
	ended := time.Now()
	result := b.waitForAll(t, people, 5*maxWait)
	after := peakAfter()
	reportf(t, "outage of %s at %d records/s: %s; complete %.1f s later; peak memory %d MiB during the outage and %d MiB after it, %d MiB without the queue's file",
		size.length, size.rate, result, time.Since(ended).Seconds(), inOutage.peak>>20, after.peak>>20, after.anonymous>>20)
	result.assertPerfect(t)
	assert.LessOrEqual(t, inOutage.peak, maxMemory, "during the outage")
	// The queue's file is mapped into memory. Once the exporter has read it, its pages stay resident until the system needs
	// the memory.
	assert.LessOrEqual(t, after.anonymous, maxMemory, "after the outage")
}

// memory is the memory of a process in bytes, or zero if the system doesn't report it.
type memory struct {
	// peak is the peak resident memory, anonymous the resident memory that isn't backed by a file.
	peak, anonymous int
}

// watchMemory starts to sample the memory of a process. It returns a function that stops, and returns the maximum.
func watchMemory(t *testing.T, pid int) (stop func() memory) {
	t.Helper()
	done, result := make(chan struct{}), make(chan memory)
	go func() {
		var maximum memory
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			now := memoryOf(t, pid)
			maximum = memory{peak: max(maximum.peak, now.peak), anonymous: max(maximum.anonymous, now.anonymous)}
			select {
			case <-tick.C:
			case <-done:
				result <- maximum
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
