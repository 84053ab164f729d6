// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/transport"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// amplitudeExporter delivers one batch at a time. It returns the logs that it can't deliver yet, and exporterhelper pushes
// them again before any others.
type amplitudeExporter struct {
	config    *Config
	library   string
	settings  component.TelemetrySettings
	telemetry *telemetry
	reporter  inspection.Reporter
	storages  storages
	dropLog   *dropLog

	host        component.Host
	dryRun      *dryRun
	client      *http.Client
	deliverer   *delivery.Deliverer
	deadLetters *deadLetters
	// interruptDeferred interrupts the delivery of deferred events, so that a shutdown doesn't wait for it.
	interruptDeferred context.CancelFunc
	stopping          *shutdown

	// semaphore guards the fields below. Deferred events are delivered by a timer, and without a queue several receivers
	// push concurrently.
	semaphore *semaphore.Weighted
	reader    *batchReader
	batch     batch
	deferral  deferral
	// returned has the logs that push returned last, the zero value if there were none.
	returned plog.Logs
	// unhealthy reports whether the key or all requests were refused last.
	unhealthy bool
}

func newExporter(set exporter.Settings, config *Config) (*amplitudeExporter, error) {
	build, _ := debug.ReadBuildInfo()
	library := libraryName(set.BuildInfo.Version, build)
	reader, err := newBatchReader(config, library)
	if err != nil {
		return nil, err
	}
	reader.pairing.logger = set.Logger
	t, err := newTelemetry(set, config)
	if err != nil {
		return nil, err
	}
	reader.dropLog = &dropLog{logger: set.Logger}
	return &amplitudeExporter{
		config: config, library: library, settings: set.TelemetrySettings, telemetry: t, dropLog: reader.dropLog,
		storages:          storages{exporter: set.ID, id: config.storageID(), logger: set.Logger, telemetry: t},
		interruptDeferred: func() {}, stopping: newShutdown(), semaphore: semaphore.NewWeighted(1), reader: reader,
		deferral: deferral{logger: set.Logger, limits: limitsOf(config), overflow: newOverflow()},
	}, nil
}

func (e *amplitudeExporter) start(ctx context.Context, host component.Host) error {
	if err := pdatautil.RefusePooling(); err != nil {
		return err
	}
	for _, warning := range e.config.warnings() {
		e.settings.Logger.Warn("this configuration can lose, repeat or reorder events", zap.String("setting", warning))
	}
	e.host = host
	if e.reporter = inspection.Find(host.GetExtensions()); e.reporter.Inspector != nil {
		e.reporter.Inspector.ExplainExporter(e.storages.exporter.String(), e.explain)
	}
	key, err := e.newClient(ctx, host)
	if err != nil {
		return err
	}
	e.deliverer, err = delivery.New(delivery.Settings{
		URL:         e.config.url(),
		Key:         key,
		MinIDLength: e.config.MinIDLength,
		Limits:      e.config.API.Limits(),
		Lanes:       e.config.Lanes,
		Client:      e.client,
		Observe:     e.observe,

		MaxRetryAfter: e.config.MaxRetryAfter,
	})
	if err != nil {
		return errors.New("api_key: not UTF-8 text; give the project's API key")
	}
	if err := e.telemetry.observe(e.deliverer, e.config.Lanes, &e.deferral.waiting); err != nil {
		return err
	}
	e.telemetry.startAtZero(ctx)
	if e.deadLetters, err = e.openDeadLetters(ctx); err != nil {
		return err
	}
	e.reader.deadLetters = e.deadLetters
	return e.startDeferral(ctx, host)
}

func (e *amplitudeExporter) observe(status int, outcome amplitude.Outcome, took time.Duration) {
	e.telemetry.recordRequest(status, outcome, took)
	if outcome == amplitude.OutcomeAccepted {
		e.stopping.noteAccepted()
	}
}

