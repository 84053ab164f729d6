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
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// telemetry records the exporter's metrics: those of events once for each batch, those of requests once for each request.
type telemetry struct {
	builder *metadata.TelemetryBuilder
	// component identifies the component, because the collector doesn't add that.
	component [2]attribute.KeyValue
	// accepted is the outcome of events that were accepted.
	accepted outcome
}

func newTelemetry(set exporter.Settings, config *Config) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	id := set.ID.String()
	t := &telemetry{
		builder: builder, accepted: outcomeDelivered,
		component: [...]attribute.KeyValue{attribute.String("otelcol.component.id", id), attribute.String("exporter", id)},
	}
	if config.DryRun.Enabled {
		t.accepted = outcomeDryRun
	}
	return t, nil
}

// series returns the attributes of a series, with the component's.
func (t *telemetry) series(attributes ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(attributes, t.component[:]...)...))
}

// recordBatch counts the records of a batch that are done, and the values that were changed in them.
func (t *telemetry) recordBatch(ctx context.Context, b *batch) {
	var accepted, unpaired [kindCount]int64
	notDelivered, calls := b.skipped, b.skippedCalls
	var changed [reasonCount]int64
	for i := range b.items {
		it := &b.items[i]
		switch it.State {
		case delivery.Left:
			continue
		case delivery.Delivered:
			calls[t.accepted][it.call]++
			if it.unpaired {
				unpaired[it.kind]++
			} else {
				accepted[it.kind]++
			}
		case delivery.Dropped:
			why := reasonOlderUpdate
			if it.refused() {
				why = reasonOf(it.Reason.String())
			}
			notDelivered[it.kind][why]++
			calls[outcomeDropped][it.call]++
		}
		for _, values := range it.changed {
			changed[values.reason] += values.count
		}
	}
	for k := range kind(kindCount) {
		t.addEvents(ctx, k, t.accepted, reasonNone, accepted[k])
		t.addEvents(ctx, k, t.accepted, reasonUnpairedUpdate, unpaired[k])
		for r, count := range notDelivered[k] {
			t.addEvents(ctx, k, reason(r).outcome(), reason(r), count)
		}
	}
	for o, byKind := range calls {
		for k := layout.Track + 1; k < layout.Kinds; k++ {
			t.addCalls(ctx, outcome(o), k, byKind[k])
		}
	}
	for r, count := range changed {
		t.addChangedValues(ctx, reason(r), count)
	}
}

func (t *telemetry) addEvents(ctx context.Context, k kind, o outcome, r reason, count int64) {
	if count > 0 {
		t.builder.ExporterAmplitudeEvents.Add(ctx, count, t.eventSeries(k, o, r))
	}
}

func (t *telemetry) eventSeries(k kind, o outcome, r reason) metric.MeasurementOption {
	return t.series(attribute.Stringer("kind", k), attribute.Stringer("outcome", o), attribute.Stringer("reason", r))
}

// startAtZero makes the series that alerts need exist before their first event, because an alert can't see the first increase of a
// series that didn't exist.
func (t *telemetry) startAtZero(ctx context.Context) {
	for k := range kind(kindCount) {
		t.builder.ExporterAmplitudeEvents.Add(ctx, 0, t.eventSeries(k, t.accepted, reasonNone))
		for _, r := range lossesOf(k) {
			t.builder.ExporterAmplitudeEvents.Add(ctx, 0, t.eventSeries(k, outcomeDropped, r))
		}
	}
	t.builder.ExporterAmplitudeEvents.Add(ctx, 0, t.eventSeries(kindImpression, t.accepted, reasonUnpairedUpdate))
	for _, request := range requestsAtZero {
		t.builder.ExporterAmplitudeRequests.Add(ctx, 0,
			t.series(attribute.String("status_class", request.class), attribute.Stringer("outcome", request.outcome)))
	}
}

// requestsAtZero are the series of requests that exist from the start: answers of Amplitude, and of others in its place.
var requestsAtZero = []struct {
	outcome amplitude.Outcome
	class   string
}{
	{amplitude.OutcomeAccepted, "2xx"},
	{amplitude.OutcomeNotAmplitude, "2xx"},
	{amplitude.OutcomeSomeRefused, "4xx"},
	{amplitude.OutcomeRefused, "4xx"},
	{amplitude.OutcomeKeyRefused, "4xx"},
	{amplitude.OutcomeTooLarge, "4xx"},
	{amplitude.OutcomeThrottled, "4xx"},
	{amplitude.OutcomeRetry, "5xx"},
	{amplitude.OutcomeRetry, "none"},
}

func (t *telemetry) addCalls(ctx context.Context, o outcome, k layout.Kind, count int64) {
	if count > 0 {
		t.builder.ExporterAmplitudeCalls.Add(ctx, count, t.series(attribute.Stringer("call", k), attribute.Stringer("outcome", o)))
	}
}

func (t *telemetry) addChangedValues(ctx context.Context, r reason, count int64) {
	if count > 0 {
		t.builder.ExporterAmplitudeChangedValues.Add(ctx, count, t.series(attribute.Stringer("reason", r)))
	}
}

// deadLetterOutcomes are the attribute outcome of exporter_amplitude_dead_letters.
var deadLetterOutcomes = [...]string{"written", "failed"}

// addDeadLetters counts letters that were written and that failed.
func (t *telemetry) addDeadLetters(ctx context.Context, written, failed int) {
	t.builder.ExporterAmplitudeDeadLetters.Add(ctx, int64(written), t.series(attribute.String("outcome", deadLetterOutcomes[0])))
	t.builder.ExporterAmplitudeDeadLetters.Add(ctx, int64(failed), t.series(attribute.String("outcome", deadLetterOutcomes[1])))
}

func (t *telemetry) addStorageErrors(ctx context.Context, storage string, count int64) {
	t.builder.ExporterAmplitudeStorageErrors.Add(ctx, count, t.series(attribute.String("storage", storage)))
}

func (t *telemetry) addUnreadableItems(ctx context.Context, storage string, count int64) {
	t.builder.ExporterAmplitudeUnreadableItems.Add(ctx, count, t.series(attribute.String("storage", storage)))
}

// statusClasses are the values of the label status_class, by the first digit of the status.
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
	t.builder.ExporterAmplitudeRequests.Add(ctx, 1, t.series(class, attribute.Stringer("outcome", outcome)))
	t.builder.ExporterAmplitudeRequestDuration.Record(ctx, took.Seconds(), t.series(class))
}

// observe registers the callbacks for how many events are deferred, and how long the first event of each lane has waited.
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
