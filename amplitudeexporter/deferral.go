// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
)

// deferral takes the events of throttled users and devices out of the queue, so that others don't wait behind them. It
// stores their records, because of crashes, and makes their items the first ones of the next batch. Without a queue, it does
// nothing, and the events wait with their batch.
type deferral struct {
	logger *zap.Logger
	// store and timer are nil without a queue. The timer fires when the deferred events are due but no batch came.
	store *deferred.Store
	timer *time.Timer
	// waiting is how many events are deferred.
	waiting atomic.Int64
}

const (
	// maxDeferred and maxDeferredBytes are how much is deferred at most. Beyond that, the queue waits.
	maxDeferred      = 1 << 15
	maxDeferredBytes = 32 << 20
	// deferredRetry is how long deferred events wait after a failure that doesn't say how long.
	deferredRetry = 5 * time.Second
	// deferredPeriod is the least time that they wait, because the pauses of many users end one after the other.
	deferredPeriod = 100 * time.Millisecond
)

// open uses read to add the events that were deferred before a shutdown or a crash to the batch. From then on, it calls due
// when deferred events are due. It owns the storage if it succeeds.
func (d *deferral) open(ctx context.Context, client storage.Client, keys []string, b *batch, read func(plog.Logs), due func()) error {
	store, err := deferred.Open(ctx, client, keys)
	if err != nil {
		return err
	}
	err = store.Load(ctx, func(chunk uint64, records plog.Logs) int {
		before := len(b.items)
		read(records)
		b.deferFresh(chunk)
		return len(b.items) - before
	})
	if err != nil {
		return err
	}
	d.store = store
	d.timer = time.AfterFunc(deferredRetry, due)
	return nil
}

// add defers the events of the logs that are left, if there is room, and forgets the deferred ones that are done. It reports
// whether it did.
func (d *deferral) add(ctx context.Context, b *batch, logs plog.Logs) bool {
	if d.store == nil || !hasRoom(b.items) {
		return false
	}
	chunk := d.store.Next()
	if err := d.store.Add(ctx, logs, b.donePlaces()); err != nil {
		d.logger.Warn("events of throttled users can't be stored; they wait in the queue", zap.Error(err))
		return false
	}
	b.deferFresh(chunk)
	return true
}

// hasRoom reports whether all events that are left may be deferred.
func hasRoom(items []item) bool {
	events, bytes := 0, 0
	for i := range items {
		if items[i].State == delivery.Left {
			events++
			bytes += len(items[i].JSON)
		}
	}
	return events <= maxDeferred && bytes <= maxDeferredBytes
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
func (d *deferral) schedule(events int, wait time.Duration) {
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