// newClient makes the HTTP client, and returns the API key for its requests.
func (e *amplitudeExporter) newClient(ctx context.Context, host component.Host) (key string, err error) {
	if e.config.DryRun.Enabled {
		e.dryRun, err = newDryRun(e.config.DryRun.Path)
		e.client = &http.Client{Transport: e.dryRun}
		return redacted, err
	}
	e.client, err = transport.NewClient(ctx, host, e.config.ClientConfig, e.settings)
	return string(e.config.APIKey), err
}

func (e *amplitudeExporter) startDeferral(ctx context.Context, host component.Host) error {
	var client storage.Client = deferred.Memory{}
	var keys []string
	switch opened, err := e.storages.openDeferred(ctx, host); {
	case err != nil:
		return fmt.Errorf("sending_queue.storage: %w", err)
	case opened != nil:
		client, keys = opened, opened.keys
	case !e.config.queueIsInMemory():
		return nil
	}
	background, interrupt := context.WithCancel(context.WithoutCancel(ctx))
	e.interruptDeferred = interrupt
	read := func(records plog.Logs) { e.reader.readStored(&e.batch, records, time.Now()) }
	if err := e.deferral.open(ctx, client, keys, &e.batch, read, func() { e.deliverDeferred(background) }); err != nil {
		return errors.Join(err, client.Close(ctx))
	}
	e.recordBatch(ctx)
	e.endBatch(ctx, delivery.Result{})
	e.reader.endLogs()
	if len(e.batch.items) > 0 {
		e.deferral.dueIn(0)
	}
	return nil
}

// push delivers logs and deferred events. Large logs are delivered in parts.
func (e *amplitudeExporter) push(ctx context.Context, logs plog.Logs) error {
	if err := e.semaphore.Acquire(ctx, 1); err != nil {
		return err
	}
	defer e.semaphore.Release(1)
	ctx, done := e.stopping.context(ctx)
	defer done()
	if e.wouldOvertake(logs) {
		e.returned = logs
		return errStopping
	}
	defer e.reader.endLogs()
	e.reader.isWatched = e.reporter.Watched() != nil
	for {
		end, isCut := e.reader.read(&e.batch, logs, time.Now(), maxEncoded)
		part := logs
		if isCut {
			part = pdatautil.Split(logs, end)
		}
		result, left := e.deliverPart(ctx, part)
		switch {
		case left == 0 && isCut:
			continue
		case left == 0:
			e.returned = plog.Logs{}
			return nil
		case isCut:
			logs.ResourceLogs().MoveAndAppendTo(part.ResourceLogs())
			part.ResourceLogs().MoveAndAppendTo(logs.ResourceLogs())
		}
		e.returned = logs
		err := result.Err
		if result.Wait > 0 {
			err = exporterhelper.NewThrottleRetry(err, result.Wait)
		}
		return consumererror.NewLogs(err, logs)
	}
}

// deliverPart delivers the batch, which has the events of part, and removes from part what need not be delivered again. It
// returns the number of records that are left.
func (e *amplitudeExporter) deliverPart(ctx context.Context, part plog.Logs) (result delivery.Result, left int) {
	held := e.deferral.hold(&e.batch)
	result = e.deliver(ctx)
	if held && result.Err == nil {
		result.Err, result.Blocked = errHeld, true
	}
	if result.Err != nil {
		left = e.batch.removeDone(part)
	}
	if left > 0 && result.Blocked && e.deferral.add(ctx, &e.batch, part) {
		left = 0
	} else {
		e.deferral.forget(ctx, &e.batch)
	}
	e.endBatch(ctx, result)
	return result, left
}

// deliverDeferred delivers deferred events when they are due but no logs came.
func (e *amplitudeExporter) deliverDeferred(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	if !e.semaphore.TryAcquire(1) {
		// A batch is under way, and includes them unless it is about to end.
		e.deferral.dueIn(deferredRetry)
		return
	}
	defer e.semaphore.Release(1)
	defer e.reader.endLogs()
	var result delivery.Result
	if len(e.batch.items) > 0 {
		result = e.deliver(ctx)
	}
	e.deferral.forget(ctx, &e.batch)
	e.endBatch(ctx, result)
}

