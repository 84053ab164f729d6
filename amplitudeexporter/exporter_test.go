// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// pushed is an exporter without exporterhelper's queue and retries, and a fake Amplitude behind it.
type pushed struct {
	*amplitudeExporter
	server    *amplitudetest.Server
	telemetry *componenttest.Telemetry
	logs      *observer.ObservedLogs
}

// statusHost keeps the statuses that components report.
type statusHost struct {
	component.Host
	statuses []componentstatus.Status
}

func (h *statusHost) Report(event *componentstatus.Event) {
	h.statuses = append(h.statuses, event.Status())
}

func start(tb testing.TB, host component.Host, change func(*Config), options ...amplitudetest.Option) *pushed {
	tb.Helper()
	server := amplitudetest.Start(tb, options...)
	p := newPushed(tb, server, func(c *Config) {
		c.ClientConfig.Endpoint = server.URL(amplitude.HTTPV2)
		if change != nil {
			change(c)
		}
	})
	require.NoError(tb, p.start(tb.Context(), host))
	tb.Cleanup(func() {
		assert.NoError(tb, p.shutdown(context.Background()))
		assert.NoError(tb, p.telemetry.Shutdown(context.Background()))
	})
	return p
}

// newPushed returns an exporter that isn't started.
func newPushed(tb testing.TB, server *amplitudetest.Server, change func(*Config)) *pushed {
	tb.Helper()
	config := createDefaultConfig().(*Config)
	config.APIKey = "canary-key"
	config.Layouts = append(config.Layouts, layout.Config{Preset: "tealium", Paths: map[string][]string{"user_id": {`event["customer_id"]`}}})
	if change != nil {
		change(config)
	}
	require.NoError(tb, config.Validate())
	telemetry := componenttest.NewTelemetry()
	set := metadatatest.NewSettings(telemetry)
	set.ID = component.NewID(metadata.Type)
	// Without a version, tests needn't name the library in each event.
	set.BuildInfo.Version = ""
	core, logs := observer.New(zap.DebugLevel)
	set.Logger = zap.New(core)
	e, err := newExporter(set, config)
	require.NoError(tb, err)
	return &pushed{amplitudeExporter: e, server: server, telemetry: telemetry, logs: logs}
}

// logsOf returns records whose bodies are these JSON texts.
func logsOf(texts ...string) plog.Logs {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, text := range texts {
		records.AppendEmpty().Body().SetStr(text)
	}
	return logs
}

// point returns a data point of one of the exporter's series.
func point(value int64, attributes ...string) metricdata.DataPoint[int64] {
	set := []attribute.KeyValue{attribute.String("otelcol.component.id", "amplitude"), attribute.String("exporter", "amplitude")}
	for i := 0; i < len(attributes); i += 2 {
		set = append(set, attribute.String(attributes[i], attributes[i+1]))
	}
	return metricdata.DataPoint[int64]{Attributes: attribute.NewSet(set...), Value: value}
}

func newEvent(name string) string {
	return `{"type":"track","event":"` + name + `","userId":"user-17","messageId":"` + name + `","timestamp":"2026-11-23T10:00:00Z"}`
}

