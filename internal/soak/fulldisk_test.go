// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// fullDiskScenario has an outage of Amplitude during which the queue fills its volume, with and without restarts.
func fullDiskScenario(t *testing.T, size size) {
	t.Helper()
	t.Run("first start", func(t *testing.T) {
		t.Parallel()
		firstStart(t)
	})
	for name, end := range map[string]func(b *bridge) error{"no restart": nil, "SIGTERM": (*bridge).Stop, "kill": (*bridge).Kill} {
		for _, megabytes := range size.megabytes {
			t.Run(fmt.Sprintf("%d MB, %s", megabytes, name), func(t *testing.T) {
				t.Parallel()
				fillDisk(t, end, "STORAGE="+mountVolume(t, megabytes))
			})
		}
		t.Run("max_size, "+name, func(t *testing.T) {
			t.Parallel()
			fillDisk(t, end, "MAX_SIZE=2097152")
		})
	}
}

// firstStart starts a collector for the first time on a volume that has no room for its files, and then has. Of the files, it has
// room for some pages.
func firstStart(t *testing.T) {
	t.Helper()
	volume := mountVolume(t, 1)
	b, _ := startBridgeWithMetrics(t, startAmplitude(t), "STORAGE="+volume)
	failed := 0
	for pages := range 10 {
		require.NoError(t, b.Kill())
		files, err := filepath.Glob(filepath.Join(volume, "*"))
		require.NoError(t, err)
		for _, file := range files {
			require.NoError(t, os.Remove(file))
		}
		other := filepath.Join(volume, "other")
		require.NoError(t, os.WriteFile(other, make([]byte, 1<<20-pages*os.Getpagesize()), 0o600))
		if err := b.Restart(t.Context()); err != nil {
			require.ErrorContains(t, err, "if the disk is full, make room")
			failed++
		} else {
			require.NoError(t, b.Kill())
		}
		require.NoError(t, os.Remove(other))
		require.NoError(t, b.Restart(t.Context()))
	}
	require.NoError(t, b.Kill())
	reportf(t, "%d of 10 first starts without room failed, and all succeeded once there was room", failed)
	assert.Positive(t, failed)
}

// fillDisk fills the storage of a collector, which end ends twice: while the storage is full, and while it drains.
func fillDisk(t *testing.T, end func(b *bridge) error, variables ...string) {
	t.Helper()
	server := startAmplitude(t)
	server.AnswerAll(unavailable)
	b, metrics := startBridgeWithMetrics(t, server, variables...)
	restart := func() {
		if end != nil {
			require.NoError(t, end(b))
			require.NoError(t, b.Restart(t.Context()))
		}
	}
	senders := startSenders(t, b, newPeople("left", 50), newPeople("right", 50))
	senders.waitForRefusals(t, b, 50)
	fits := senders.events()
	restart()
	senders.waitForRefusals(t, b, 50)

	server.AnswerUsually()
	ended := time.Now()
	b.waitForCounts(t, func(counts amplitudetest.Counts) bool { return counts.Ingested > 0 })
	restart()
	senders.waitForMore(t, b, 50)
	people := senders.stop(t)
	require.NoError(t, senders.send(t.Context(), finalBatch(people)))
	result := b.waitForAll(t, people, maxWait)
	late := time.Since(ended)
	err := b.WaitUntil(t.Context(), "the queue to be empty", func() (bool, error) {
		return strings.Contains(b.get(t, metrics), queueSize+" 0\n"), nil
	})
	require.NoError(t, err)
	reportf(t, "full: about %d records fit; %d requests refused; %s; complete %.1f s after the outage",
		fits, senders.refused.Load(), result, late.Seconds())
	result.assertPerfect(t)
	assert.Zero(t, unreadableItems(t, b.get(t, metrics)), "a full disk must not look like damage")
	require.NoError(t, b.Stop())
}

const queueSize = `otelcol_exporter_queue_size{data_type="logs",exporter="amplitude"}`

// mountVolume mounts a volume of this size, and returns its path.
func mountVolume(t *testing.T, megabytes int) string {
	t.Helper()
	volume := t.TempDir()
	mount := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", megabytes), "tmpfs", volume)
	if printed, err := mount.CombinedOutput(); err != nil {
		t.Skipf("a full disk can't be tested, because mounting a small volume needs root: %v: %s", err, printed)
	}
	t.Cleanup(func() { assert.NoError(t, exec.Command("umount", volume).Run()) })
	return volume
}

// waitForRefusals waits until the collector has refused this many more requests.
func (s *senders) waitForRefusals(t *testing.T, b *bridge, requests int64) {
	t.Helper()
	want := s.refused.Load() + requests
	err := b.WaitUntil(t.Context(), "refused requests", func() (bool, error) { return s.refused.Load() >= want, nil })
	require.NoError(t, err)
}
