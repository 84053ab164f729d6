// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/metadata"
	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/configtest"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

// startObserved starts an inspector, and returns its telemetry.
func startObserved(t *testing.T, text string) (*inspector, *componenttest.Telemetry) {
	t.Helper()
	config, err := load(t, text)
	require.NoError(t, err)
	config.ServerConfig.NetAddr.Endpoint, err = collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	telemetry := componenttest.NewTelemetry()
	set := metadatatest.NewSettings(telemetry)
	set.ID = component.NewID(metadata.Type)
	created, err := NewFactory().Create(t.Context(), set, config)
	require.NoError(t, err)
	require.NoError(t, created.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() {
		assert.NoError(t, created.Shutdown(context.Background()))
		assert.NoError(t, telemetry.Shutdown(context.Background()))
	})
	return created.(*inspector), telemetry
}

func TestVolume(t *testing.T) {
	i, telemetry := startObserved(t, "{always: true}")
	shown := []inspection.Shown{
		{FlagKey: "checkout", User: "ada"},
		{FlagKey: "checkout", User: "ada"},
		{FlagKey: "banner", User: "ada"},
		{FlagKey: "checkout", User: "bob"},
		{FlagKey: "checkout"},
	}
	i.Processed(&inspection.Processed{Shown: shown})
	assertVolume := func(users, experiments, views float64) {
		t.Helper()
		of := func(quantity string, value float64) metricdata.DataPoint[float64] {
			set := attribute.NewSet(attribute.String("otelcol.component.id", "impression_inspector"), attribute.String("quantity", quantity))
			return metricdata.DataPoint[float64]{Attributes: set, Value: value}
		}
		metadatatest.AssertEqualExtensionImpressionInspectorVolume(t, telemetry, []metricdata.DataPoint[float64]{
			of(quantityUsers, users), of(quantityExperiments, experiments), of(quantityPageViews, views),
		}, metricdatatest.IgnoreTimestamp())
	}
	assertVolume(2, 2, 4.0/3)
	period, err := telemetry.GetMetric("otelcol_extension_impression_inspector_volume_period")
	require.NoError(t, err)
	assert.Less(t, period.Data.(metricdata.Gauge[float64]).DataPoints[0].Value, volumePeriod.Seconds())

	i.mutex.Lock()
	i.volumes.since = time.Now().Add(-volumePeriod - time.Second)
	i.mutex.Unlock()
	i.Processed(&inspection.Processed{Shown: shown[3:]})
	assertVolume(1, 1, 1)
}

// TestVolumeIsOff requires no metric unless the inspector always gathers.
func TestVolumeIsOff(t *testing.T) {
	i, telemetry := startObserved(t, "{}")
	i.look(func(*state, time.Time) {})
	i.Processed(&inspection.Processed{Shown: []inspection.Shown{{FlagKey: "checkout", User: "ada"}}})
	_, err := telemetry.GetMetric("otelcol_extension_impression_inspector_volume")
	require.Error(t, err)
}

func TestMetadataListsAllLabels(t *testing.T) {
	assert.ElementsMatch(t, configtest.MetricLabels(t)["quantity"], []string{quantityUsers, quantityExperiments, quantityPageViews})
}
