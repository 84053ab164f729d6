// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"context"
	"errors"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// telemetry adds the counts of each batch to the collector's metrics, with one call per series. The attributes of all series
// are built at start, except those by experiment.
type telemetry struct {
	builder *metadata.TelemetryBuilder
	events  [][numOutcomes][]metric.AddOption
	updates [impression.NumOperations][]metric.AddOption
	// layouts is indexed like compiled.layouts.
	layouts              [][]metric.AddOption
	noLayout, unreadJSON []metric.AddOption
	untouched            [reader.NumProblems][]metric.AddOption

	// component identifies the component. Without it, the series of two processors would be one.
	component [2]attribute.KeyValue
	// maxExperiments limits the length of experiments. If it is 0, impressions aren't counted by experiment.
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
	id := set.ID.String()
	t := &telemetry{
		builder:        builder,
		component:      [...]attribute.KeyValue{attribute.String("otelcol.component.id", id), attribute.String("processor", id)},
		maxExperiments: config.maxExperiments,
		experiments:    map[experiment][]metric.AddOption{},
	}
	t.overflow = t.series(attribute.Bool("otel.metric.overflow", true))
	for _, eventType := range config.eventTypes {
		var series [numOutcomes][]metric.AddOption
		for o := range series {
			series[o] = t.series(attribute.String("event_type", eventType.pre), attribute.String("outcome", outcomeTexts[o]))
		}
		t.events = append(t.events, series)
	}
	for operation, text := range operationTexts {
		attributes := []attribute.KeyValue{attribute.String("operation", text.operation)}
		if text.reason != "" {
			attributes = append(attributes, attribute.String("reason", text.reason))
		}
		t.updates[operation] = t.series(attributes...)
	}
	for i := range config.layouts {
		t.layouts = append(t.layouts, t.series(attribute.String("layout", config.layouts[i].Name)))
	}
	t.noLayout = t.series(attribute.String("layout", "none"))
	t.unreadJSON = t.series(attribute.String("layout", "unread_json"))
	for _, problem := range untouchedProblems {
		t.untouched[problem] = t.series(attribute.String("reason", problem.String()))
	}
	err = t.observeEstimate(config)
	return t, err
}

// observeEstimate reports the estimate and its factors as metrics, if there is an estimate.
func (t *telemetry) observeEstimate(config *compiled) error {
	if config.estimate == 0 {
		return nil
	}
	return errors.Join(
		t.builder.RegisterProcessorImpressionMonthlyEstimateCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(config.estimate, metric.WithAttributes(t.component[:]...))
			return nil
		}),
		t.builder.RegisterProcessorImpressionEstimateCallback(func(_ context.Context, o metric.Int64Observer) error {
			for _, f := range config.factors {
				o.Observe(f.value, metric.WithAttributes(append(t.component[:], attribute.String("quantity", f.key))...))
			}
			return nil
		}))
}

// series returns the attributes of a series, with the component's.
func (t *telemetry) series(attributes ...attribute.KeyValue) []metric.AddOption {
	set := attribute.NewSet(append(attributes, t.component[:]...)...)
	return []metric.AddOption{metric.WithAttributeSet(set)}
}

func (t *telemetry) record(ctx context.Context, b *batch) {
	t.recordStats(ctx, b.events.Stats())
	t.recordCounts(ctx, &b.counts)
}

func (t *telemetry) recordStats(ctx context.Context, stats *reader.Stats) {
	for i, n := range stats.ByLayout {
		add(ctx, t.builder.ProcessorImpressionRecords, n, t.layouts[i])
	}
	add(ctx, t.builder.ProcessorImpressionRecords, stats.NoLayout, t.noLayout)
	add(ctx, t.builder.ProcessorImpressionRecords, stats.UnreadJSON, t.unreadJSON)
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
	for _, problem := range untouchedProblems {
		add(ctx, t.builder.ProcessorImpressionUntouchedRecords, c.problems[problem], t.untouched[problem])
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

// add skips zeros, because most series of a batch have no events.
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

// label returns an attribute whose value comes from an event. Invalid UTF-8 is replaced, because Prometheus would refuse all
// metrics because of it.
func label(key, value string) attribute.KeyValue {
	return attribute.String(key, strings.ToValidUTF8(value, "\uFFFD"))
}

// startAtZero makes the series that alerts need exist before their first event, because an alert can't see the first increase of a
// series that didn't exist. emits reports whether the processor emits updates.
func (t *telemetry) startAtZero(ctx context.Context, emits bool) {
	zero := func(counter metric.Int64Counter, series ...[]metric.AddOption) {
		for _, one := range series {
			counter.Add(ctx, 0, one...)
		}
	}
	for i := range t.events {
		zero(t.builder.ProcessorImpressionEvents, t.events[i][:]...)
	}
	if emits {
		zero(t.builder.ProcessorImpressionUserPropertyUpdates, t.updates[:]...)
	}
	for _, problem := range untouchedProblems {
		zero(t.builder.ProcessorImpressionUntouchedRecords, t.untouched[problem])
	}
	zero(t.builder.ProcessorImpressionRecords, t.layouts...)
	zero(t.builder.ProcessorImpressionRecords, t.noLayout, t.unreadJSON)
}

func (t *telemetry) shutdown() {
	t.builder.Shutdown()
}
