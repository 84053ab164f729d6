// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"
)

// deferral takes the events of throttled users and devices out of the queue, so that others don't wait behind them. It
// stores their records, because of crashes, and makes their items the first ones of the next batch. Of users and devices with
// many events, only the first ones are loaded. Without a queue, it does nothing, and the events wait with their batch.
type deferral struct {
	logger *zap.Logger
	limits deferralLimits
	// store and timer are nil without a queue. The timer fires when the deferred events are due but no batch came.
	store *deferred.Store
	timer *time.Timer
	// read adds the events of stored records to the batch.
	read     func(plog.Logs)
	overflow overflow
	// loadFailed reports whether the last try to load events failed.
	loadFailed bool
	// waiting is how many events are deferred.
	waiting atomic.Int64
}

// deferralLimits limits how much is deferred.
type deferralLimits struct {
	// loaded is how much is loaded at most, and perID how much of a user or device.
	loaded, perID amount
	// stored is how many events are stored and not loaded at most. Beyond that, the queue waits.
	stored int
}

// maxStored is deferralLimits.stored if the size of the queue isn't in records.
const maxStored = 1_000_000

func limitsOf(config *Config) deferralLimits {
	limits := deferralLimits{loaded: amount{events: 1 << 15, bytes: 32 << 20}, perID: amount{events: 1 << 12, bytes: 4 << 20}, stored: maxStored}
	switch {
	case config.storageID() == nil:
		// Events that are stored are in memory, too.
		limits.perID, limits.stored = limits.loaded, 0
	case config.QueueConfig.Get().Sizer == exporterhelper.RequestSizerTypeItems:
		limits.stored = int(config.QueueConfig.Get().QueueSize)
	}
	return limits
}

const (
	// deferredRetry is how long deferred events wait after a failure that doesn't say how long.
	deferredRetry = 5 * time.Second
	// deferredPeriod is the least time that they wait, because the pauses of many users end one after the other.
	deferredPeriod = 100 * time.Millisecond
)

// open adds events that were deferred before a shutdown or a crash to the batch, as far as there is room. read must add the
// events of records to it. From then on, the deferral calls due when deferred events are due. It owns the storage if open
// succeeds.
func (d *deferral) open(ctx context.Context, client storage.Client, keys []string, b *batch, read func(plog.Logs), due func()) error {
	store, err := deferred.Open(ctx, client, keys)
	if err != nil {
		return err
	}
	d.read = read
	room := newRoom(d.limits, nil)
	err = store.Load(ctx, func(chunk uint64, records plog.Logs) int {
		skipped := b.skipped
		read(records)
		fresh := b.fresh()
		if d.hasRoom(room, fresh) {
			b.deferFresh(chunk)
			return len(fresh)
		}
		d.unload(chunk, fresh)
		b.items, b.skipped = b.items[:len(b.items)-len(fresh)], skipped
		return len(fresh)
	})
	if err != nil {
		return err
	}
	d.store = store
	d.timer = time.AfterFunc(deferredRetry, due)
	return nil
}

// hasRoom reports whether the events may be loaded: there is room, and none of their users and devices has earlier events
// that aren't loaded.
func (d *deferral) hasRoom(room *room, events []item) bool {
	for i := range events {
		if it := &events[i]; d.overflow.of(it) != nil || !room.take(it) {
			return false
		}
	}
	return true
}

// unload notes the events of a stored chunk, which isn't loaded.
func (d *deferral) unload(chunk uint64, events []item) {
	c := d.overflow.tieAll(events)
	var size amount
	for i := range events {
		size = size.with(&events[i])
	}
	d.overflow.add(c, chunk, size, nil)
}

// hold keeps events of the logs from being delivered before those that aren't loaded, and reports whether there are any.
func (d *deferral) hold(b *batch) bool {
	if len(d.overflow.chains) == 0 {
		return false
	}
	held := false
	fresh := b.fresh()
	for i := range fresh {
		it := &fresh[i]
		if c := d.overflow.of(it); c != nil {
			d.overflow.tie(c, it)
			it.held, held = true, true
		}
	}
	return held
}

