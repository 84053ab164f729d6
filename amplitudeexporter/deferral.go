// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
)

// deferral keeps the events of throttled users and devices, so that those of others need not wait behind them in the
// queue: in memory, encoded, as the first of the next batch, and as records in the queue's storage, from where they come
// again after a crash.
type deferral struct {
	// store is nil without a storage. Events then wait in the queue.
	store *deferred.Store
	// timer has deferred events sent although no batch comes.
	timer *time.Timer
	// cancel interrupts what the timer has started.
	cancel context.CancelFunc
	// waiting is how many events are deferred.
	waiting atomic.Int64
}

const (
	// mostDeferred and mostDeferredBytes are how much is deferred at most. Beyond, the queue waits.
	mostDeferred      = 1 << 15
	mostDeferredBytes = 32 << 20
	// deferredRetry is how long deferred events wait after a failure, where nothing says how long.
	deferredRetry = 5 * time.Second
	// deferredPeriod is how long they wait at least, for the pauses of many users end one after the other.
	deferredPeriod = 100 * time.Millisecond
	// storageName tells the storage of deferred events from that of the queue.
	storageName = "deferred"
)

// startDeferral takes up the events that were deferred before.
func (e *amplitudeExporter) startDeferral(ctx context.Context, host component.Host) error {
	client, err := openStorage(ctx, host, e.config.storageID(), e.id, storageName)
	if client == nil || err != nil {
		return err
	}
	store, err := deferred.Open(ctx, client)
	if err != nil {
		return errors.Join(err, client.Close(ctx))
	}
	unreadable, err := store.Load(ctx, func(chunk uint64, records plog.Logs) int { return e.takeUp(ctx, chunk, records) })
	if err != nil {
		return errors.Join(err, client.Close(ctx))
	}
	if unreadable != nil {
		e.settings.Logger.Error("deferred events that cannot be read stay in the storage", zap.Error(unreadable))
	}
	e.deferral.waiting.Store(int64(len(e.intake.batch.Events)))
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e.deferral.store, e.deferral.cancel = store, cancel
	e.deferral.timer = time.AfterFunc(deferredRetry, func() { e.deliverDeferred(background) })
	// Not before, for it uses the timer.
	e.deferral.timer.Reset(0)
	return nil
}

// takeUp makes the records of a stored chunk deferred events, and returns how many there are.
func (e *amplitudeExporter) takeUp(ctx context.Context, chunk uint64, records plog.Logs) int {
	e.intake.read(records, time.Now())
	events := len(e.intake.fresh())
	e.intake.deferFresh(chunk)
	e.telemetry.record(ctx, e.intake)
	e.intake.reset()
	return events
}

// deferLeft stores what is left of the logs, and has it come with the next batch, where there is room. It says whether it
// did.
func (e *amplitudeExporter) deferLeft(ctx context.Context, logs plog.Logs) bool {
	store := e.deferral.store
	if store == nil || !e.hasRoom() {
		return false
	}
	chunk := store.Next()
	if err := store.Add(ctx, logs, e.intake.donePlaces()); err != nil {
		e.settings.Logger.Warn("events of throttled users wait in the queue, for they cannot be stored", zap.Error(err))
		return false
	}
	e.intake.deferFresh(chunk)
	return true
}

// forgetDone removes the deferred events that are done from the storage.
func (e *amplitudeExporter) forgetDone(ctx context.Context) {
	if e.deferral.store == nil {
		return
	}
	// Also if the rest was interrupted.
	if err := e.deferral.store.Forget(context.WithoutCancel(ctx), e.intake.donePlaces()); err != nil {
		e.settings.Logger.Warn("delivered events stay in the storage, and are sent again after a crash", zap.Error(err))
	}
}

// hasRoom says whether all events that are left may be deferred.
func (e *amplitudeExporter) hasRoom() bool {
	events, bytes := 0, 0
	for i := range e.intake.batch.Events {
		if event := &e.intake.batch.Events[i]; event.State == delivery.Left {
			events++
			bytes += event.End - event.Start
		}
	}
	return events <= mostDeferred && bytes <= mostDeferredBytes
}

// goOn prepares for the next batch. The deferred events, if there are any, are sent after a time though none comes, 0 for
// that of a failure.
func (e *amplitudeExporter) goOn(wait time.Duration) {
	e.intake.reset()
	waiting := len(e.intake.batch.Events)
	e.deferral.waiting.Store(int64(waiting))
	switch {
	case e.deferral.timer == nil:
	case waiting == 0:
		e.deferral.timer.Stop()
	case wait == 0:
		e.deferral.timer.Reset(deferredRetry)
	default:
		e.deferral.timer.Reset(max(wait, deferredPeriod))
	}
}

func (e *amplitudeExporter) deliverDeferred(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	if !e.turn.TryAcquire(1) {
		// A batch is under way, and takes them along, unless it has just ended.
		e.deferral.timer.Reset(deferredRetry)
		return
	}
	defer e.turn.Release(1)
	if len(e.intake.batch.Events) == 0 {
		return
	}
	result := e.deliver(ctx)
	e.forgetDone(ctx)
	e.goOn(result.Wait)
}

// interruptDeferral ends what the timer has started, so that a stop does not wait for it.
func (e *amplitudeExporter) interruptDeferral() {
	if e.deferral.cancel != nil {
		e.deferral.cancel()
	}
}

// stopDeferral leaves what is deferred to the next start.
func (e *amplitudeExporter) stopDeferral(ctx context.Context) error {
	if e.deferral.timer == nil {
		return nil
	}
	e.interruptDeferral()
	if err := e.turn.Acquire(context.WithoutCancel(ctx), 1); err != nil {
		return err
	}
	defer e.turn.Release(1)
	e.deferral.timer.Stop()
	return e.deferral.store.Close(ctx)
}
