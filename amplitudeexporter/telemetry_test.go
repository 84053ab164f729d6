// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/metrictest"
)

// assertEvents compares the counts of events, of all kinds together.
func (p *pushed) assertEvents(t *testing.T, points ...metricdata.DataPoint[int64]) {
	t.Helper()
	p.assertCounts(t, "otelcol_exporter_amplitude_events", []attribute.Key{"kind"}, points...)
}

// assertCounts compares the counts of a metric that aren't zero, added up over some attributes.
func (p *pushed) assertCounts(t *testing.T, name string, without []attribute.Key, points ...metricdata.DataPoint[int64]) {
	t.Helper()
	metrictest.AssertCounts(t, p.telemetry, name, without, points...)
}

// TestSeriesThatStartAtZero requires the series whose first increase matters.
func TestSeriesThatStartAtZero(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	events := metrictest.Series(t, p.telemetry, "otelcol_exporter_amplitude_events", "exporter", "otelcol.component.id")
	for _, series := range []string{
		"kind=impression,outcome=delivered,reason=none", "kind=update,outcome=delivered,reason=none", "kind=other,outcome=delivered,reason=none",
		"kind=impression,outcome=delivered,reason=unpaired_update", "kind=impression,outcome=dropped,reason=unpaired_update",
		"kind=impression,outcome=dropped,reason=missing_id", "kind=update,outcome=dropped,reason=refused_id",
		"kind=impression,outcome=dropped,reason=invalid_field", "kind=impression,outcome=dropped,reason=too_large",
		"kind=update,outcome=dropped,reason=daily_quota",
	} {
		assert.Contains(t, events, series)
	}
	assert.NotContains(t, events, "kind=other,outcome=dropped,reason=missing_id")
	requests := metrictest.Series(t, p.telemetry, "otelcol_exporter_amplitude_requests", "exporter", "otelcol.component.id")
	for _, series := range []string{
		"outcome=key_refused,status_class=4xx", "outcome=throttled,status_class=4xx", "outcome=accepted,status_class=2xx",
		"outcome=retry,status_class=5xx", "outcome=retry,status_class=none",
	} {
		assert.Contains(t, requests, series)
	}
	for series, count := range events {
		assert.Zero(t, count, series)
	}
	// README.md says so.
	assert.Len(t, events, 27)
	assert.Len(t, requests, 9)
}

// TestKindsOfEvents requires that a lost impression can be told from a dropped page view.
func TestKindsOfEvents(t *testing.T) {
	const set = `"user_properties":{"$set":{"[Experiment] checkout":"on"}}}`
	for name, test := range map[string]struct{ record, kind string }{
		"impression":              {`{"event_type":"$impression","user_id":"USER"}`, "impression"},
		"impression in post form": {`{"event_type":"[Experiment] Impression","user_id":"USER"}`, "impression"},
		"exposure":                {`{"event_type":"$exposure","user_id":"USER"}`, "impression"},
		"listed type":             {`{"event_type":"shown","user_id":"USER"}`, "impression"},
		"update":                  {`{"event_type":"$identify","user_id":"USER",` + set, "update"},
		"update of other":         {`{"event_type":"$identify","user_id":"USER","user_properties":{"$set":{"plan":"pro"}}}`, "other"},
		"event with an update":    {`{"event_type":"clicked","user_id":"USER",` + set, "other"},
		"event":                   {`{"event_type":"clicked","user_id":"USER"}`, "other"},
		"page":                    {`{"type":"page","userId":"USER","name":"$impression"}`, "other"},
		"identify":                {`{"type":"identify","userId":"USER","traits":{"[Experiment] checkout":"on"}}`, "other"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, componenttest.NewNopHost(), func(c *Config) { c.EventTypes = append(c.EventTypes, "shown") })
			require.NoError(t, p.push(t.Context(), logsOf(
				replaceUser(test.record, "user-17"), replaceUser(test.record, "none"), `{"no":"event"}`)))
			p.assertCounts(t, "otelcol_exporter_amplitude_events", nil,
				point(1, "kind", test.kind, "outcome", "delivered", "reason", "none"),
				point(1, "kind", test.kind, "outcome", "dropped", "reason", "refused_id"),
				point(1, "kind", "other", "outcome", "dropped", "reason", "not_an_event"))
		})
	}
}

// TestKindsOfRefusedEvents requires the kinds of events that Amplitude refuses.
func TestKindsOfRefusedEvents(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	p.server.Restrict(amplitudetest.SilencedDevice, amplitudetest.UntilLifted, "device-17")
	require.NoError(t, p.push(t.Context(), logsOf(
		`{"event_type":"$impression","device_id":"device-17"}`, `{"event_type":"clicked","device_id":"device-17"}`)))
	p.assertCounts(t, "otelcol_exporter_amplitude_events", nil,
		point(1, "kind", "impression", "outcome", "dropped", "reason", "silenced"),
		point(1, "kind", "other", "outcome", "dropped", "reason", "silenced"))
}

func replaceUser(record, user string) string { return strings.ReplaceAll(record, "USER", user) }