// add defers the events of the logs that are left, if there is room, and forgets the deferred ones that are done. It reports
// whether it did.
func (d *deferral) add(ctx context.Context, b *batch, logs plog.Logs) bool {
	if d.store == nil {
		return false
	}
	left := b.leftFresh()
	parts := d.partsOf(left, newRoom(d.limits, b.items))
	unloaded := 0
	for _, part := range parts {
		if part.chain != nil {
			unloaded += len(part.items)
		}
	}
	if d.overflow.events+unloaded > d.limits.stored {
		return false
	}
	first := d.store.Next()
	additions := additionsOf(logs, left, parts)
	if err := d.store.Add(ctx, b.donePlaces(), additions...); err != nil {
		d.logger.Warn("events of throttled users can't be stored; they wait in the queue", zap.Error(err))
		return false
	}
	for i, part := range parts {
		number := first + uint64(i)
		if part.chain == nil {
			part.deferItems(number)
			continue
		}
		var size amount
		for _, it := range part.items {
			size = size.with(it)
		}
		d.overflow.add(part.chain, number, size, additions[i].Behind)
	}
	return true
}

// load loads stored events of the users and devices that have few loaded ones, and reports whether it loaded any.
func (d *deferral) load(ctx context.Context, b *batch) bool {
	if len(d.overflow.chains) == 0 {
		return false
	}
	d.overflow.measure(b.items)
	before := len(b.items)
	total := newRoom(d.limits, b.items).total
	few := amount{events: d.limits.perID.events / 2, bytes: d.limits.perID.bytes / 2}
	for _, c := range d.overflow.inOrder() {
		for len(c.chunks) > 0 && c.loaded.within(few) && total.within(d.limits.loaded) {
			added, err := d.loadNext(ctx, b, c)
			if err != nil {
				if !d.loadFailed {
					d.logger.Warn("stored events of throttled users can't be read yet; they wait, and later ones behind them", zap.Error(err))
				}
				d.loadFailed = true
				return len(b.items) > before
			}
			c.loaded, total = c.loaded.plus(added), total.plus(added)
		}
	}
	d.loadFailed = false
	d.overflow.end()
	return len(b.items) > before
}

// loadNext adds the events of a chain's next chunk to the batch, and returns how much they are.
func (d *deferral) loadNext(ctx context.Context, b *batch, c *chain) (added amount, err error) {
	number := c.chunks[0].number
	err = d.store.LoadChunk(ctx, number, func(records plog.Logs) int {
		d.read(records)
		fresh := b.fresh()
		for i := range fresh {
			added = added.with(&fresh[i])
		}
		b.deferFresh(number)
		return len(fresh)
	})
	if err != nil {
		return amount{}, err
	}
	d.overflow.take(c)
	// The next logs begin with record 0, and what they take is counted from 0.
	b.records, b.bytes = 0, 0
	return added, nil
}

// forget removes the deferred events that are done from the storage.
func (d *deferral) forget(ctx context.Context, b *batch) {
	if d.store == nil {
		return
	}
	failed := d.store.Failed()
	// Even if the batch was interrupted.
	err := d.store.Forget(context.WithoutCancel(ctx), b.donePlaces())
	if err != nil && !failed {
		d.logger.Warn("delivered events can't be removed from the storage yet; if the collector ends now, they are sent again", zap.Error(err))
	}
}

// schedule notes how many events are deferred, and makes them due after wait, or after deferredRetry if wait is 0. If none are,
// but done ones couldn't be removed from the storage, that is due.
func (d *deferral) schedule(loaded int, wait time.Duration) {
	events := loaded + d.overflow.events
	d.waiting.Store(int64(events))
	switch {
	case d.timer == nil:
	case events == 0 && !d.store.Failed():
		d.timer.Stop()
	case wait == 0:
		d.dueIn(deferredRetry)
	default:
		d.dueIn(max(wait, deferredPeriod))
	}
}

func (d *deferral) dueIn(wait time.Duration) { d.timer.Reset(wait) }

// close leaves the deferred events to the next start.
func (d *deferral) close(ctx context.Context) {
	if d.store == nil {
		return
	}
	d.timer.Stop()
	if err := d.store.Close(ctx); err != nil {
		d.logger.Warn("delivered events can't be removed from the storage; they are sent again at the next start", zap.Error(err))
	}
}
