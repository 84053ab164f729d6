// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
)

// telemetry has the receiver's metrics. The attributes of all series are built at start.
type telemetry struct {
	*metadata.TelemetryBuilder
	receiver attribute.KeyValue
}

func newTelemetry(set receiver.Settings) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &telemetry{TelemetryBuilder: builder, receiver: attribute.String("receiver", set.ID.String())}, nil
}

// series has the attributes of a source's series.
type series struct {
	// source is for metrics by source alone. requests and durations are indexed by reason.
	source              metric.MeasurementOption
	requests, durations [numReasons]metric.MeasurementOption
	// signatures and headers are indexed by the position of the secret.
	signatures, headers []metric.MeasurementOption
}

// The values of the attribute credential.
const (
	credentialSignature = "signature"
	credentialHeader    = "header"
)

func (t *telemetry) seriesOf(s *source) *series {
	of := func(attributes ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(attributes, t.receiver, attribute.String("source", s.name))...))
	}
	all := &series{source: of()}
	for r := range reason(numReasons) {
		status := attribute.Int("status", answers[r].status)
		all.requests[r] = of(status, attribute.String("reason", r.String()))
		all.durations[r] = of(status)
	}
	matches := func(credential string, secrets int) []metric.MeasurementOption {
		var options []metric.MeasurementOption
		for position := range secrets {
			options = append(options, of(attribute.String("credential", credential), attribute.Int("position", position)))
		}
		return options
	}
	if s.signature != nil {
		all.signatures = matches(credentialSignature, len(s.signature.macs))
	}
	if s.header != nil {
		all.headers = matches(credentialHeader, len(s.header.sums))
	}
	return all
}
