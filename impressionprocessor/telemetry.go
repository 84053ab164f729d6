// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"context"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// telemetry counts what the processor did, one call a batch and series. The attributes of all series but those of the
// experiments are made at start.
type telemetry struct {
	builder *metadata.TelemetryBuilder
	events  [][outcomes][]metric.AddOption
	updates [impression.Operations][]metric.AddOption
	// layouts are by index, and records without one.
	layouts        [][]metric.AddOption
	noLayout, text []metric.AddOption
	untouched      [layout.UntouchedReasons][]metric.AddOption

	processor attribute.KeyValue
	// maxExperiments bounds experiments; 0 counts none.
	maxExperiments int
	overflow       []metric.AddOption
	mutex          sync.Mutex
	experiments    map[experiment][]metric.AddOption
}

func newTelemetry(set processor.Settings, config *compiled) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	t := &telemetry{
		builder:        builder,
		processor:      attribute.String("processor", set.ID.String()),
		maxExperiments: config.maxExperiments,
		experiments:    map[experiment][]metric.AddOption{},
	}
	t.overflow = t.series(attribute.Bool("otel.metric.overflow", true))
	for _, eventType := range config.eventTypes {
		var series [outcomes][]metric.AddOption
		for o := range series {
			series[o] = t.series(attribute.String("event_type", eventType.pre), attribute.String("outcome", outcome(o).String()))
		}
		t.events = append(t.events, series)
	}
	t.updates = [...][]metric.AddOption{
		impression.Set:            t.series(attribute.String("operation", "set")),
		impression.Unset:          t.series(attribute.String("operation", "unset")),
		impression.SkipNoIdentity: t.series(attribute.String("operation", "skipped"), attribute.String("reason", "no_identity")),
		impression.SkipMutualExclusionGroup: t.series(
			attribute.String("operation", "skipped"), attribute.String("reason", "mutual_exclusion_group")),
	}
	for _, name := range config.layouts.Names() {
		t.layouts = append(t.layouts, t.series(attribute.String("layout", name)))
	}
	t.noLayout = t.series(attribute.String("layout", "none"))
	t.text = t.series(attribute.String("layout", "unread_json"))
	for reason := range t.untouched {
		t.untouched[reason] = t.series(attribute.String("reason", layout.Untouched(reason).String()))
	}
	if config.estimate > 0 {
		err = builder.RegisterProcessorImpressionMonthlyEstimateCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(config.estimate, metric.WithAttributes(t.processor))
			return nil
		})
	}
	return t, err
}

// series are the attributes of a series. A component's metrics do not name it by themselves.
func (t *telemetry) series(attributes ...attribute.KeyValue) []metric.AddOption {
	set := attribute.NewSet(append(attributes, t.processor)...)
	return []metric.AddOption{metric.WithAttributeSet(set)}
}

func (t *telemetry) record(ctx context.Context, b *batch) {
	t.recordSeen(ctx, &b.reader.Seen, b.counts.records)
	t.recordCounts(ctx, &b.counts)
}

func (t *telemetry) recordSeen(ctx context.Context, seen *layout.Seen, records int64) {
	// The reader does not count records that the first layout claims by their EventName.
	seen.ByLayout[0] += records - seen.Records()
	for i, n := range seen.ByLayout {
		add(ctx, t.builder.ProcessorImpressionRecords, n, t.layouts[i])
	}
	add(ctx, t.builder.ProcessorImpressionRecords, seen.None, t.noLayout)
	add(ctx, t.builder.ProcessorImpressionRecords, seen.Text, t.text)
	for reason, n := range seen.Untouched {
		add(ctx, t.builder.ProcessorImpressionUntouchedRecords, n, t.untouched[reason])
	}
}

func (t *telemetry) recordCounts(ctx context.Context, c *counts) {
	for eventType := range c.events {
		for o, n := range c.events[eventType] {
			add(ctx, t.builder.ProcessorImpressionEvents, n, t.events[eventType][o])
		}
	}
	for operation, n := range c.updates {
		add(ctx, t.builder.ProcessorImpressionUserPropertyUpdates, n, t.updates[operation])
	}
	if t.maxExperiments == 0 {
		return
	}
	add(ctx, t.builder.ProcessorImpressionByExperiment, c.tooLong, t.overflow)
	for _, u := range c.used {
		if u.series == nil {
			u.series = t.experimentSeries(u.experiment)
		}
		add(ctx, t.builder.ProcessorImpressionByExperiment, u.impressions, u.series)
	}
}

// add leaves out what did not happen: a series is there from its first event on.
func add(ctx context.Context, counter metric.Int64Counter, n int64, series []metric.AddOption) {
	if n > 0 {
		counter.Add(ctx, n, series...)
	}
}

func (t *telemetry) experimentSeries(e experiment) []metric.AddOption {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if series, known := t.experiments[e]; known {
		return series
	}
	if len(t.experiments) >= t.maxExperiments {
		return t.overflow
	}
	series := t.series(label("flag_key", e.flagKey), label("variant", e.variant))
	t.experiments[e] = series
	return series
}

// label is an attribute whose value comes from an event. One that is no UTF-8 would make Prometheus refuse all metrics.
func label(key, value string) attribute.KeyValue {
	return attribute.String(key, strings.ToValidUTF8(value, "\uFFFD"))
}

func (t *telemetry) shutdown() {
	t.builder.Shutdown()
}
