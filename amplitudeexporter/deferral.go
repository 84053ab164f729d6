// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impressionprocessor/amplitudeexporter"

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/impression-collector/impressionprocessor/amplitudeexporter/internal/deferred"
	"github.com/impression-collector/impressionprocessor/amplitudeexporter/internal/delivery"
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
	// storageName tells the storage of deferred events from that of the queue.
	storageName = "deferred"
)

// startDeferral takes up the events that were deferred before.
func (e *amplitudeExporter) startDeferral(ctx context.Context, host component.Host) error {
	id := e.config.storageID()
	if id == nil {
		return nil
	}
	extension, isStorage := host.GetExtensions()[*id].(storage.Extension)
	if !isStorage {
		// The queue says so when it starts.
		return nil
	}
	client, err := extension.GetClient(ctx, component.KindExporter, e.id, storageName)
	if err != nil {
		return err
	}
	e.deferral.store, err = deferred.Open(ctx, client)
	if err != nil {
		return errors.Join(err, client.Close(ctx))
	}
	takeUp := func(chunk uint64, records plog.Logs) int { return e.takeUp(ctx, chunk, records) }
	if err := e.deferral.store.Load(ctx, takeUp); err != nil {
		e.settings.Logger.Error("deferred events that cannot be read stay in the storage", zap.Error(err))
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e.deferral.cancel = cancel
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

// keepLeft has deferred events that are left come with the next batch. It defers those that are left of the logs too, if
// that is allowed and they are left for no other reason than that their users or devices are throttled, and says whether it
// did.
func (e *amplitudeExporter) keepLeft(ctx context.Context, logs plog.Logs, left int, result delivery.Result) (isDeferred bool) {
	defer e.schedule(result.Wait)
	defer e.intake.reset()
	store := e.deferral.store
	if store == nil {
		return false
	}
	// What was delivered is to be forgotten also when the rest was interrupted.
	ctx = context.WithoutCancel(ctx)
	done := e.intake.doneChunks()
	if left == 0 || !result.Throttled || !e.hasRoom() {
		if err := store.Forget(ctx, done); err != nil {
			e.settings.Logger.Warn("delivered events stay in the storage, and are sent again after a start", zap.Error(err))
		}
		return false
	}
	chunk := store.Next()
	if err := store.Add(ctx, logs, left, done); err != nil {
		e.settings.Logger.Warn("events of throttled users wait in the queue, for they cannot be stored", zap.Error(err))
		return false
	}
	e.intake.deferFresh(chunk)
	return true
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

// schedule has the deferred events, if there are any, sent after a time, 0 for that of a failure.
func (e *amplitudeExporter) schedule(wait time.Duration) {
	waiting := len(e.intake.batch.Events)
	e.deferral.waiting.Store(int64(waiting))
	switch {
	case e.deferral.timer == nil:
	case waiting == 0:
		e.deferral.timer.Stop()
	case wait == 0:
		e.deferral.timer.Reset(deferredRetry)
	default:
		e.deferral.timer.Reset(wait)
	}
}

func (e *amplitudeExporter) deliverDeferred(ctx context.Context) {
	if !e.mutex.TryLock() {
		// A batch is under way: it takes them along, and schedules what is left.
		return
	}
	defer e.mutex.Unlock()
	if ctx.Err() != nil || len(e.intake.batch.Events) == 0 {
		return
	}
	e.keepLeft(ctx, plog.NewLogs(), 0, e.deliver(ctx))
}

// stopDeferral leaves what is deferred to the next start.
func (e *amplitudeExporter) stopDeferral(ctx context.Context) error {
	if e.deferral.timer == nil {
		return nil
	}
	e.deferral.cancel()
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.deferral.timer.Stop()
	return e.deferral.store.Close(ctx)
}
