// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/impression-collector/impression-bridge/impressionprocessor"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

type fields = map[string]any

// impressions makes records of impressions with all sorts of ids and times.
type impressions struct {
	random *rand.Rand
}

func (m *impressions) id() any {
	long := strings.Repeat("ä", 1030)
	all := []any{
		"user-17", "device-4", "u-17", "null", "anonymous", "0", "000000", "", nil, 12345, 17, -1, 1.5, true, "abcd\ufffd", long, long + "x",
		long[:2*1010], long[:2*1011], long[:2*1024], "00000000-0000-0000-0000-000000000000", " ",
		[]any{"user-17"},
	}
	return all[m.random.IntN(len(all))]
}

func (m *impressions) time() any {
	all := []any{"2026-11-24T21:19:26.833Z", 1795555166833, 1795555166, "NOW", 0, nil, "2026-11-24 21:19:26", "1795555166833.25", -5, 9e15}
	return all[m.random.IntN(len(all))]
}

func (m *impressions) properties(flag string) fields {
	variants := []any{"on", "", nil, 3}
	return fields{"flag_key": flag, "variant": variants[m.random.IntN(len(variants))], "time": m.time()}
}

func (m *impressions) trackCall(flag string) fields {
	return fields{
		"type": "track", "event": "$impression", "userId": m.id(), "anonymousId": m.id(), "messageId": m.id(),
		"context":   fields{"device": fields{"id": m.id()}},
		"timestamp": m.time(), "originalTimestamp": m.time(), "properties": m.properties(flag),
	}
}

// record fills a record with an impression in one of the forms in which they arrive.
func (m *impressions) record(t *testing.T, record plog.LogRecord, flag string) {
	t.Helper()
	body := func(value any) {
		text, err := json.Marshal(value)
		require.NoError(t, err)
		record.Body().SetStr(string(text))
	}
	switch m.random.IntN(7) {
	case 0:
		body(m.trackCall(flag))
	case 1:
		call := m.trackCall(flag)
		delete(call, "context")
		delete(call, "timestamp")
		body(fields{"batch": []any{call}, "userId": m.id(), "context": fields{"device": fields{"id": m.id()}}, "timestamp": m.time(), "sentAt": m.time()})
	case 2:
		body([]any{fields{"events": []any{fields{
			"event_type": "$impression", "user_id": m.id(), "device_id": m.id(), "insert_id": m.id(), "$insert_id": m.id(), "time": m.time(),
			"event_time": m.time(), "event_properties": m.properties(flag),
		}}}})
	case 3:
		attributes := m.properties(flag)
		for _, key := range []string{"user.id", "enduser.id", "device.id", "app.installation.id", "log.record.uid"} {
			attributes[key] = m.id()
		}
		record.SetEventName("$impression")
		require.NoError(t, record.Attributes().FromRaw(attributes))
	case 4:
		record.SetEventName("$impression")
		require.NoError(t, record.Attributes().FromRaw(fields{"user.id": m.id(), "enduser.id": m.id(), "log.record.uid": m.id()}))
		require.NoError(t, record.Body().FromRaw(m.properties(flag)))
	case 5:
		properties := m.properties(flag)
		properties["$device_id"], properties["distinct_id"] = m.id(), m.id()
		body(fields{"event": "$impression", "distinct_id": m.id(), "uuid": m.id(), "timestamp": m.time(), "properties": properties})
	default:
		properties := m.properties(flag)
		body(fields{
			"mp_deviceid": m.id(), "mpid": m.id(), "user_identities": fields{"customer_id": m.id()},
			"events": []any{fields{"event_type": "custom_event", "data": fields{
				"event_name": "$impression", "source_message_id": m.id(), "timestamp_unixtime_ms": m.time(), "custom_attributes": properties,
			}}},
		})
	}
}

// TestUpdatesMatchTheirImpressions sends impressions through the processor and the exporter, which have the same layouts. If
// Amplitude gets one, it got an update of the same user, device and time before it, under another insert id. If the impression
// comes again, both have the same insert ids as before.
func TestUpdatesMatchTheirImpressions(t *testing.T) {
	layouts := []layout.Config{{Preset: "mparticle"}, {Preset: "otel"}, {Preset: "amplitude"}, {Preset: "posthog"}, {Preset: "segment"}}
	sink := &consumertest.LogsSink{}
	factory := impressionprocessor.NewFactory()
	config := factory.CreateDefaultConfig()
	config.(*impressionprocessor.Config).Layouts = layouts
	processor, err := factory.CreateLogs(t.Context(), processortest.NewNopSettings(factory.Type()), config, sink)
	require.NoError(t, err)
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.Lanes, c.Layouts = 1, layouts })
	made := impressions{random: rand.New(rand.NewPCG(11, 1))}
	send := func(logs plog.Logs) []amplitudetest.Event {
		sink.Reset()
		p.server.Reset()
		require.NoError(t, processor.ConsumeLogs(t.Context(), logs))
		require.NoError(t, p.push(t.Context(), sink.AllLogs()[0]))
		return p.server.Events()
	}
	pairs := 0
	for n := range 2000 {
		logs, again := logsOf(""), plog.NewLogs()
		resource := logs.ResourceLogs().At(0)
		require.NoError(t, resource.Resource().Attributes().FromRaw(fields{"user.id": made.id(), "device.id": made.id()}))
		made.record(t, resource.ScopeLogs().At(0).LogRecords().At(0), strconv.Itoa(n))
		logs.CopyTo(again)
		text, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
		require.NoError(t, err)
		events := send(logs)
		if len(events) == 0 {
			continue
		}
		require.Len(t, events, 2, "%s", text)
		assertPair(t, &events[0], &events[1], string(text))
		repeated := send(again)
		require.Len(t, repeated, 2, "%s", text)
		for i := range events {
			require.Equal(t, events[i].InsertID, repeated[i].InsertID, "%s", text)
		}
		pairs++
	}
	assert.Greater(t, pairs, 1200)
	assert.Zero(t, p.logs.FilterMessageSnippet("another identity").Len(), "none is found unpaired")
}

func assertPair(t *testing.T, update, shown *amplitudetest.Event, text string) {
	t.Helper()
	require.Equal(t, "$identify", update.Type, text)
	require.Equal(t, "[Experiment] Impression", shown.Type, text)
	require.Equal(t, [2]string{shown.UserID, shown.DeviceID}, [2]string{update.UserID, update.DeviceID}, text)
	require.Equal(t, shown.Time, update.Time, text)
	if update.InsertID != "" || shown.InsertID != "" {
		require.NotEqual(t, shown.InsertID, update.InsertID, text)
	}
	require.LessOrEqual(t, len([]rune(update.InsertID)), 1024, text)
}
