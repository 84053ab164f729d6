// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// telemetry counts what the exporter did, one call a batch and series for events, one a request for requests.
type telemetry struct {
	builder  *metadata.TelemetryBuilder
	exporter attribute.KeyValue
	// delivered is the outcome of events that are sent, which a dry run does not claim.
	delivered string
}

// Outcomes of records, as labels of a metric.
const (
	deliveredOutcome = "delivered"
	dryRunOutcome    = "dry_run"
	droppedOutcome   = "dropped"
	filteredOutcome  = "filtered"
)

func newTelemetry(set exporter.Settings, config *Config) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	t := &telemetry{builder: builder, exporter: attribute.String("exporter", set.ID.String()), delivered: deliveredOutcome}
	if config.DryRun.Enabled {
		t.delivered = dryRunOutcome
	}
	return t, nil
}

// series are the attributes of a series. A component's metrics do not name it by themselves.
func (t *telemetry) series(attributes ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(attributes, t.exporter)...))
}

// record counts the records with which there is nothing left to do.
func (t *telemetry) record(ctx context.Context, in *intake) {
	for reason, n := range in.skipped {
		outcome := droppedOutcome
		if reason == notAnImpression {
			outcome = filteredOutcome
		}
		t.addEvents(ctx, outcome, reason, n)
	}
	t.recordDelivery(ctx, &in.batch)
	for i := range in.changed {
		if in.isDone(&in.changed[i]) {
			t.recordChanges(ctx, &in.changed[i])
		}
	}
}

func (t *telemetry) recordDelivery(ctx context.Context, batch *delivery.Batch) {
	var delivered int64
	var dropped [amplitude.Reasons]int64
	for i := range batch.Events {
		switch batch.Events[i].State {
		case delivery.Delivered:
			delivered++
		case delivery.Dropped:
			dropped[batch.Events[i].Reason]++
		}
	}
	t.addEvents(ctx, t.delivered, amplitude.ReasonNone.String(), delivered)
	for reason, n := range dropped {
		t.addEvents(ctx, droppedOutcome, amplitude.Reason(reason).String(), n)
	}
}

func (t *telemetry) addEvents(ctx context.Context, outcome, reason string, n int64) {
	if n > 0 {
		t.builder.ExporterAmplitudeEvents.Add(ctx, n, t.series(attribute.String("outcome", outcome), attribute.String("reason", reason)))
	}
}

func (t *telemetry) recordChanges(ctx context.Context, changed *changedEvent) {
	for change, n := range changed.values {
		t.addChanged(ctx, amplitude.Change(change).String(), n)
	}
	t.addChanged(ctx, "refused_id", changed.ids.Refused)
	t.addChanged(ctx, "id_too_short", changed.ids.TooShort)
}

func (t *telemetry) addChanged(ctx context.Context, reason string, n int64) {
	if n > 0 {
		t.builder.ExporterAmplitudeChangedValues.Add(ctx, n, t.series(attribute.String("reason", reason)))
	}
}

// statusClasses are the values of status_class, by the status's first digit.
var statusClasses = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func statusClass(status int) string {
	if class := status / 100; class > 0 && class < len(statusClasses) {
		return statusClasses[class]
	}
	return statusClasses[0]
}

func (t *telemetry) recordRequest(status int, outcome amplitude.Outcome, took time.Duration) {
	ctx := context.Background()
	class := attribute.String("status_class", statusClass(status))
	t.builder.ExporterAmplitudeRequests.Add(ctx, 1, t.series(class, attribute.String("outcome", outcome.String())))
	t.builder.ExporterAmplitudeRequestDuration.Record(ctx, took.Seconds(), t.series(class))
}

// observe registers what tells how many events are deferred, and how long each lane's first event has waited.
func (t *telemetry) observe(deliverer *delivery.Deliverer, lanes int, deferred *atomic.Int64) error {
	err := t.builder.RegisterExporterAmplitudeDeferredEventsCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(deferred.Load(), t.series())
		return nil
	})
	if err != nil {
		return err
	}
	return t.builder.RegisterExporterAmplitudeLaneQueueAgeCallback(func(_ context.Context, o metric.Float64Observer) error {
		now := time.Now().UnixNano()
		for lane := range lanes {
			age := 0.0
			if since := deliverer.Since(lane); since > 0 {
				age = time.Duration(max(0, now-since)).Seconds()
			}
			o.Observe(age, t.series(attribute.Int("lane", lane)))
		}
		return nil
	})
}

func (t *telemetry) shutdown() {
	t.builder.Shutdown()
}
