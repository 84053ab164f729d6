// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
)

// telemetry has the receiver's metrics. The attributes of all series are built at start.
type telemetry struct {
	*metadata.TelemetryBuilder
	// component identifies the component, because the collector doesn't add that.
	component [2]attribute.KeyValue
	// events, bytes, requests, and matches have the counters of all sources, by metric.
	events, bytes, requests, matches []*counter
}

// counter is a count that a metric reads. Four additions to counters of the SDK would take several percent of the time of a small
// request.
type counter struct {
	atomic.Int64
	attributes metric.MeasurementOption
	// startsAtZero is set if the series exists before its first request.
	startsAtZero bool
}

func newTelemetry(set receiver.Settings) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	id := set.ID.String()
	return &telemetry{
		TelemetryBuilder: builder,
		component:        [...]attribute.KeyValue{attribute.String("otelcol.component.id", id), attribute.String("receiver", id)},
	}, nil
}

// register makes the metrics read the counters of the sources, all of which must exist. They are never unregistered, so that the
// last counts before a stop are reported too.
func (t *telemetry) register() error {
	return errors.Join(
		t.RegisterReceiverCdpWebhookEventsCallback(reading(t.events)),
		t.RegisterReceiverCdpWebhookBytesCallback(reading(t.bytes)),
		t.RegisterReceiverCdpWebhookRequestsCallback(reading(t.requests)),
		t.RegisterReceiverCdpWebhookSecretMatchesCallback(reading(t.matches)),
	)
}

// reading skips zeros of series that start with their first request.
func reading(counters []*counter) metric.Int64Callback {
	return func(_ context.Context, to metric.Int64Observer) error {
		for _, c := range counters {
			if n := c.Load(); n > 0 || c.startsAtZero {
				to.Observe(n, c.attributes)
			}
		}
		return nil
	}
}

// series has the series of a source.
type series struct {
	events, bytes *counter
	// requests and durations are indexed by reason.
	requests  [numReasons]*counter
	durations [numReasons]metric.MeasurementOption
	// signatures and headers are indexed by the position of the secret.
	signatures, headers []*counter
}

// The values of the attribute credential.
const (
	credentialSignature = "signature"
	credentialHeader    = "header"
)

func (t *telemetry) seriesOf(s *source) *series {
	of := func(attributes ...attribute.KeyValue) metric.MeasurementOption {
		attributes = append(attributes, attribute.String("source", s.name))
		return metric.WithAttributeSet(attribute.NewSet(append(attributes, t.component[:]...)...))
	}
	count := func(in *[]*counter, attributes ...attribute.KeyValue) *counter {
		c := &counter{attributes: of(attributes...)}
		*in = append(*in, c)
		return c
	}
	all := &series{events: count(&t.events), bytes: count(&t.bytes)}
	all.events.startsAtZero = s.name != noSource
	for r := range reason(numReasons) {
		status := attribute.Int("status", answers[r].status)
		all.requests[r] = count(&t.requests, status, attribute.String("reason", r.String()))
		all.requests[r].startsAtZero = s.startsAtZero(r)
		all.durations[r] = of(status)
	}
	matches := func(credential string, secrets int) []*counter {
		var counters []*counter
		for position := range secrets {
			c := count(&t.matches, attribute.String("credential", credential), attribute.Int("position", position))
			counters = append(counters, c)
		}
		return counters
	}
	if s.signature != nil {
		all.signatures = matches(credentialSignature, len(s.signature.macs))
	}
	if s.header != nil {
		all.headers = matches(credentialHeader, len(s.header.sums))
	}
	return all
}

// isHTTPObserved reports whether anyone sees what confighttp's instrumentation reports of each request: spans, and metrics,
// which the collector drops below level detailed. If nobody does, the work is a sixth of a small request's.
func isHTTPObserved(ctx context.Context, set component.TelemetrySettings) (bool, error) {
	// The span isn't reported, because it never ends.
	_, span := set.TracerProvider.Tracer(otelhttp.ScopeName).Start(ctx, "probe")
	histogram, err := set.MeterProvider.Meter(otelhttp.ScopeName).Float64Histogram("probe")
	if err != nil {
		return false, err
	}
	return span.SpanContext().IsValid() || histogram.Enabled(ctx), nil
}
