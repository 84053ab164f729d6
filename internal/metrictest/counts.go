// SPDX-License-Identifier: Apache-2.0

// Package metrictest compares the metrics of components in tests.
package metrictest // import "github.com/impression-collector/impression-bridge/internal/metrictest"

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// AssertCounts compares the nonzero counts of a metric, added up over the attributes in without.
func AssertCounts(
	tb testing.TB, telemetry *componenttest.Telemetry, name string, without []attribute.Key, points ...metricdata.DataPoint[int64],
) {
	tb.Helper()
	want, got := added(points, without), added(pointsOf(tb, telemetry, name), without)
	for _, counts := range []map[string]int64{want, got} {
		for series, count := range counts {
			if count == 0 {
				delete(counts, series)
			}
		}
	}
	assert.Equal(tb, want, got)
}

// Series returns the counts of a metric by the attributes of their series, ignoring the attributes in without.
func Series(tb testing.TB, telemetry *componenttest.Telemetry, name string, without ...attribute.Key) map[string]int64 {
	tb.Helper()
	return added(pointsOf(tb, telemetry, name), without)
}

func pointsOf(tb testing.TB, telemetry *componenttest.Telemetry, name string) []metricdata.DataPoint[int64] {
	tb.Helper()
	metric, err := telemetry.GetMetric(name)
	require.NoError(tb, err)
	return metric.Data.(metricdata.Sum[int64]).DataPoints
}

func added(points []metricdata.DataPoint[int64], without []attribute.Key) map[string]int64 {
	counts := map[string]int64{}
	for _, point := range points {
		rest, _ := point.Attributes.Filter(func(a attribute.KeyValue) bool { return !slices.Contains(without, a.Key) })
		counts[rest.Encoded(attribute.DefaultEncoder())] += point.Value
	}
	return counts
}
