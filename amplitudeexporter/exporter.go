// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// amplitudeExporter delivers one batch at a time. What it cannot deliver yet it gives back, for exporterhelper to bring it
// again before any other.
type amplitudeExporter struct {
	id        component.ID
	config    *Config
	settings  component.TelemetrySettings
	telemetry *telemetry

	host      component.Host
	dryRun    *dryRun
	client    *http.Client
	deliverer *delivery.Deliverer

	// turn lets one batch go on at a time: deferred events are one too, and without a queue several receivers push at once.
	turn     *semaphore.Weighted
	intake   *intake
	deferral deferral
	// left is what was given back last, the zero value for nothing.
	left plog.Logs
	// unhealthy says that the key was refused last.
	unhealthy bool
	dropped   dropLog
}

func newExporter(set exporter.Settings, config *Config) (*amplitudeExporter, error) {
	in, err := newIntake(config)
	if err != nil {
		return nil, err
	}
	t, err := newTelemetry(set, config)
	if err != nil {
		return nil, err
	}
	return &amplitudeExporter{
		id: set.ID, config: config, settings: set.TelemetrySettings, telemetry: t, turn: semaphore.NewWeighted(1), intake: in,
	}, nil
}

func (e *amplitudeExporter) start(ctx context.Context, host component.Host) error {
	for _, warning := range e.config.warnings() {
		e.settings.Logger.Warn("this configuration can lose or reorder events", zap.String("setting", warning))
	}
	e.host = host
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
		Observe:     e.telemetry.recordRequest,
	})
	if err != nil {
		return errors.New("api_key: no UTF-8 text")
	}
	if err := e.telemetry.observe(e.deliverer, e.config.Lanes, &e.deferral.waiting); err != nil {
		return err
	}
	return e.startDeferral(ctx, host)
}

// newClient makes the client, and returns the key that its requests are to have.
func (e *amplitudeExporter) newClient(ctx context.Context, host component.Host) (key string, err error) {
	if e.config.DryRun.Enabled {
		e.dryRun, err = newDryRun(e.config.DryRun.Path)
		e.client = &http.Client{Transport: e.dryRun}
		return redacted, err
	}
	e.client, err = e.config.ClientConfig.ToClient(ctx, host.GetExtensions(), e.settings)
	if err != nil {
		return "", err
	}
	// Wherever a redirect leads to, it must not get the key and the events.
	e.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return string(e.config.APIKey), nil
}

func (e *amplitudeExporter) push(ctx context.Context, logs plog.Logs) error {
	if err := e.turn.Acquire(ctx, 1); err != nil {
		return err
	}
	defer e.turn.Release(1)
	if e.isAbandoned(logs) {
		e.left = logs
		return errStopping
	}
	e.intake.read(logs, time.Now())
	result := e.deliver(ctx)
	left := 0
	if result.Err != nil {
		e.intake.removeDone(logs)
		left = logs.LogRecordCount()
	}
	if left > 0 && result.Throttled && e.deferLeft(ctx, logs) {
		left = 0
	} else {
		e.forgetDone(ctx)
	}
	e.goOn(result.Wait)
	if left == 0 {
		e.left = plog.Logs{}
		return nil
	}
	e.left = logs
	err := result.Err
	if result.Wait > 0 {
		err = exporterhelper.NewThrottleRetry(err, result.Wait)
	}
	return consumererror.NewLogs(err, logs)
}

// deliver sends what the intake has, and tells of it.
func (e *amplitudeExporter) deliver(ctx context.Context) delivery.Result {
	result := e.deliverer.Deliver(ctx, &e.intake.batch)
	e.telemetry.record(ctx, e.intake)
	e.dropped.tell(e.settings.Logger, e.intake.batch.Events, time.Now())
	e.reportHealth(result)
	return result
}

var errStopping = errors.New("what came before is not sent yet")

// isAbandoned says that other logs come in place of those that were given back. A queue on disk that is to try for ever
// does so only when it stops: it tries once each batch that it has read, and keeps on disk what fails. What was given back
// must not be overtaken by these.
func (e *amplitudeExporter) isAbandoned(logs plog.Logs) bool {
	triesForEver := e.config.storageID() != nil && e.config.RetryConfig.MaxElapsedTime == 0
	return triesForEver && e.left != plog.Logs{} && e.left != logs
}

// reportHealth makes a key that is refused visible to whoever watches the collector's health.
func (e *amplitudeExporter) reportHealth(result delivery.Result) {
	switch {
	case result.KeyRefused && !e.unhealthy:
		e.unhealthy = true
		componentstatus.ReportStatus(e.host, componentstatus.NewRecoverableErrorEvent(errors.New("the API key is refused by Amplitude")))
	case result.Answered && !result.KeyRefused && e.unhealthy:
		e.unhealthy = false
		componentstatus.ReportStatus(e.host, componentstatus.NewEvent(componentstatus.StatusOK))
	}
}

func (e *amplitudeExporter) shutdown(ctx context.Context) error {
	err := e.stopDeferral(ctx)
	e.dropped.flush(e.settings.Logger)
	e.telemetry.shutdown()
	if e.client != nil {
		e.client.CloseIdleConnections()
	}
	if e.dryRun != nil {
		err = errors.Join(err, e.dryRun.close())
	}
	return err
}

// dropLog tells of events that Amplitude refused.
type dropLog struct {
	counts [amplitude.Reasons]int64
	last   time.Time
}

// dropLogPeriod is the least time between two lines, but for the one at the end.
const dropLogPeriod = 10 * time.Second

func (d *dropLog) tell(logger *zap.Logger, events []delivery.Event, now time.Time) {
	for i := range events {
		if events[i].State == delivery.Dropped {
			d.counts[events[i].Reason]++
		}
	}
	if now.Sub(d.last) >= dropLogPeriod && d.flush(logger) {
		d.last = now
	}
}

// flush logs what was not told of yet, and says whether there was any.
func (d *dropLog) flush(logger *zap.Logger) bool {
	if d.counts == [amplitude.Reasons]int64{} {
		return false
	}
	fields := make([]zap.Field, 0, len(d.counts))
	for reason, n := range d.counts {
		if n > 0 {
			fields = append(fields, zap.Int64(amplitude.Reason(reason).String(), n))
		}
	}
	logger.Warn("Amplitude refused events, which are dropped", fields...)
	d.counts = [amplitude.Reasons]int64{}
	return true
}
