// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
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