func TestEvents(t *testing.T) {
	for name, test := range map[string]struct {
		record string
		want   string
	}{
		"segment, with all fields": {
			`{"type":"track","event":"Order Completed","userId":"user-17","anonymousId":"anon-1234","messageId":"m-1",
			"timestamp":"2026-11-23T10:00:00.123Z","properties":{"total":9.5,"count":3,"tags":["a",null,true],"inner":{"a":{}}},
			"context":{"ip":"10.0.0.1","app":{"version":"1.2"},"device":{"type":"ios"},"os":{"name":"iOS"},"locale":"de-DE","userAgent":"UA"},
			"integrations":{"Actions Amplitude":{"session_id":1763892000000,"groups":{"org":"acme"}}}}`,
			`{"event_type":"Order Completed","user_id":"user-17","device_id":"anon-1234","time":1795428000123,"insert_id":"m-1",
			"session_id":1763892000000,"event_properties":{"total":9.5,"count":3,"tags":["a",null,true],"inner":{"a":{}}},
			"groups":{"org":"acme"},"ip":"10.0.0.1","app_version":"1.2","platform":"iOS","os_name":"iOS","language":"de-DE","user_agent":"UA"}`,
		},
		"amplitude's own form keeps its other fields": {
			`{"event_type":"purchase","user_id":"user-17","device_id":"device-1","time":1795428000123,"insert_id":"i-1","session_id":-1,
			"event_properties":{"a":1},"user_properties":{"$set":{"plan":"pro"}},"groups":{"org":"acme"},"ip":"10.0.0.1","price":9.5,"country":"Germany",
			"api_key":"of-somebody","unknown_field":1}`,
			`{"event_type":"purchase","user_id":"user-17","device_id":"device-1","time":1795428000123,"insert_id":"i-1",
			"event_properties":{"a":1},"user_properties":{"$set":{"plan":"pro"}},"groups":{"org":"acme"},"ip":"10.0.0.1","price":9.5,"country":"Germany"}`,
		},
		"fields among the properties are not sent twice": {
			`{"tealium_event":"purchase","tealium_visitor_id":"visitor-1","customer_id":"user-17","tealium_timestamp_epoch_milliseconds":1795428000123,"total":3}`,
			`{"event_type":"purchase","user_id":"user-17","device_id":"visitor-1","time":1795428000123,"event_properties":{"total":3},"insert_id":"<hash>"}`,
		},
		"an inline update": {
			`{"type":"track","event":"[Experiment] Impression","userId":"user-17","messageId":"m-1","timestamp":"2026-11-23T10:00:00Z",
			"properties":{"[Experiment] Flag Key":"checkout","time":1795428000123},"user_properties":{"$unset":{"[Experiment] checkout":"-"}}}`,
			`{"event_type":"[Experiment] Impression","user_id":"user-17","time":1795428000123,"insert_id":"m-1",
			"event_properties":{"[Experiment] Flag Key":"checkout"},"user_properties":{"$unset":{"[Experiment] checkout":"-"}}}`,
		},
		"a property time that isn't a time stays a property": {
			`{"type":"track","event":"$impression","userId":"user-17","messageId":"m-1","timestamp":"2026-11-23T10:00:00Z",
			"properties":{"flag_key":"checkout","time":"NOW"}}`,
			`{"event_type":"$impression","user_id":"user-17","time":1795428000000,"insert_id":"m-1",
			"event_properties":{"flag_key":"checkout","time":"NOW"}}`,
		},
		"time among the properties is only an impression's": {
			`{"type":"track","event":"Order","userId":"user-17","messageId":"m-1","timestamp":"2026-11-23T10:00:00Z","properties":{"time":1795428000999}}`,
			`{"event_type":"Order","user_id":"user-17","time":1795428000000,"insert_id":"m-1","event_properties":{"time":1795428000999}}`,
		},
		"one id is enough": {
			`{"type":"track","event":"Order","userId":"null","anonymousId":"device-1","messageId":"m-1"}`,
			`{"event_type":"Order","device_id":"device-1","insert_id":"m-1"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, componenttest.NewNopHost(), nil)
			require.NoError(t, p.push(t.Context(), logsOf(test.record)))
			requests := p.server.Requests()
			require.Len(t, requests, 1)
			require.Len(t, requests[0].Events, 1)
			assert.Equal(t, 200, requests[0].Status)
			assert.Equal(t, "canary-key", requests[0].Key)
			sent := requests[0].Events[0].Fields
			if strings.Contains(test.want, "<hash>") {
				assert.Len(t, sent["insert_id"], 32)
				sent["insert_id"] = "<hash>"
			}
			got, err := json.Marshal(sent)
			require.NoError(t, err)
			assert.JSONEq(t, test.want, string(got))
			p.assertEvents(t, point(1, "outcome", "delivered", "reason", "none"))
		})
	}
}

// TestOTelEvents: the fields of OpenTelemetry's events are in the attributes and the resource.
func TestOTelEvents(t *testing.T) {
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.version", "2.0")
	record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetEventName("order")
	record.SetTimestamp(pcommon.NewTimestampFromTime(time.UnixMilli(1795428000123)))
	record.Attributes().PutStr("user.id", "user-17")
	record.Attributes().PutStr("log.record.uid", "uid-1")
	record.Attributes().PutInt("total", 3)
	// The processor's updates have Amplitude's fields, whatever the layouts are.
	update := resource.ScopeLogs().At(0).LogRecords().AppendEmpty()
	update.SetEventName("$identify")
	require.NoError(t, update.Attributes().FromRaw(map[string]any{
		"event_type": "$identify", "user_id": "user-17", "insert_id": "uid-1-user-property",
		"user_properties": map[string]any{"$set": map[string]any{"[Experiment] checkout": "on"}},
	}))
	p := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, p.push(t.Context(), logs))
	user := p.server.User("user-17")
	require.Len(t, user.Events, 2)
	assert.Equal(t, map[string]any{
		"event_type": "order", "user_id": "user-17", "time": 1795428000123.0, "insert_id": "uid-1",
		"event_properties": map[string]any{"total": 3.0}, "app_version": "2.0",
	}, user.Events[0].Fields)
	assert.Equal(t, "$identify", user.Events[1].Type)
	assert.Equal(t, map[string]any{"[Experiment] checkout": "on"}, user.Properties)
}

func TestTheRecordsTimesAreTheFallback(t *testing.T) {
	logs := logsOf(`{"event":"a","userId":"user-17"}`, `{"event":"b","userId":"user-17"}`)
	records := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	records.At(0).SetTimestamp(1795428000123000000)
	records.At(1).SetObservedTimestamp(1795428000456000000)
	p := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, p.push(t.Context(), logs))
	events := p.server.Events()
	require.Len(t, events, 2)
	assert.Equal(t, int64(1795428000123), events[0].Time)
	assert.Equal(t, int64(1795428000456), events[1].Time)
	assert.Len(t, events[1].InsertID, 32)
}

func TestEnvelopesAreUnrolled(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, p.push(t.Context(), logsOf(newEvent("before"), `{"batch":[`+newEvent("a")+`,`+newEvent("b")+`]}`, `[`+newEvent("c")+`]`, newEvent("after"))))
	var names []string
	for _, event := range p.server.Events() {
		names = append(names, event.Type)
	}
	assert.Equal(t, []string{"before", "a", "b", "c", "after"}, names)
}

func TestOtherRecordsAreDroppedAndCounted(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.JSONBody = jsonvalue.Limits{MaxDepth: 5, MaxBytes: 1000, MaxValues: 20} })
	require.NoError(t, p.push(t.Context(), logsOf(
		newEvent("good"),
		`{"type":"identify","userId":"user-17","traits":{}}`,
		`{"type":"unheard of","userId":"user-17"}`,
		`GET /index.html 200`,
		`{"event": oops}`,
		`{"event":"deep","a":[[[[[[[]]]]]]]}`,
		`{"event":"large","a":"`+strings.Repeat("x", 1000)+`"}`,
		`{"event":"many","a":[`+strings.Repeat("0,", 20)+`0]}`,
		`[{"type":"track","event":"mixed"},1]`,
		`{"type":"track","event":"nobody"}`,
		`{"event":"refused","userId":"null","anonymousId":"0"}`,
		`{"event":"short","userId":"1234"}`,
		`{"event":"too large","userId":"user-17"}`,
	)))
	assert.Len(t, p.server.Requests(), 1)
	dropped := func(n int64, reason string) metricdata.DataPoint[int64] {
		return point(n, "outcome", "dropped", "reason", reason)
	}
	p.assertEvents(t, point(2, "outcome", "delivered", "reason", "none"),
		dropped(1, "nothing_to_send"), dropped(2, "not_an_event"), dropped(1, "json_invalid"), dropped(1, "json_too_deep"), dropped(1, "json_too_large"),
		dropped(1, "json_too_many_values"),
		dropped(1, "mixed_events"), dropped(1, "missing_id"), dropped(1, "refused_id"), dropped(1, "id_too_short"))
}

func TestMinIDLength(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.MinIDLength = 1 })
	require.NoError(t, p.push(t.Context(), logsOf(`{"event":"short","userId":"1"}`)))
	assert.Equal(t, 1, p.server.Requests()[0].MinIDLength)
	assert.Len(t, p.server.User("1").Events, 1)
}

func TestPartnerID(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.PartnerID = "ours" })
	require.NoError(t, p.push(t.Context(), logsOf(newEvent("a"),
		`{"event_type":"$identify","user_id":"user-17","insert_id":"i-1","user_properties":{"$set":{"plan":"pro"}},"partner_id":"theirs"}`)))
	var ids []any
	for _, event := range p.server.Events() {
		ids = append(ids, event.Fields["partner_id"])
	}
	assert.Equal(t, []any{"ours", "theirs"}, ids)
}

// TestWithoutTheSynchronization sends a live update and then, by another exporter, older events of the same user.
func TestWithoutTheSynchronization(t *testing.T) {
	live := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, live.push(t.Context(), logsOf(
		`{"event_type":"$identify","user_id":"user-17","insert_id":"i-1","user_properties":{"$set":{"[Experiment] a":"live","plan":"pro"}}}`)))
	backfill := start(t, componenttest.NewNopHost(), func(c *Config) {
		c.UserPropertiesSync, c.ClientConfig.Endpoint = false, live.server.URL(amplitude.HTTPV2)
	})
	call := `{"type":"track","event":"[Experiment] Impression","userId":"user-17","messageId":"m-%d","timestamp":"2025-11-23T10:00:0%[1]dZ","user_properties":%s}`
	require.NoError(t, backfill.push(t.Context(), logsOf(
		fmt.Sprintf(call, 2, `{"$set":{"[Experiment] a":"second"},"$unset":{"[Experiment] b":"-"}}`),
		fmt.Sprintf(call, 1, `{"$set":{"[Experiment] a":"first"}}`),
		fmt.Sprintf(call, 3, `{"$unset":{"[Experiment] a":"-"}}`),
		fmt.Sprintf(call, 4, `{"$set":{"a":1},"$add":{"b":1}}`),
		`{"event_type":"$identify","user_id":"user-17","insert_id":"i-2","user_properties":{"$set":{"plan":"free"}},"$skip_user_properties_sync":false}`,
	)))
	var sent, shown []any
	user := live.server.User("user-17")
	for _, e := range user.Events[1:] {
		assert.Equal(t, true, e.Fields["$skip_user_properties_sync"])
		sent, shown = append(sent, e.Fields["user_properties"]), append(shown, e.UserState)
	}
	assert.Equal(t, []any{
		map[string]any{"[Experiment] a": "second"},
		map[string]any{"[Experiment] a": "first"},
		nil,
		map[string]any{"$set": map[string]any{"a": 1.0}, "$add": map[string]any{"b": 1.0}},
		map[string]any{"$set": map[string]any{"plan": "free"}},
	}, sent, "an older update belongs to its event")
	assert.Equal(t, map[string]any{"[Experiment] a": "live", "plan": "pro"}, user.Properties)
	assert.Equal(t, map[string]any{"[Experiment] a": "first"}, shown[1])
}

func TestAShortIDDoesNotHideALongerOne(t *testing.T) {
	records := `{"type":"track","event":"a","messageId":"m-1","context":{"device":{"id":"d-17"}},"anonymousId":"device-4"}`
	for minimum, device := range map[int]string{5: "device-4", 4: "d-17"} {
		p := start(t, componenttest.NewNopHost(), func(c *Config) { c.MinIDLength = minimum })
		require.NoError(t, p.push(t.Context(), logsOf(records)))
		assert.Len(t, p.server.User(device).Events, 1)
		p.assertEvents(t, point(1, "outcome", "delivered", "reason", "none"))
	}
}

// TestBadValuesAreChanged, so that Amplitude doesn't refuse the events beside them.
func TestBadValuesAreChanged(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 60) + `1` + strings.Repeat(`}`, 60)
	logs := logsOf(
		`{"event":"deep","userId":"user-17","messageId":"m-1","properties":`+deep+`}`,
		`{"event":"long","userId":"user-17","messageId":"m-2","properties":{"a":"`+strings.Repeat("ä", 2000)+`"}}`,
		`{"event":"session","userId":"user-17","messageId":"m-3","context":{"sessionId":"no-number"}}`,
		`{"event":"id","userId":"user-17","anonymousId":"null","messageId":"m-4"}`,
		`{"event":"id","userId":"user-17","anonymousId":"1","messageId":"m-5"}`,
		`{"event_type":"remote","user_id":"user-17","insert_id":"m-6","ip":"$remote"}`,
		newEvent("good"),
	)
	record := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty()
	record.SetEventName("not finite")
	record.Attributes().PutStr("user.id", "user-17")
	nan := 0.0
	record.Attributes().PutDouble("a", nan/nan)
	record.Attributes().PutStr("b", "\xff")
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.JSONBody.MaxDepth = 100 })
	require.NoError(t, p.push(t.Context(), logs))
	assert.Len(t, p.server.Requests(), 1)
	p.assertEvents(t, point(8, "outcome", "delivered", "reason", "none"))
	metadatatest.AssertEqualExporterAmplitudeChangedValues(t, p.telemetry, []metricdata.DataPoint[int64]{
		point(1, "reason", "remote_ip"),
		point(1, "reason", "too_deep"), point(1, "reason", "too_long"), point(1, "reason", "session_id_not_integer"),
		point(1, "reason", "refused_id"), point(1, "reason", "id_too_short"), point(1, "reason", "not_finite"), point(1, "reason", "invalid_utf8"),
	}, metricdatatest.IgnoreTimestamp())
}

// TestLongInsertIDsStayDifferent: Amplitude would cut the insert ids of an impression and its update to the same text.
func TestLongInsertIDsStayDifferent(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	for _, length := range []int{1010, 1024, 1025, 5000} {
		p.server.Reset()
		id := strings.Repeat("x", length)
		var set impression.Update
		updateID := string(set.AppendInsertID(nil, "checkout", id))
		records := []string{
			`{"event_type":"$identify","user_id":"user-17","insert_id":"` + updateID + `","user_properties":{"$set":{"[Experiment] checkout":"on"}}}`,
			strings.Replace(newEvent("[Experiment] Impression"), `"messageId":"[Experiment] Impression"`, `"messageId":"`+id+`"`, 1),
		}
		require.NoError(t, p.push(t.Context(), logsOf(records...)))
		require.NoError(t, p.push(t.Context(), logsOf(records...)))
		assert.Len(t, p.server.User("user-17").Events, 2, length)
		assert.Equal(t, 2, p.server.User("user-17").Duplicates, "sent again, they are recognized")
	}
	metadatatest.AssertEqualExporterAmplitudeChangedValues(t, p.telemetry, []metricdata.DataPoint[int64]{
		point(4, "reason", "too_long"),
	}, metricdatatest.IgnoreTimestamp())
}

func TestSendImpressions(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.Send = SendImpressions })
	require.NoError(t, p.push(t.Context(), logsOf(newEvent("order"), newEvent("$impression"), newEvent("[Experiment] Exposure"),
		`{"event_type":"$identify","user_id":"user-17","insert_id":"i-1","user_properties":{"$set":{"[Experiment] a":"on"}}}`,
		`{"event_type":"$identify","user_id":"user-17","insert_id":"i-2","user_properties":{"$set":{"plan":"pro"}}}`,
	)))
	assert.Len(t, p.server.Events(), 3)
	p.assertEvents(t, point(3, "outcome", "delivered", "reason", "none"), point(2, "outcome", "filtered", "reason", "not_an_impression"))
}

func TestFailedEventsAreReturnedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startHandled(t, componenttest.NewNopHost(), amplitudetest.New(), nil)
		p.server.AnswerFunc(func(r *amplitudetest.Request) (amplitudetest.Answer, bool) {
			return amplitudetest.Answer{Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "7"}}, r.Events[0].UserID == "user-1"
		})
		of := func(user, name string) string { return strings.Replace(newEvent(name), "user-17", user, 1) }
		err := p.push(t.Context(), logsOf(of("user-1", "a"), of("user-2", "b"), `no event`, of("user-1", "c")))
		var failed consumererror.Logs
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, 2, failed.Data().LogRecordCount())
		p.assertEvents(t, point(1, "outcome", "delivered", "reason", "none"), point(1, "outcome", "dropped", "reason", "not_an_event"))
		p.assertCounts(t, "otelcol_exporter_amplitude_requests", nil,
			point(1, "outcome", "accepted", "status_class", "2xx"), point(1, "outcome", "retry", "status_class", "5xx"))

		p.server.AnswerUsually()
		time.Sleep(7 * time.Second)
		require.NoError(t, p.push(t.Context(), failed.Data()))
		events := p.server.User("user-1").Events
		require.Len(t, events, 2)
		assert.Equal(t, "a", events[0].Type)
		assert.Equal(t, "c", events[1].Type)
		p.stop(t)
	})
}

// TestAnswersNameIDsAsTheyAreSent: cut and repaired.
func TestAnswersNameIDsAsTheyAreSent(t *testing.T) {
	for name, test := range map[string]struct{ id, sent string }{
		"cut":      {strings.Repeat("ü", 2000), strings.Repeat("ü", amplitude.MaxStringLength)},
		"repaired": {"user-\xff\xfe", "user-\uFFFD\uFFFD"},
	} {
		t.Run(name, func(t *testing.T) {
			logs := logsOf(newEvent("good"))
			record := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty()
			record.SetEventName("spam")
			record.Attributes().PutStr("user.id", test.id)
			p := start(t, componenttest.NewNopHost(), nil)
			p.server.Restrict(amplitudetest.ExceededDailyQuotaUser, amplitudetest.UntilLifted, test.sent)
			require.NoError(t, p.push(t.Context(), logs))
			p.assertEvents(t, point(1, "outcome", "delivered", "reason", "none"), point(1, "outcome", "dropped", "reason", "daily_quota"))
		})
	}
}

func TestARefusedKeyIsReportedUntilItIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &statusHost{Host: componenttest.NewNopHost()}
		p := startHandled(t, host, amplitudetest.New(), nil)
		p.server.RefuseKey(true)
		for range 2 {
			err := p.push(t.Context(), logsOf(newEvent("a")))
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "canary", "the answer repeats the key")
		}
		assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, host.statuses)
		time.Sleep(10 * time.Second)
		p.server.RefuseKey(false)
		for range 2 {
			require.NoError(t, p.push(t.Context(), logsOf(newEvent("a"))))
		}
		assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK}, host.statuses)
		p.stop(t)
	})
}

func TestRefusedEventsAreLoggedWithoutTheirContent(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	p.server.AnswerAll(amplitudetest.Answer{Status: http.StatusBadRequest, Body: `{"error":"canary","silenced_events":[0]}`})
	for range 3 {
		require.NoError(t, p.push(t.Context(), logsOf(newEvent("canary"))))
	}
	lines := func() []observer.LoggedEntry { return p.logs.FilterMessageSnippet("refused").All() }
	require.Len(t, lines(), 1)
	assert.Equal(t, map[string]any{"silenced": int64(1)}, lines()[0].ContextMap())
	require.NoError(t, p.shutdown(t.Context()))
	require.Len(t, lines(), 2, "the rest is logged at shutdown")
	assert.Equal(t, map[string]any{"silenced": int64(2)}, lines()[1].ContextMap())
	p.assertEvents(t, point(3, "outcome", "dropped", "reason", "silenced"))
	for _, line := range p.logs.All() {
		text, err := json.Marshal(line.ContextMap())
		require.NoError(t, err)
		assert.NotContains(t, line.Message+string(text), "canary")
	}
}

func TestDryRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests.ndjson")
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.DryRun = DryRunConfig{Enabled: true, Path: path} })
	require.NoError(t, p.push(t.Context(), logsOf(newEvent("a"))))
	require.NoError(t, p.push(t.Context(), logsOf(newEvent("b"))))
	assert.Empty(t, p.server.Requests())
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSpace(written), []byte("\n"))
	require.Len(t, lines, 2)
	assert.JSONEq(t, `{"api_key":"[REDACTED]","events":[{"event_type":"a","user_id":"user-17","time":1795428000000,"insert_id":"a"}]}`, string(lines[0]))
	p.assertEvents(t, point(2, "outcome", "dry_run", "reason", "none"))
}

func TestDryRunWithoutFile(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.DryRun.Enabled = true })
	require.NoError(t, p.push(t.Context(), logsOf(newEvent("a"))))
	p.assertEvents(t, point(1, "outcome", "dry_run", "reason", "none"))
}

func TestDryRunFailsIfTheFileCannotBeOpened(t *testing.T) {
	config := createDefaultConfig().(*Config)
	config.DryRun = DryRunConfig{Enabled: true, Path: t.TempDir()}
	e, err := newExporter(exportertest.NewNopSettings(metadata.Type), config)
	require.NoError(t, err)
	require.Error(t, e.start(t.Context(), componenttest.NewNopHost()))
	assert.NoError(t, e.shutdown(t.Context()))
}

func TestCompressedRequests(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.ClientConfig.Compression = configcompression.TypeGzip })
	require.NoError(t, p.push(t.Context(), logsOf(newEvent(strings.Repeat("a", 500)))))
	request := p.server.Requests()[0]
	assert.Less(t, request.WireBytes, request.Bytes/2)
	assert.Len(t, p.server.Events(), 1)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := amplitudetest.Start(t)
	p := start(t, componenttest.NewNopHost(), nil)
	for _, status := range []int{301, 302, 307, 308} {
		p.server.AnswerNext(1, amplitudetest.Answer{Status: status, Header: map[string]string{"Location": elsewhere.URL(amplitude.HTTPV2), "Retry-After": "3"}})
		require.Error(t, p.push(t.Context(), logsOf(newEvent("a"))))
	}
	assert.Empty(t, elsewhere.Requests())
}

func TestLaneQueueAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startHandled(t, componenttest.NewNopHost(), amplitudetest.New(), func(c *Config) { c.Lanes = 1 })
		p.server.RefuseKey(true)
		logs := logsOf(newEvent("a"))
		logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).SetObservedTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-time.Hour)))
		require.Error(t, p.push(t.Context(), logs))
		age := func() float64 {
			metric, err := p.telemetry.GetMetric("otelcol_exporter_amplitude_lane_queue_age")
			require.NoError(t, err)
			points := metric.Data.(metricdata.Gauge[float64]).DataPoints
			require.Len(t, points, 1)
			return points[0].Value
		}
		assert.InDelta(t, 3600, age(), 600)
		time.Sleep(10 * time.Second)
		p.server.RefuseKey(false)
		require.NoError(t, p.push(t.Context(), logsOf(newEvent("a"))))
		assert.Zero(t, age())

		p.server.Restrict(amplitudetest.ThrottledUser, amplitudetest.UntilLifted, "user-17")
		for range 2 {
			require.NoError(t, p.push(t.Context(), logs))
			assert.InDelta(t, 3600, age(), 600, "blocked events wait")
		}
		p.stop(t)
	})
}

// startWhole starts the exporter as a collector does.
func startWhole(t *testing.T, config *Config) exporter.Logs {
	t.Helper()
	require.NoError(t, config.Validate())
	e, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), config)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	return e
}

func TestTheQueueBatchesAndRetries(t *testing.T) {
	server := amplitudetest.Start(t)
	server.AnswerShare(0.3, amplitudetest.Answer{Status: http.StatusServiceUnavailable})
	config := createDefaultConfig().(*Config)
	config.APIKey = "key"
	config.ClientConfig.Endpoint = server.URL(amplitude.HTTPV2)
	config.RetryConfig.InitialInterval = 10 * time.Millisecond
	e := startWhole(t, config)
	for range 100 {
		require.NoError(t, e.ConsumeLogs(t.Context(), logsOf(newEvent("a"))))
	}
	require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Received >= 100 && c.Ingested > 0 }))
	require.NoError(t, e.Shutdown(t.Context()))
	assert.Less(t, len(server.Requests()), 50)
}

func TestLibrary(t *testing.T) {
	server := amplitudetest.Start(t)
	config := createDefaultConfig().(*Config)
	config.APIKey = "key"
	config.ClientConfig.Endpoint = server.URL(amplitude.HTTPV2)
	e := startWhole(t, config)
	require.NoError(t, e.ConsumeLogs(t.Context(), logsOf(newEvent("a"),
		`{"event_type":"b","user_id":"user-17","insert_id":"i-1","library":"amplitude-ts/2.46.0"}`)))
	require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Ingested == 2 }))
	require.NoError(t, e.Shutdown(t.Context()))
	version := component.NewDefaultBuildInfo().Version
	events := server.User("user-17").Events
	assert.Equal(t, []any{"impression-bridge/" + version, "amplitude-ts/2.46.0"}, []any{events[0].Fields["library"], events[1].Fields["library"]})
}

func TestWithoutQueue(t *testing.T) {
	server := amplitudetest.Start(t)
	server.AnswerNext(4, amplitudetest.Answer{Status: http.StatusServiceUnavailable})
	config := createDefaultConfig().(*Config)
	config.APIKey = "key"
	config.ClientConfig.Endpoint = server.URL(amplitude.HTTPV2)
	config.QueueConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
	config.RetryConfig = configretry.NewDefaultBackOffConfig()
	config.RetryConfig.InitialInterval = time.Millisecond
	e := startWhole(t, config)
	require.NoError(t, e.ConsumeLogs(t.Context(), logsOf(newEvent("a"))))
	assert.Len(t, server.Events(), 1)
	require.NoError(t, e.Shutdown(t.Context()))
}
