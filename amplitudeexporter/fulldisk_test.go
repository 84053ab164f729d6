// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// queuedOnDisk is an exporter with its queue, on a disk that can be full.
type queuedOnDisk struct {
	*pushed
	t      *testing.T
	disk   *storagetest.Disk
	queue  *resumingQueue
	isFull atomic.Bool
}

// startOnFull starts an exporter on a disk in this state, which may be full and have keys that can't be read.
func startOnFull(t *testing.T, server *amplitudetest.Server, state map[string][]byte, isFull bool, failing ...string) *queuedOnDisk {
	t.Helper()
	q := &queuedOnDisk{t: t, disk: storagetest.NewDisk(state)}
	q.isFull.Store(isFull)
	q.disk.FullIf(q.isFull.Load)
	q.disk.FailIf(func(key string) bool { return slices.Contains(failing, key) })
	q.pushed, q.queue = startQueue(t, q.disk, server, limitsOnDisk())
	return q
}

// offer offers a batch of a user's events, whose numbers begin with first. It waits 10 s at most.
func (q *queuedOnDisk) offer(user string, first, count int) error {
	var texts []string
	for n := first; n < first+count; n++ {
		texts = append(texts, eventOf(user, n))
	}
	ctx, cancel := context.WithTimeout(q.t.Context(), 10*time.Second)
	defer cancel()
	return q.queue.ConsumeLogs(ctx, logsOf(texts...))
}

func (q *queuedOnDisk) stop() {
	require.NoError(q.t, q.queue.Shutdown(q.t.Context()))
	require.NoError(q.t, q.telemetry.Shutdown(q.t.Context()))
}

// numbers returns the numbers below end, as numbersOf does.
func numbers(end int) string {
	var texts []string
	for n := range end {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, " ")
}

// serverThatIsAway returns a server that answers 503.
func serverThatIsAway() *amplitudetest.Server {
	server := amplitudetest.New()
	server.AnswerAll(unavailable)
	return server
}

// TestRefusedEventsTakeNoRoom: far more events are refused than fit into the queue. Once the disk has room, senders go on at once,
// also if Amplitude is still away.
func TestRefusedEventsTakeNoRoom(t *testing.T) {
	for name, newServer := range map[string]func() *amplitudetest.Server{
		"Amplitude is there": func() *amplitudetest.Server { return amplitudetest.New() }, "Amplitude is away": serverThatIsAway,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := startOnFull(t, newServer(), nil, false)
				require.NoError(t, q.offer("user-1", 0, 20))
				q.isFull.Store(true)
				for range 10 * maxQueued / 20 {
					require.ErrorIs(t, q.offer("user-1", 20, 20), storagetest.ErrFull)
					time.Sleep(100 * time.Millisecond)
				}
				q.isFull.Store(false)
				time.Sleep(2 * time.Second)
				for first := 20; first < 100; first += 20 {
					require.NoError(t, q.offer("user-1", first, 20))
				}
				q.server.AnswerUsually()
				time.Sleep(time.Minute)
				assert.Equal(t, numbers(100), numbersOf(q.server, "user-1"))
				q.stop()
			})
		})
	}
}

// TestSendersGoOnWhenTheDiskHasRoom although they were all waiting for room in the queue when it became full.
func TestSendersGoOnWhenTheDiskHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startOnFull(t, serverThatIsAway(), nil, false)
		for first := 0; first < maxQueued; first += 20 {
			require.NoError(t, q.offer("user-1", first, 20))
		}
		results := make(chan error)
		for sender := range 10 {
			go func() { results <- q.offer("sender-"+strconv.Itoa(sender), 0, 20) }()
		}
		synctest.Wait()
		q.isFull.Store(true)
		q.server.AnswerUsually()
		refused := 0
		for range 10 {
			if <-results != nil {
				refused++
			}
		}
		assert.Positive(t, refused)
		q.isFull.Store(false)
		time.Sleep(2 * time.Second)
		for sender := range 10 {
			require.NoError(t, q.offer("sender-"+strconv.Itoa(sender), 20, 20))
		}
		time.Sleep(time.Minute)
		assert.Equal(t, numbers(maxQueued), numbersOf(q.server, "user-1"))
		q.stop()
	})
}

