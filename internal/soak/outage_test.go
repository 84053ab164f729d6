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

	server.AnswerUsually()
	ended := time.Now()
	settled := b.settle(t, people, 5*patience)
	after := memoryOf(t, b.PID())
	tell(t, "%s without Amplitude at %d records/s: %s; all there %.1f s after; memory %s in the outage, %s after",
		size.length, size.rate, settled, time.Since(ended).Seconds(), inOutage, after)
	settled.assertPerfect(t)
	assert.LessOrEqual(t, inOutage.peak, mostMemory, "in the outage")
	assert.LessOrEqual(t, after.peak, mostMemory, "after")
}

// memory is what a process has had, and has, in bytes; zero where the system does not tell.
type memory struct {
	// peak is the most that was resident, anonymous what is not of a file now: a storage's file is mapped, and of it the
	// system takes back what it needs.
	peak, anonymous int
}

func (m memory) String() string {
	return fmt.Sprintf("peak %d MiB, now %d MiB without mapped files", m.peak>>20, m.anonymous>>20)
}

func memoryOf(t *testing.T, pid int) memory {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return memory{}
	}
	require.NoError(t, err)
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
