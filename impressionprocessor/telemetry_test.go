// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/internal/metrictest"
)

// point is a data point of a series of the processor impression/test.
func point(value int64, attributes ...attribute.KeyValue) metricdata.DataPoint[int64] {
	set := attribute.NewSet(append(attributes, attribute.String("otelcol.component.id", "impression/test"), attribute.String("processor", "impression/test"))...)
	return metricdata.DataPoint[int64]{Attributes: set, Value: value}
}

// observe sends batches through a processor and returns the telemetry of it, still running.
func observe(t *testing.T, config *Config, batches ...plog.Logs) *componenttest.Telemetry {
	t.Helper()
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, telemetry.Shutdown(context.Background())) })
	set := processor.Settings{
		ID:                component.NewIDWithName(metadata.Type, "test"),
		TelemetrySettings: telemetry.NewTelemetrySettings(),
	}
	p, err := NewFactory().CreateLogs(context.Background(), set, config, consumertest.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Shutdown(context.Background())) })
	for _, batch := range batches {
		require.NoError(t, p.ConsumeLogs(context.Background(), batch))
	}
	return telemetry
}

func TestMetrics(t *testing.T) {
	nobody := segmentCall("$impression", shown("checkout", "on"))
	delete(nobody, "userId")
	delete(nobody, "anonymousId")
	nobodyInGroup := segmentCall("$impression", map[string]any{"flag_key": "cart", "variant": "slot", "metadata": map[string]any{"flagType": "mutual-exclusion-group"}})
	delete(nobodyInGroup, "userId")
	delete(nobodyInGroup, "anonymousId")
	config := defaultsWith(dropUnassigned, func(c *Config) {
		c.EventTypes["$$exposure"] = "[Experiment] Exposure"
		c.Estimate = &EstimateConfig{MonthlyTrackedUsers: 1000000, ExperimentsPerMonth: 5, PageViewsPerUser: 20}
	})
	telemetry := observe(t, config,
		bodies(t,
			segmentCall("$impression", shown("checkout", "on")),
			segmentCall("$impression", shown("checkout", "on")),
			segmentCall("$exposure", shown("checkout", "off")),
			segmentCall("Product Viewed", nil),
		),
		bodies(t,
			nobody, nobodyInGroup,
			segmentCall("$impression", shown("checkout", "")),
			segmentCall("$impression", map[string]any{"flag_key": "cart", "variant": "slot", "metadata": map[string]any{"flagType": "mutual-exclusion-group"}}),
			segmentCall("$impression", map[string]any{"flag_key": 1}),
			segmentCall("$impression", map[string]any{"flag_key": "checkout", "variant": []any{}}),
			segmentCall("$impression", nil),
		),
	)
	event := func(value int64, eventType, outcome string) metricdata.DataPoint[int64] {
		return point(value, attribute.String("event_type", eventType), attribute.String("outcome", outcome))
	}
	metadatatest.AssertEqualProcessorImpressionEvents(t, telemetry, []metricdata.DataPoint[int64]{
		event(5, "$impression", "transformed"),
		event(1, "$exposure", "transformed"),
		event(1, "$impression", "dropped"),
		event(1, "$impression", "malformed_flag_key"),
		event(1, "$impression", "malformed_variant"),
		event(1, "$impression", "malformed_properties"),
	}, metricdatatest.IgnoreTimestamp())
	update := func(value int64, operation string, more ...attribute.KeyValue) metricdata.DataPoint[int64] {
		return point(value, append(more, attribute.String("operation", operation))...)
	}
	metadatatest.AssertEqualProcessorImpressionUserPropertyUpdates(t, telemetry, []metricdata.DataPoint[int64]{
		update(3, "set"),
		update(1, "unset"),
		update(2, "skipped", attribute.String("reason", "no_identity")),
		update(1, "skipped", attribute.String("reason", "mutual_exclusion_group")),
	}, metricdatatest.IgnoreTimestamp())
	experiment := func(value int64, flag, variant string) metricdata.DataPoint[int64] {
		return point(value, attribute.String("flag_key", flag), attribute.String("variant", variant))
	}
	metadatatest.AssertEqualProcessorImpressionByExperiment(t, telemetry, []metricdata.DataPoint[int64]{
		experiment(3, "checkout", "on"),
		experiment(1, "checkout", "off"),
		experiment(1, "checkout", ""),
		experiment(2, "cart", "slot"),
	}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualProcessorImpressionMonthlyEstimate(t, telemetry,
		[]metricdata.DataPoint[int64]{point(100000000)}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualProcessorImpressionEstimate(t, telemetry, []metricdata.DataPoint[int64]{
		point(1000000, attribute.String("quantity", "monthly_tracked_users")),
		point(5, attribute.String("quantity", "experiments_per_month")),
		point(20, attribute.String("quantity", "page_views_per_user")),
	}, metricdatatest.IgnoreTimestamp())
}

func TestExperimentsBeyondTheBoundShareOneSeries(t *testing.T) {
	var batches []plog.Logs
	for range 2 {
		for flag := range 5 {
			batches = append(batches, bodies(t, segmentCall("$impression", shown(strconv.Itoa(flag), "on"))))
		}
	}
	telemetry := observe(t, defaultsWith(func(c *Config) { c.Telemetry.MaxExperiments = 2 }), batches...)
	metadatatest.AssertEqualProcessorImpressionByExperiment(t, telemetry, []metricdata.DataPoint[int64]{
		point(2, attribute.String("flag_key", "0"), attribute.String("variant", "on")),
		point(2, attribute.String("flag_key", "1"), attribute.String("variant", "on")),
		point(6, attribute.Bool("otel.metric.overflow", true)),
	}, metricdatatest.IgnoreTimestamp())
}

func TestNamesThatMetricsCannotHold(t *testing.T) {
	long := strings.Repeat("x", 1000)
	telemetry := observe(t, defaultsWith(), bodies(t,
		segmentCall("$impression", shown("invalid\xff\xfe", "on")),
		segmentCall("$impression", shown(long, "on")),
		segmentCall("$impression", shown("flag", long)),
	))
	metadatatest.AssertEqualProcessorImpressionByExperiment(t, telemetry, []metricdata.DataPoint[int64]{
		point(1, attribute.String("flag_key", "invalid\uFFFD"), attribute.String("variant", "on")),
		point(2, attribute.Bool("otel.metric.overflow", true)),
	}, metricdatatest.IgnoreTimestamp())
}

func TestMetricsThatAreOff(t *testing.T) {
	config := defaultsWith(emit(EmitNone), func(c *Config) { c.Telemetry.MaxExperiments = 0 })
	telemetry := observe(t, config, bodies(t, segmentCall("$impression", shown("checkout", "on"))))
	for _, name := range []string{
		"otelcol_processor_impression_by_experiment",
		"otelcol_processor_impression_user_property_updates",
		"otelcol_processor_impression_monthly_estimate",
		"otelcol_processor_impression_estimate",
	} {
		_, err := telemetry.GetMetric(name)
		require.Error(t, err, name)
	}
	_, err := telemetry.GetMetric("otelcol_processor_impression_events")
	assert.NoError(t, err)
}

// TestSeriesThatStartAtZero requires the series whose first increase matters.
func TestSeriesThatStartAtZero(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, telemetry.Shutdown(context.Background())) })
	set := processor.Settings{ID: component.NewIDWithName(metadata.Type, "test"), TelemetrySettings: telemetry.NewTelemetrySettings()}
	p, err := NewFactory().CreateLogs(t.Context(), set, defaultsWith(), consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, p.Shutdown(context.Background())) })
	total := 0
	for name, contained := range map[string]string{
		"events":                "event_type=$impression,outcome=malformed_variant",
		"user_property_updates": "operation=skipped,reason=no_identity",
		"untouched_records":     "reason=json_too_large",
		"records":               "layout=none",
	} {
		series := metrictest.Series(t, telemetry, "otelcol_processor_impression_"+name, "processor", "otelcol.component.id")
		assert.Contains(t, series, contained)
		for attributes, count := range series {
			assert.Zero(t, count, attributes)
		}
		total += len(series)
	}
	// README.md says so.
	assert.Equal(t, 22, total)
}