// deliver sends the batch, and records the result in metrics, logs and the component's status.
func (e *amplitudeExporter) deliver(ctx context.Context) delivery.Result {
	result := e.deliverer.Deliver(ctx, e.batch.itemsToDeliver())
	if e.reader.staleUpdates.settle(e.batch.items) && result.Err == nil {
		result.Err = errNewerRefused
	}
	e.recordBatch(ctx)
	e.dropLog.add(e.batch.items, time.Now())
	e.reportHealth(result)
	return result
}

// recordBatch records what became of the batch: first as dead letters, so that whatever was counted as dropped is there.
func (e *amplitudeExporter) recordBatch(ctx context.Context) {
	now := time.Now()
	e.deadLetters.addDropped(e.batch.items, now)
	e.deadLetters.flush(ctx, now)
	e.telemetry.recordBatch(ctx, &e.batch)
	if inspector := e.reporter.Watched(); inspector != nil && len(e.batch.items)+e.batch.records > 0 {
		inspector.Delivered(e.inspected())
	}
}

// endBatch forgets everything but the deferred events that are left, and loads more of them.
func (e *amplitudeExporter) endBatch(ctx context.Context, result delivery.Result) {
	e.reader.endPart(e.batch.items)
	e.batch.keepDeferred()
	wait := result.Wait
	if e.deferral.load(context.WithoutCancel(ctx), &e.batch) && (result.Err == nil || result.Blocked) {
		// They may be of users who aren't throttled any more.
		wait = deferredPeriod
	}
	e.deferral.schedule(len(e.batch.items), wait)
}

var (
	errHeld         = errors.New("too many events of throttled users wait; later ones of the same users wait in the queue")
	errNewerRefused = errors.New("updates are refused; older ones of the same users and flags are sent instead")
)

var errStopping = errors.New("the exporter is stopping and earlier events are not delivered yet")

// wouldOvertake reports whether these aren't the logs that were returned, and so would overtake them. A queue on disk that
// retries without end pushes other logs only when it stops: it tries each batch that it has read once more, and failed
// batches stay on disk.
func (e *amplitudeExporter) wouldOvertake(logs plog.Logs) bool {
	retriesWithoutEnd := e.config.storageID() != nil && e.config.RetryConfig.MaxElapsedTime == 0
	return retriesWithoutEnd && e.returned != plog.Logs{} && e.returned != logs
}

// reportHealth makes it visible in the component's status that the key or all requests are refused.
func (e *amplitudeExporter) reportHealth(result delivery.Result) {
	switch {
	case result.Unhealthy != nil:
		e.dropLog.wait(result.Unhealthy, e.batch.items, time.Now())
		if e.unhealthy {
			return
		}
		e.unhealthy = true
		componentstatus.ReportStatus(e.host, componentstatus.NewRecoverableErrorEvent(result.Unhealthy))
	case result.Accepted && result.Unhealthy == nil && e.unhealthy:
		e.unhealthy = false
		componentstatus.ReportStatus(e.host, componentstatus.NewEvent(componentstatus.StatusOK))
	}
}

// beginShutdown is called before the queue stops. It interrupts the delivery of deferred events, because they stay stored.
func (e *amplitudeExporter) beginShutdown() {
	e.interruptDeferred()
	e.stopping.begin()
}

func (e *amplitudeExporter) shutdown(ctx context.Context) error {
	e.interruptDeferred()
	e.stopping.end()
	if err := e.semaphore.Acquire(context.WithoutCancel(ctx), 1); err != nil {
		return err
	}
	defer e.semaphore.Release(1)
	if events := e.deferral.waiting.Load(); events > 0 && e.config.queueIsInMemory() {
		e.settings.Logger.Error("waiting events are lost; give sending_queue.storage to keep them", zap.Int64("events", events))
	}
	e.deferral.close(ctx)
	err := e.deadLetters.close(time.Now())
	e.dropLog.flush(time.Now())
	e.telemetry.builder.Shutdown()
	if e.client != nil {
		e.client.CloseIdleConnections()
	}
	if e.dryRun != nil {
		err = errors.Join(err, e.dryRun.file.Close())
	}
	return err
}
