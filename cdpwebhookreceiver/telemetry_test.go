// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/impression-collector/impression-bridge/internal/metrictest"
)

// TestCountsAfterStop requires counts that the collector can still report when the receiver has stopped.
func TestCountsAfterStop(t *testing.T) {
	r := start(t, oneSource, consumertest.NewNop())
	r.post(t, "/cdp", event)
	require.NoError(t, r.Shutdown(t.Context()))
	events, err := r.telemetry.GetMetric("otelcol_receiver_cdp_webhook_events")
	require.NoError(t, err)
	assert.Equal(t, int64(1), events.Data.(metricdata.Sum[int64]).DataPoints[0].Value)
}

// TestSeriesThatStartAtZero requires the series whose first increase matters.
func TestSeriesThatStartAtZero(t *testing.T) {
	r := start(t, `{sources: {open: {path: /open}, cdp: {path: /cdp, header: {name: X-Key, values: [key]}, signature: {preset: segment, secrets: [secret]}}}}`,
		consumertest.NewNop())
	series := metrictest.Series(t, r.telemetry, "otelcol_receiver_cdp_webhook_requests", "receiver", "otelcol.component.id")
	for attributes, count := range series {
		assert.Zero(t, count, attributes)
	}
	assert.ElementsMatch(t, []string{
		"reason=invalid_json,source=cdp,status=400", "reason=invalid_json,source=open,status=400",
		"reason=max_wait,source=cdp,status=503", "reason=max_wait,source=open,status=503",
		"reason=no_signature,source=cdp,status=401",
		"reason=none,source=cdp,status=200", "reason=none,source=open,status=200",
		"reason=permanent_error,source=cdp,status=500", "reason=permanent_error,source=open,status=500",
		"reason=retryable_error,source=cdp,status=503", "reason=retryable_error,source=open,status=503",
		"reason=too_large,source=cdp,status=413", "reason=too_large,source=open,status=413",
		"reason=unknown_path,source=none,status=404",
		"reason=wrong_header,source=cdp,status=401",
		"reason=wrong_signature,source=cdp,status=401",
	}, slices.Collect(maps.Keys(series)))
	assert.Len(t, metrictest.Series(t, r.telemetry, "otelcol_receiver_cdp_webhook_events"), 2)
}

func TestHTTPServerIsInstrumented(t *testing.T) {
	r := start(t, oneSource, consumertest.NewNop())
	r.post(t, "/cdp", event)
	_, err := r.telemetry.GetMetric("http.server.request.duration")
	require.NoError(t, err)
	var scopes []string
	for _, span := range r.telemetry.SpanRecorder.Ended() {
		scopes = append(scopes, span.InstrumentationScope().Name)
	}
	assert.Contains(t, scopes, otelhttp.ScopeName)
}

func TestHTTPServerIsInstrumentedOnlyForSomeone(t *testing.T) {
	reader := metric.WithReader(metric.NewManualReader())
	dropped := metric.WithView(metric.NewView(
		metric.Instrument{Scope: instrumentation.Scope{Name: otelhttp.ScopeName}}, metric.Stream{Aggregation: metric.AggregationDrop{}}))
	for name, test := range map[string]struct {
		change func(*component.TelemetrySettings)
		want   bool
	}{
		"no telemetry": {func(*component.TelemetrySettings) {}, false},
		"traces":       {func(set *component.TelemetrySettings) { set.TracerProvider = trace.NewTracerProvider() }, true},
		"metrics":      {func(set *component.TelemetrySettings) { set.MeterProvider = metric.NewMeterProvider(reader) }, true},
		"metrics below level detailed": {
			func(set *component.TelemetrySettings) { set.MeterProvider = metric.NewMeterProvider(reader, dropped) }, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := componenttest.NewNopTelemetrySettings()
			test.change(&set)
			got, err := isHTTPObserved(t.Context(), set)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}
