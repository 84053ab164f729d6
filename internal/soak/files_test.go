// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// filesBridge is the example that reads files, by its path from testdata/soak.
const filesBridge = "../../examples/bridge/files/collector.yaml"

// filesScenario has a writer that goes on with a new file again and again, whose name sorts behind those before.
func filesScenario(t *testing.T, size size) {
	t.Helper()
	w := startWriter(t, "events-00000.ndjson", func(path string, number int) (string, error) { return nextPath(path, number), nil })
	result := readWhileKilled(t, w, size)
	result.assertPerfect(t)
}

// renamedFilesScenario has a writer that always writes to the same file, which is renamed, or copied and truncated. What
// was written to it last may then come too late, because the receiver looks for files before it opens them.
func renamedFilesScenario(t *testing.T, size size) {
	t.Helper()
	w := startWriter(t, "events.ndjson", func(path string, number int) (string, error) {
		rotated := nextPath(path, number)
		if number%2 == 0 {
			return path, os.Rename(path, rotated)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		return path, errors.Join(os.WriteFile(rotated, content, 0o600), os.Truncate(path, 0))
	})
	result := readWhileKilled(t, w, size)
	assert.Zero(t, result.lost, "lost")
	assert.Zero(t, result.duplicated, "duplicated")
}

// nextPath returns the path of a file beside another. Its name sorts by number, and before events.ndjson.
func nextPath(path string, number int) string {
	return filepath.Join(filepath.Dir(path), fmt.Sprintf("events-%05d.ndjson", number))
}

// readWhileKilled kills or stops the collector again and again while it reads files that grow and are rotated. Meanwhile
// three in ten requests fail.
func readWhileKilled(t *testing.T, w *writer, size size) summary {
	t.Helper()
	server := startAmplitude(t)
	server.AnswerShare(0.3, unavailable)
	b := startBridge(t, server, filesBridge, "INPUT="+filepath.Join(w.folder, "events*.ndjson"))
	began := time.Now()
	random := rand.New(rand.NewPCG(1, 0))
	stops := 0
	for kill := range size.kills {
		before := server.Counts().Ingested
		b.waitForCounts(t, func(counts amplitudetest.Counts) bool { return counts.Ingested > before })
		if kill%5 == 3 {
			w.rotates.Store(true)
		}
		// The receiver looks for new lines every 200 ms.
		<-time.After(time.Duration(random.Int64N(int64(400 * time.Millisecond))))
		if kill%4 == 1 {
			stops++
			require.NoError(t, b.Stop())
		} else {
			require.NoError(t, b.Kill())
		}
		if kill%3 == 2 {
			w.rotates.Store(true)
		}
		require.NoError(t, b.Restart(t.Context()))
	}
	people := w.stop(t)
	result := b.waitForAll(t, people, maxWait)
	reportf(t, "a file rotated %d times, %d kills and %d stops in %.0f s: %s",
		w.rotations.Load(), size.kills-stops, stops, time.Since(began).Seconds(), result)
	return result
}

// writer appends the events of people to a file, and rotates it.
type writer struct {
	folder string
	people []*person
	// path is the path of the current file.
	path string
	// rotate rotates the file for the numberth time, and returns the path of the next one.
	rotate func(path string, number int) (next string, err error)
	// rotates and ends tell the writer what to do after the next lines. rotations counts what it did.
	rotates, ends atomic.Bool
	rotations     atomic.Int64
	running       sync.WaitGroup
	err           error
}

func startWriter(t *testing.T, first string, rotate func(path string, number int) (string, error)) *writer {
	t.Helper()
	w := &writer{folder: t.TempDir(), people: newPeople("in-file", 50), rotate: rotate}
	w.path = filepath.Join(w.folder, first)
	for _, p := range w.people {
		p.isOtel = false
	}
	w.running.Go(func() { w.err = w.writeUntilStopped(t.Context()) })
	return w
}

// writeUntilStopped writes up to 500 lines a second, five at a time and those in two parts.
func (w *writer) writeUntilStopped(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; !w.ends.Load(); i = (i + 5) % len(w.people) {
		lines := linesOf(w.people[i : i+5])
		middle := len(lines) * 9 / 10
		for _, part := range []string{lines[:middle], lines[middle:]} {
			if err := appendTo(w.path, part); err != nil {
				return err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if w.rotates.Swap(false) {
			var err error
			if w.path, err = w.rotate(w.path, int(w.rotations.Add(1))); err != nil {
				return err
			}
		}
	}
	return nil
}

// linesOf returns the next event of each of the people, one Segment call per line.
func linesOf(people []*person) string {
	var lines strings.Builder
	for _, p := range people {
		record := plog.NewLogRecord()
		p.write(record, 0)
		lines.WriteString(record.Body().AsString() + "\n")
	}
	return lines.String()
}

func appendTo(path, text string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// stop stops the writer and returns all people.
func (w *writer) stop(t *testing.T) []*person {
	t.Helper()
	w.ends.Store(true)
	w.running.Wait()
	require.NoError(t, w.err)
	return w.people
}
