// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// damageScenario kills the collector again and again during an outage, flips bits in the files of its storage, and starts it
// again. Either it names the file and doesn't start, or it counts each item that it doesn't deliver. An item is one event.
func damageScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	storage := t.TempDir()
	b, metrics := startBridgeWithMetrics(t, server, "STORAGE="+storage)
	s := newSender(b)
	random := rand.New(rand.NewPCG(7, 0))
	refused, lost, counted, sent := 0, 0, 0, 0
	for trial := range size.kills {
		people := newPeople(fmt.Sprintf("trial-%d", trial), 20)
		server.AnswerAll(unavailable)
		require.NoError(t, s.sendInTurn(t.Context(), people, size.records, 1, random.IntN(2000)))
		require.NoError(t, b.Kill())
		flips := flipBits(t, storage, random)
		server.AnswerUsually()
		if err := b.Restart(t.Context()); err != nil {
			refused++
			assertNamesFile(t, err, storage)
			emptyFolder(t, storage)
			require.NoError(t, b.Restart(t.Context()))
			continue
		}
		// What waits is read before this.
		require.NoError(t, s.send(t.Context(), finalBatch(people)))
		b.waitForCounts(t, func(amplitudetest.Counts) bool { return haveLast(people, server) })
		result := summaryOf(people, server)
		unreadable := unreadableItems(t, b.get(t, metrics))
		assert.LessOrEqual(t, result.lost, unreadable, "trial %d, with bits flipped at %v: lost without a word\n%s", trial, flips, b.Logs())
		lost += result.lost
		counted += unreadable
		sent += result.accepted
	}
	reportf(t, "%d kills with 1 to 40 flipped bits: %d starts refused; else %d of %d events lost, %d items counted as unreadable",
		size.kills, refused, lost, sent, counted)
	require.NoError(t, b.Stop())
}

// flipBits flips up to 40 bits in the queue's file, or now and then in that of deferred events, and returns where.
func flipBits(t *testing.T, storage string, random *rand.Rand) []int {
	t.Helper()
	path := filepath.Join(storage, "exporter_amplitude__logs")
	if random.IntN(8) == 0 {
		path = filepath.Join(storage, "exporter_amplitude__deferred")
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	flips := make([]int, 1+random.IntN(40))
	for i := range flips {
		flips[i] = random.IntN(len(content))
		content[flips[i]] ^= 1 << random.IntN(8)
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return flips
}

// assertNamesFile asserts that a collector that didn't start says which file is damaged.
func assertNamesFile(t *testing.T, err error, storage string) {
	t.Helper()
	require.ErrorContains(t, err, "exited (exit status 1)")
	assert.Regexp(t, "(?m)^Error: .*sending_queue.storage: .*"+regexp.QuoteMeta(storage), lastLines(err.Error()))
}

// lastLines returns the end of a text.
func lastLines(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

func emptyFolder(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, entry := range entries {
		require.NoError(t, os.Remove(filepath.Join(folder, entry.Name())))
	}
}

// haveLast reports whether the server has each person's last event.
func haveLast(people []*person, server *amplitudetest.Server) bool {
	for _, p := range people {
		events := server.User(p.id()).Events
		if len(events) == 0 {
			return false
		}
		if number, _ := numberOf(&events[len(events)-1]); number != p.sent-1 {
			return false
		}
	}
	return true
}

var unreadableSeries = regexp.MustCompile(`(?m)^otelcol_exporter_amplitude_unreadable_items_?(?:total)?\{.*storage="\w+".*\} (\d+)$`)

// unreadableItems returns how many items the collector has counted as unreadable.
func unreadableItems(t *testing.T, page string) int {
	t.Helper()
	series := unreadableSeries.FindAllStringSubmatch(page, -1)
	require.Len(t, series, 2, page)
	sum := 0
	for _, one := range series {
		count, err := strconv.Atoi(one[1])
		require.NoError(t, err)
		sum += count
	}
	return sum
}
