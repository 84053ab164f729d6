// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impressionprocessor/impressionprocessor"

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/impression-collector/impressionprocessor/impressionprocessor/internal/metadata"
	"github.com/impression-collector/impressionprocessor/internal/impression"
)

// telemetry counts what the processor did, one call a batch and series. The attributes of all series but those of the
// experiments are made at start.
type telemetry struct {
	builder *metadata.TelemetryBuilder
	events  [][outcomes][]metric.AddOption
	updates [impression.Operations][]metric.AddOption

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

func (t *telemetry) record(ctx context.Context, c *counts) {
	for eventType := range c.events {
		for o, n := range c.events[eventType] {
			if n > 0 {
				t.builder.ProcessorImpressionEvents.Add(ctx, n, t.events[eventType][o]...)
			}
		}
	}
	for operation, n := range c.updates {
		if n > 0 {
			t.builder.ProcessorImpressionUserPropertyUpdates.Add(ctx, n, t.updates[operation]...)
		}
	}
	if t.maxExperiments == 0 {
		return
	}
	for _, u := range c.used {
		if u.series == nil {
			u.series = t.experimentSeries(u.experiment)
		}
		t.builder.ProcessorImpressionByExperiment.Add(ctx, u.impressions, u.series...)
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
	series := t.series(attribute.String("flag_key", e.flagKey), attribute.String("variant", e.variant))
	t.experiments[e] = series
	return series
}

func (t *telemetry) shutdown() {
	t.builder.Shutdown()
}