// TestDeliveriesAreNotedOnceTheDiskHasRoom, without another event, so that a crash doesn't send the events again.
func TestDeliveriesAreNotedOnceTheDiskHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startOnFull(t, serverThatIsAway(), nil, false)
		require.NoError(t, q.offer("user-1", 0, 20))
		q.isFull.Store(true)
		q.server.AnswerUsually()
		time.Sleep(time.Minute)
		assert.Equal(t, numbers(20), numbersOf(q.server, "user-1"))
		before := q.disk.State()

		q.isFull.Store(false)
		time.Sleep(2 * time.Second)
		after := q.disk.State()
		q.stop()
		for _, test := range []struct {
			state map[string][]byte
			again int
		}{{before, 20}, {after, 0}} {
			sent := q.server.Counts().Duplicates
			q = startOnFull(t, q.server, test.state, false)
			time.Sleep(time.Minute)
			assert.Equal(t, test.again, q.server.Counts().Duplicates-sent)
			q.stop()
		}
	})
}

// TestAFullDiskDoesNotPreventAStart, nor a stop, although the start changes the queue's metadata.
func TestAFullDiskDoesNotPreventAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startOnFull(t, serverThatIsAway(), nil, false)
		require.NoError(t, q.offer("user-1", 0, 20))
		time.Sleep(time.Second)
		for range 3 {
			q.isFull.Store(true)
			q.stop()
			q = startOnFull(t, q.server, q.disk.State(), true)
			require.Error(t, q.offer("user-2", 0, 20))
		}
		q.server.AnswerUsually()
		time.Sleep(time.Minute)
		assert.Equal(t, numbers(20), numbersOf(q.server, "user-1"))
		q.stop()
	})
}

// TestEventsThatCannotBeReadWait until they can be, and no others overtake them. A stop isn't held up.
func TestEventsThatCannotBeReadWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startOnFull(t, serverThatIsAway(), nil, false)
		for first := 0; first < 60; first += 20 {
			require.NoError(t, q.offer("user-1", first, 20))
		}
		q.stop()
		q.server.AnswerUsually()
		for _, getsBetter := range []bool{false, true} {
			q = startOnFull(t, q.server, q.disk.State(), false, "logs/0")
			time.Sleep(time.Minute)
			require.ErrorIs(t, q.offer("user-1", 60, 20), storagetest.ErrFails)
			if getsBetter {
				q.disk.FailIf(func(string) bool { return false })
				time.Sleep(time.Minute)
				assert.Equal(t, numbers(60), numbersOf(q.server, "user-1"))
				require.NoError(t, q.offer("user-1", 60, 20))
			}
			time.Sleep(time.Minute)
			q.stop()
		}
		assert.Equal(t, numbers(80), numbersOf(q.server, "user-1"))
	})
}

// TestDeferredEventsOnAFullDisk are removed from it once it has room, without another event, and a stop isn't held up.
func TestDeferredEventsOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var isFull atomic.Bool
		d := storagetest.NewDisk(nil)
		d.FullIf(isFull.Load)
		p := startThrottled(t, d)
		isFull.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, "0", numbersOf(p.server, "busy-1"))
		assert.Positive(t, stored(d))
		assert.Len(t, p.logs.FilterMessageSnippet("can't be removed from the storage").All(), 1)
		isFull.Store(false)
		time.Sleep(deferredRetry)
		synctest.Wait()
		assert.Zero(t, stored(d))
		isFull.Store(true)
		p.stop(t)
	})
}

// TestASenderThatEndsIsNotHeldUp by another one that waits for room in the queue.
func TestASenderThatEndsIsNotHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startOnFull(t, serverThatIsAway(), nil, false)
		require.NoError(t, q.offer("user-1", 0, maxQueued-20))
		q.isFull.Store(true)
		require.ErrorIs(t, q.offer("user-1", maxQueued, 20), storagetest.ErrFull)
		q.isFull.Store(false)
		time.Sleep(2 * time.Second)
		results := make(chan error)
		for range 2 {
			go func() { results <- q.offer("user-2", 0, 40) }()
		}
		began := time.Now()
		for range 2 {
			require.ErrorIs(t, <-results, context.DeadlineExceeded)
		}
		assert.Equal(t, 10*time.Second, time.Since(began))
		q.server.AnswerUsually()
		time.Sleep(time.Minute)
		assert.Equal(t, numbers(maxQueued-20), numbersOf(q.server, "user-1"))
		assert.Empty(t, numbersOf(q.server, "user-2"))
		q.stop()
	})
}
