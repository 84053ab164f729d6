// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// FuzzAFullDiskLosesNothing sends batches of events to the exporter with its queue, while writes to the disk fail, Amplitude
// fails and throttles, and the exporter is stopped or killed, all at random. In the end, exactly the events that it accepted
// must have arrived, those of each user and device in order, and nothing may be left on the disk.
func FuzzAFullDiskLosesNothing(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiskFuzz(t, seed)
			for range 40 {
				d.changeDisk()
				d.send()
				d.maybeRestart()
			}
			d.assertAllArrived()
		})
	})
}

// diskFuzz is an exporter with its queue, between a random Amplitude and a disk that is full at random.
type diskFuzz struct {
	*crashFuzz
	queue *resumingQueue
	// full is how many of 100 writes fail.
	full atomic.Int64
	// accepted reports whether an event was, by its number.
	accepted []bool
	// acceptedAt is the number of states that the disk had been in when the last event was accepted.
	acceptedAt int
}

func newDiskFuzz(t *testing.T, seed uint64) *diskFuzz {
	t.Helper()
	d := &diskFuzz{crashFuzz: &crashFuzz{
		t: t, random: rand.New(&lockedSource{Source: rand.NewPCG(seed, 1)}), pushed: &pushed{server: amplitudetest.New()},
	}}
	d.limits = d.randomLimits()
	d.server.AnswerFunc(d.answer)
	d.start(nil)
	return d
}

// start starts an exporter on a disk in this state.
func (d *diskFuzz) start(state map[string][]byte) {
	d.disk = storagetest.NewDisk(state)
	d.disk.FullIf(func() bool { return d.random.Int64N(100) < d.full.Load() })
	d.acceptedAt = 0
	d.pushed, d.queue = startQueue(d.t, d.disk, d.server, d.limits)
}

// startQueue starts an exporter with its queue in the fake time of synctest.
func startQueue(t *testing.T, disk *storagetest.Disk, server *amplitudetest.Server, limits deferralLimits) (*pushed, *resumingQueue) {
	t.Helper()
	p := newPushed(t, server, func(c *Config) {
		queue := c.QueueConfig.Get()
		queue.StorageID = &storagetest.ID
		queue.Sizer = exporterhelper.RequestSizerTypeItems
		queue.QueueSize = maxQueued
		queue.Batch = configoptional.Some(exporterhelper.BatchConfig{
			Sizer: exporterhelper.RequestSizerTypeItems, MinSize: 20, FlushTimeout: 200 * time.Millisecond,
		})
	})
	p.deferral.limits = limits
	set := metadatatest.NewSettings(p.telemetry)
	set.ID, set.Logger = p.storages.exporter, p.settings.Logger
	queue, err := newResumingQueue(t.Context(), set, p.amplitudeExporter)
	require.NoError(t, err)
	// Nothing is sent before the client is replaced.
	require.NoError(t, p.semaphore.Acquire(t.Context(), 1))
	require.NoError(t, queue.Start(t.Context(), hostOf(disk)))
	p.client.Transport = handled{server}
	p.semaphore.Release(1)
	return p, queue
}

// maxQueued is how many records fit into the queue.
const maxQueued = 200

func (d *diskFuzz) changeDisk() {
	if d.oneIn(3) {
		d.full.Store([]int64{0, 0, 30, 100, 100}[d.random.IntN(5)])
	}
}

// send offers a batch to the exporter a few times, until it is accepted.
func (d *diskFuzz) send() {
	texts := d.batch()
	accepted := false
	for tries := 1 + d.random.IntN(4); tries > 0 && !accepted; tries-- {
		ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
		accepted = d.queue.ConsumeLogs(ctx, logsOf(texts...)) == nil
		cancel()
		if !accepted {
			time.Sleep(time.Duration(d.random.IntN(2000)) * time.Millisecond)
		}
	}
	for len(d.accepted) < len(d.sent) {
		d.accepted = append(d.accepted, accepted)
	}
	if accepted {
		d.acceptedAt = len(d.disk.History())
	}
}

// maybeRestart lets time pass, and stops or kills the exporter, or neither.
func (d *diskFuzz) maybeRestart() {
	if d.oneIn(3) {
		time.Sleep(time.Duration(d.random.IntN(40_000)) * time.Millisecond)
	}
	switch d.random.IntN(12) {
	case 0:
		d.stop()
		d.start(d.disk.State())
	case 1:
		history := d.disk.History()
		from := max(d.acceptedAt-1, 0)
		state := history[from+d.random.IntN(len(history)-from)]
		d.stop()
		d.start(state)
	}
}

func (d *diskFuzz) stop() {
	require.Empty(d.t, d.logs.FilterMessageSnippet("damaged").All(), "a full disk isn't a damaged one")
	require.NoError(d.t, d.queue.Shutdown(d.t.Context()))
	require.NoError(d.t, d.telemetry.Shutdown(d.t.Context()))
}

func (d *diskFuzz) assertAllArrived() {
	d.full.Store(0)
	d.server.AnswerUsually()
	d.server.LiftAll()
	time.Sleep(2 * time.Hour)
	synctest.Wait()
	lost, last := d.accepted, map[string]int{}
	for _, event := range d.server.Events() {
		number, err := strconv.Atoi(event.Type)
		require.NoError(d.t, err)
		require.True(d.t, lost[number], "event %d was refused, or arrived twice", number)
		lost[number] = false
		for _, id := range []string{d.sent[number].user, d.sent[number].device} {
			require.LessOrEqual(d.t, last[id], number, "%s was overtaken", id)
			if id != "" {
				last[id] = number
			}
		}
	}
	assert.NotContains(d.t, lost, true, "lost")
	size, err := d.telemetry.GetMetric("otelcol_exporter_queue_size")
	require.NoError(d.t, err)
	assert.Zero(d.t, size.Data.(metricdata.Gauge[int64]).DataPoints[0].Value)
	for key := range d.disk.State() {
		// The test of the room that a kill has left is removed by the next write.
		assert.Contains(d.t, []string{"logs/qmv0", "logs/room", "deferred/chunks"}, key, "left on the disk")
	}
	d.stop()
}
