// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sizingScenario measures what the production bridge costs: its CPU time per event, its memory, and its storage. Three in four
// events are impressions, as in the other scenarios.
func sizingScenario(t *testing.T, size size) {
	t.Helper()
	for _, perRequest := range []int{1, 10, 100} {
		storage := t.TempDir()
		b := startProduction(t, startAmplitude(t), nil, "STORAGE="+storage)
		people := newPeople("sized", 1000)
		peak := watchMemory(t, b.PID())
		before := cpuTime(t, b.PID())
		require.NoError(t, newSender(b).sendInTurn(t.Context(), people, size.records, perRequest, 0))
		result := b.waitForAll(t, people, maxWait)
		used := cpuTime(t, b.PID()) - before
		memory := peak()
		assert.Zero(t, result.lost)
		perEvent := used / time.Duration(size.records)
		reportf(t, "%d events in requests of %d: %s of CPU time an event, %.2f cores at 1,000 events/s; "+
			"peak memory %d MiB, %d MiB without the queue's file; %d KiB of storage", size.records, perRequest, perEvent.Round(time.Microsecond),
			1000*perEvent.Seconds(), memory.peak>>20, memory.anonymous>>20, usedBy(t, storage)>>10)
		require.NoError(t, b.Stop())
	}
}

// cpuTime returns how long a process has run, in user and kernel mode together.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	// The second field is the name in parentheses. Fields 14 and 15 are in ticks of 10 ms on Linux (proc(5)).
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var user, system int
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	require.NoError(t, err)
	return time.Duration(user+system) * 10 * time.Millisecond
}
