// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// TestRequestsOfClients sends what the named clients send, as JSON text, and compares what Amplitude gets.
func TestRequestsOfClients(t *testing.T) {
	const shown = `"properties":{"flag_key":"checkout","variant":"on","metadata":{"deliveryMethod":"web"},"time":1795555162902}`
	const sent = `"event_properties":{"flag_key":"checkout","variant":"on","metadata":{"deliveryMethod":"web"}}`
	for name, row := range map[string]struct {
		preset string
		body   string
		want   []string
		// changed are the reasons of changed values, each counted once.
		changed []string
	}{
		"Segment's browser SDK": {
			preset: "segment",
			body: `{"timestamp":"2026-11-24T21:19:26.833Z","integrations":{},"type":"track","event":"$impression",` + shown + `,"userId":null,
				"context":{"userAgent":"UA","locale":"de-DE","library":{"name":"analytics.js","version":"npm:next-1.84.3"}},
				"messageId":"ajs-next-1","anonymousId":"anon-1234","writeKey":"k","sentAt":"2026-11-24T21:19:26.901Z"}`,
			want: []string{`{"event_type":"$impression","device_id":"anon-1234","time":1795555162902,"insert_id":"ajs-next-1",` + sent + `,
				"platform":"Web","language":"de-DE","user_agent":"UA"}`},
		},
		"Segment's Node SDK": {
			preset: "segment",
			body: `{"batch":[{"timestamp":"2026-11-24T21:19:26.833Z","integrations":{},"event":"Order","type":"track","properties":{"time":1795555161832},
				"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"userId":"user-17","messageId":"node-next-1",
				"_metadata":{"nodeVersion":"v20.20.2","jsRuntime":"node"}}],"writeKey":"k","sentAt":"2026-11-24T21:19:26.835Z"}`,
			want: []string{`{"event_type":"Order","user_id":"user-17","time":1795555166833,"insert_id":"node-next-1","event_properties":{"time":1795555161832}}`},
		},
		"RudderStack's browser SDK": {
			preset: "rudderstack",
			body: `{"event":"$impression","type":"track",` + shown + `,"channel":"web","userId":"","anonymousId":"anon-1234","messageId":"m-1",
				"context":{"sessionId":1795426160,"library":{"name":"RudderLabs JavaScript SDK","version":"3.34.1"},"traits":{}},
				"originalTimestamp":"2026-11-24T21:19:27.903Z","sentAt":"2026-11-24T21:19:27.910Z"}`,
			want: []string{`{"event_type":"$impression","device_id":"anon-1234","time":1795555162902,"insert_id":"m-1","session_id":1795426160000,` + sent + `,
				"platform":"Web"}`},
		},
		// The batch has the time at which the SDK sent it, and the events have only an originalTimestamp.
		"RudderStack's Node SDK": {
			preset: "rudderstack",
			body: `{"batch":[{"userId":"user-17","event":"Order","properties":{"total":3},"type":"track",
				"context":{"library":{"name":"analytics-node","version":"3.0.13"}},"channel":"server","_metadata":{"nodeVersion":"20.20.2"},
				"originalTimestamp":"2026-11-24T21:19:27.903Z","messageId":"m-1","sentAt":"2026-11-24T21:19:27.903Z"},
				{"anonymousId":"anon-1234","event":"Order","timestamp":"2026-11-24T20:19:27.911Z","type":"Track",
				"originalTimestamp":"2026-11-24T21:19:27.911Z","messageId":"m-2","sentAt":"2026-11-24T21:19:28.112Z"}],
				"timestamp":"2026-11-24T21:29:28.112Z","sentAt":"2026-11-24T21:29:28.112Z"}`,
			want: []string{
				`{"event_type":"Order","user_id":"user-17","time":1795555167903,"insert_id":"m-1","event_properties":{"total":3}}`,
				`{"event_type":"Order","device_id":"anon-1234","time":1795551567911,"insert_id":"m-2"}`,
			},
		},
		"Jitsu's SDK": {
			preset: "jitsu",
			body: `{"type":"track","event":"$impression",` + shown + `,"userId":null,"anonymousId":"anon-1234","timestamp":"2026-11-24T21:19:33.195Z",
				"sentAt":"2026-11-24T21:19:33.195Z","messageId":"m-1","writeKey":"k:***","context":{"library":{"name":"@jitsu/js","version":"1.11.0"}}}`,
			want: []string{`{"event_type":"$impression","device_id":"anon-1234","time":1795555162902,"insert_id":"m-1",` + sent + `}`},
		},
		"Amplitude's browser SDK": {
			preset: "amplitude",
			body: `{"api_key":"k","events":[{"device_id":"device-4","session_id":1795555170326,"time":1795555170330,"platform":"Web","language":"de-DE",
				"ip":"$remote","insert_id":"i-1","event_type":"Order","event_properties":{"total":3},"event_id":7,"library":"amplitude-ts/2.46.0",
				"user_agent":"UA"}],"options":{},"client_upload_time":"2026-11-24T21:19:30.338Z"}`,
			want: []string{`{"event_type":"Order","device_id":"device-4","time":1795555170330,"insert_id":"i-1","session_id":1795555170326,
				"event_properties":{"total":3},"platform":"Web","language":"de-DE","user_agent":"UA","event_id":7,"library":"amplitude-ts/2.46.0"}`},
			changed: []string{"remote_ip"},
		},
		"Amplitude's Node SDK": {
			preset: "amplitude",
			body: `{"api_key":"k","events":[{"time":1795555170330,"insert_id":"i-2","user_id":"user-17","event_type":"$identify",
				"user_properties":{"$set":{"plan":"pro"}},"event_id":0,"session_id":-1}],"options":{},
				"request_metadata":{"sdk":{"metrics":{"histogram":{}}}}}`,
			want: []string{`{"event_type":"$identify","user_id":"user-17","time":1795555170330,"insert_id":"i-2","user_properties":{"$set":{"plan":"pro"}},"event_id":0}`},
		},
		"mParticle's browser SDK, an anonymous visitor": {
			preset: "mparticle",
			body: `{"source_request_id":"r-1","mpid":"7346244611012968789","timestamp_unixtime_ms":1795555169000,"mp_deviceid":"device-4","user_identities":{},
				"events":[{"event_type":"custom_event","data":{"event_name":"$impression","source_message_id":"m-1","timestamp_unixtime_ms":1795555167000,
				"session_start_unixtime_ms":1795555160000,"custom_attributes":{"flag_key":"checkout","variant":"on","time":"1795555162902"}}}]}`,
			want: []string{`{"event_type":"$impression","device_id":"device-4","time":1795555162902,"insert_id":"m-1","session_id":1795555160000,
				"event_properties":{"flag_key":"checkout","variant":"on"}}`},
		},
		"PostHog's Node SDK": {
			preset: "posthog",
			body: `{"api_key":"k","batch":[{"event":"$impression",` + shown + `,"timestamp":"2026-11-24T20:19:31.468Z","uuid":"u-1","distinct_id":"user-17"}],
				"sent_at":"2026-11-24T21:19:31.471Z"}`,
			want: []string{`{"event_type":"$impression","user_id":"user-17","time":1795555162902,"insert_id":"u-1",` + sent + `}`},
		},
		"ids and sessions that hide valid ones": {
			preset: "segment",
			body: `{"type":"TRACK","event":"Order","messageId":"m-1","userId":"undefined","anonymousId":"anon-1234","timestamp":"NOW","originalTimestamp":0,
				"sentAt":"2026-11-24T21:19:26.833Z","context":{"device":{"id":"00000000"},"sessionId":"1795426160"},
				"integrations":{"Actions Amplitude":{"session_id":"none"},"Amplitude":{"session_id":0}}}`,
			want:    []string{`{"event_type":"Order","device_id":"anon-1234","time":1795555166833,"insert_id":"m-1","session_id":1795426160000,"idfv":"00000000"}`},
			changed: []string{"refused_id"},
		},
		"half post form, metadata as text": {
			preset: "segment",
			body: `{"type":"track","event":"$impression","messageId":"m-1","userId":"user-17","timestamp":"2026-11-24T21:19:26.833Z",
				"properties":{"flag_key":"checkout","[Experiment] Variant":"on","metadata":"{\"default\":\"true\"}"}}`,
			want: []string{`{"event_type":"$impression","user_id":"user-17","time":1795555166833,"insert_id":"m-1",
				"event_properties":{"flag_key":"checkout","[Experiment] Variant":"on","metadata":"{\"default\":\"true\"}"}}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, componenttest.NewNopHost(), func(c *Config) { c.Lanes, c.Layouts = 1, []layout.Config{{Preset: row.preset}} })
			require.NoError(t, p.push(t.Context(), logsOf(row.body)))
			p.assertSent(t, row.want...)
			var points []metricdata.DataPoint[int64]
			for _, reason := range row.changed {
				points = append(points, point(1, "reason", reason))
			}
			if points != nil {
				metadatatest.AssertEqualExporterAmplitudeChangedValues(t, p.telemetry, points, metricdatatest.IgnoreTimestamp())
			}
		})
	}
}

// assertSent asserts that one request had these events.
func (p *pushed) assertSent(t *testing.T, want ...string) {
	t.Helper()
	requests := p.server.Requests()
	require.Len(t, requests, 1)
	require.Len(t, requests[0].Events, len(want))
	for i, event := range requests[0].Events {
		got, err := json.Marshal(event.Fields)
		require.NoError(t, err)
		assert.JSONEq(t, want[i], string(got))
	}
}

// TestTheClientsAddressIsSentForAnEnvelope: a receiver knows the client of a request, whose events all have it.
func TestTheClientsAddressIsSentForAnEnvelope(t *testing.T) {
	logs := logsOf(`{"api_key":"k","events":[{"event_type":"a","device_id":"device-4","ip":"$remote","insert_id":"i-1"},
		{"event_type":"b","device_id":"device-4","insert_id":"i-2"},{"event_type":"c","device_id":"device-4","ip":"203.0.113.7","insert_id":"i-3"}]}`)
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("client.address", "203.0.113.8")
	p := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, p.push(t.Context(), logs))
	var addresses []any
	for _, event := range p.server.Events() {
		addresses = append(addresses, event.Fields["ip"])
	}
	assert.Equal(t, []any{"203.0.113.8", nil, "203.0.113.7"}, addresses)
}
