// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"go.yaml.in/yaml/v3"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// otelEvent appends an event in the otel layout.
func otelEvent(records plog.LogRecordSlice, name string, attributes map[string]any) plog.LogRecord {
	record := records.AppendEmpty()
	record.SetEventName(name)
	if err := record.Attributes().FromRaw(attributes); err != nil {
		panic(err)
	}
	return record
}

func shown(flag, variant string) map[string]any {
	return map[string]any{"flag_key": flag, "variant": variant}
}

// names are the event types of records in order, for layouts otel, amplitude and segment.
func names(records []plog.LogRecord) []string {
	var all []string
	for _, record := range records {
		name := record.EventName()
		if body := record.Body(); name == "" && body.Type() == pcommon.ValueTypeMap {
			event, _ := body.Map().Get("event")
			name = event.AsString()
		}
		all = append(all, name)
	}
	return all
}

func TestUpdateStandsDirectlyBeforeItsImpression(t *testing.T) {
	input := bodies(t,
		segmentCall("Product Viewed", nil),
		segmentCall("$impression", shown("a", "on")),
		segmentCall("$impression", map[string]any{"variant": "flag key missing"}),
		segmentCall("$impression", shown("b", "on")),
		segmentCall("$impression", shown("c", "")),
		segmentCall("Order Completed", nil),
	)
	records := collectortest.Records(process(t, defaultsWith(), input))
	assert.Equal(t, []string{
		"Product Viewed",
		"$identify", "[Experiment] Impression",
		"$impression",
		"$identify", "[Experiment] Impression",
		"$identify", "[Experiment] Impression",
		"Order Completed",
	}, names(records))
	for i, flag := range map[int]string{1: "a", 4: "b", 6: "c"} {
		assert.Contains(t, fmt.Sprint(records[i].Attributes().AsRaw()["user_properties"]), "[Experiment] "+flag)
	}
}

func TestUpdateRecord(t *testing.T) {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	event := otelEvent(records, "$impression", map[string]any{
		"flag_key": "checkout", "variant": "on", "experiment_key": "exp-1", "time": int64(1790000000123),
		"user.id": " User 17 ", "app.installation.id": "device-4", "log.record.uid": "01K0", "extra": map[string]any{"kept": true},
	})
	event.SetTimestamp(1790000009000000000)
	event.SetObservedTimestamp(1790000010000000000)
	event.SetTraceID(pcommon.TraceID{1, 2, 3})
	event.SetSpanID(pcommon.SpanID{4, 5})
	event.SetFlags(plog.DefaultLogRecordFlags.WithIsSampled(true))
	event.SetSeverityText("INFO")

	out := collectortest.Records(process(t, defaultsWith(), logs))

	require.Len(t, out, 2)
	update, event := out[0], out[1]
	assert.Equal(t, map[string]any{
		"event_type": "$identify", "user_id": " User 17 ", "device_id": "device-4", "insert_id": "01K0-user-property",
		"user_properties": map[string]any{"$set": map[string]any{"[Experiment] checkout": "on"}},
	}, update.Attributes().AsRaw())
	assert.Equal(t, "$identify", update.EventName())
	assert.Equal(t, pcommon.Timestamp(1790000000123000000), update.Timestamp(), "the impression's own time")
	assert.Equal(t, event.ObservedTimestamp(), update.ObservedTimestamp())
	assert.Equal(t, event.TraceID(), update.TraceID())
	assert.Equal(t, event.SpanID(), update.SpanID())
	assert.Equal(t, event.Flags(), update.Flags())

	assert.Equal(t, map[string]any{
		"[Experiment] Flag Key": "checkout", "[Experiment] Variant": "on", "[Experiment] Experiment Key": "exp-1",
		"time": int64(1790000000123), "user.id": " User 17 ", "app.installation.id": "device-4", "log.record.uid": "01K0",
		"extra": map[string]any{"kept": true},
	}, event.Attributes().AsRaw())
	assert.Equal(t, pcommon.Timestamp(1790000009000000000), event.Timestamp(), "was set: stays")
	assert.Equal(t, pcommon.TraceID{1, 2, 3}, event.TraceID())
	assert.Equal(t, "INFO", event.SeverityText())
}

func TestInsertIDIsTheSameForTheSameImpressionOnly(t *testing.T) {
	insertID := func(change func(call map[string]any)) string {
		call := segmentCall("$impression", shown("checkout", "on"))
		delete(call, "messageId")
		change(call)
		out := collectortest.Records(process(t, defaultsWith(), bodies(t, call)))
		require.Len(t, out, 2)
		id, _ := out[0].Attributes().Get("insert_id")
		return id.Str()
	}
	property := func(key string, value any) func(map[string]any) {
		return func(call map[string]any) { call["properties"].(map[string]any)[key] = value }
	}
	same := insertID(func(map[string]any) {})
	assert.NotEmpty(t, same)
	assert.Equal(t, same, insertID(func(map[string]any) {}), "a replay")
	assert.Equal(t, same, insertID(property("page", "/home")), "what the update does not depend on")
	assert.Equal(t, same, insertID(func(call map[string]any) { call["messageId"] = "" }), "an empty insert id is none")
	for difference, change := range map[string]func(map[string]any){
		"user":    func(call map[string]any) { call["userId"] = "user-18" },
		"device":  func(call map[string]any) { call["anonymousId"] = "anonymous-5" },
		"moved":   func(call map[string]any) { call["userId"], call["anonymousId"] = "user-17a", "nonymous-4" },
		"time":    func(call map[string]any) { call["timestamp"] = "2026-11-23T09:30:00.001Z" },
		"flag":    property("flag_key", "cart"),
		"variant": property("variant", "off"),
	} {
		assert.NotEqual(t, same, insertID(change), difference)
	}
}

func TestEmitInline(t *testing.T) {
	for name, existing := range map[string]any{
		"none": nil,
		"operations": map[string]any{
			"$set": map[string]any{"plan": "pro"}, "$add": map[string]any{"visits": int64(1)},
			"$unset": map[string]any{"[Experiment] checkout": "-", "trial": "-"},
		},
		"plain": map[string]any{"plan": "pro"},
		"wrong": "plan=pro",
	} {
		t.Run(name, func(t *testing.T) {
			event := map[string]any{
				"event_type": "$impression", "user_id": "user-17", "event_properties": shown("checkout", "on"), "user_properties": existing,
			}
			out := collectortest.Records(process(t, defaultsWith(emit(EmitInline)), bodies(t, event)))
			require.Len(t, out, 1)
			set := map[string]any{"[Experiment] checkout": "on"}
			want := map[string]any{"$set": set}
			switch name {
			case "operations":
				set["plan"] = "pro"
				want["$add"] = map[string]any{"visits": int64(1)}
				want["$unset"] = map[string]any{"trial": "-"}
			case "plain":
				set["plan"] = "pro"
			}
			body := out[0].Body().Map().AsRaw()
			assert.Equal(t, want, body["user_properties"])
			assert.Equal(t, "[Experiment] Impression", body["event_type"])
		})
	}
	t.Run("beside the event's other fields", func(t *testing.T) {
		unset := map[string]any{"$unset": map[string]any{"[Experiment] checkout": "-"}}

		segment := collectortest.Records(process(t, defaultsWith(emit(EmitInline)), bodies(t, segmentCall("$impression", shown("checkout", "")))))
		assert.Equal(t, unset, segment[0].Body().Map().AsRaw()["user_properties"])

		logs := plog.NewLogs()
		otelEvent(logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords(), "$impression",
			map[string]any{"flag_key": "checkout", "user.id": "user-17"})
		otel := collectortest.Records(process(t, defaultsWith(emit(EmitInline)), logs))
		assert.Equal(t, unset, otel[0].Attributes().AsRaw()["user_properties"])
	})
	t.Run("none without identity", func(t *testing.T) {
		call := segmentCall("$impression", shown("checkout", "on"))
		delete(call, "userId")
		delete(call, "anonymousId")
		out := collectortest.Records(process(t, defaultsWith(emit(EmitInline)), bodies(t, call)))
		assert.NotContains(t, out[0].Body().Map().AsRaw(), "user_properties")
		assert.Equal(t, []string{"[Experiment] Impression"}, names(out))
	})
}

func TestEmitNoneOnlyRewrites(t *testing.T) {
	out := collectortest.Records(process(t, defaultsWith(emit(EmitNone)), bodies(t, segmentCall("$impression", shown("checkout", "on")))))
	assert.Equal(t, []string{"[Experiment] Impression"}, names(out))
	assert.NotContains(t, out[0].Body().Map().AsRaw(), "user_properties")
}

func TestDropUnassigned(t *testing.T) {
	unidentified := segmentCall("$impression", shown("checkout", ""))
	delete(unidentified, "userId")
	delete(unidentified, "anonymousId")
	events := func() plog.Logs {
		return bodies(t,
			segmentCall("First", nil),
			segmentCall("$impression", shown("a", "")),
			segmentCall("$impression", shown("b", "on")),
			segmentCall("$impression", shown("c", "")),
			segmentCall("$impression", map[string]any{"flag_key": "d", "metadata": map[string]any{"flagType": "mutual-exclusion-group"}}),
			unidentified,
			segmentCall("Last", nil),
		)
	}
	t.Run("the unset takes the event's place", func(t *testing.T) {
		out := collectortest.Records(process(t, defaultsWith(dropUnassigned), events()))
		assert.Equal(t, []string{
			"First", "$identify", "$identify", "[Experiment] Impression", "$identify", "[Experiment] Impression", "[Experiment] Impression", "Last",
		}, names(out))
		for i, operation := range map[int]string{1: "$unset", 2: "$set", 4: "$unset"} {
			assert.Contains(t, out[i].Attributes().AsRaw()["user_properties"], operation)
			assert.Equal(t, pcommon.NewTimestampFromTime(segmentTime), out[i].Timestamp())
		}
	})
	t.Run("without updates", func(t *testing.T) {
		out := collectortest.Records(process(t, defaultsWith(dropUnassigned, emit(EmitNone)), events()))
		assert.Equal(t, []string{"First", "[Experiment] Impression", "[Experiment] Impression", "[Experiment] Impression", "Last"}, names(out))
	})
	t.Run("what it empties is removed", func(t *testing.T) {
		logs := events()
		only := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		require.NoError(t, only.Body().SetEmptyMap().FromRaw(segmentCall("$impression", shown("a", ""))))
		kept := logs.ResourceLogs().AppendEmpty()
		bodies(t, segmentCall("$impression", shown("a", ""))).ResourceLogs().At(0).ScopeLogs().At(0).CopyTo(kept.ScopeLogs().AppendEmpty())
		kept.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("a line")
		logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()

		out := process(t, defaultsWith(dropUnassigned, emit(EmitNone)), logs)

		require.Len(t, out, 1)
		require.Equal(t, 3, out[0].ResourceLogs().Len(), "what arrived empty stays")
		assert.Equal(t, 1, out[0].ResourceLogs().At(1).ScopeLogs().Len())
	})
	t.Run("an emptied batch ends here", func(t *testing.T) {
		assert.Empty(t, process(t, defaultsWith(dropUnassigned, emit(EmitNone)), bodies(t, segmentCall("$impression", shown("a", "")))))
	})
}

func TestUpdatesStayInTheScopeOfTheirImpression(t *testing.T) {
	logs := plog.NewLogs()
	for _, service := range []string{"web", "app"} {
		resource := logs.ResourceLogs().AppendEmpty()
		resource.SetSchemaUrl("https://opentelemetry.io/schemas/1.37.0")
		resource.Resource().Attributes().PutStr("service.name", service)
		resource.Resource().Attributes().PutStr("user.id", "user of "+service)
		for _, scope := range []string{"first", "second"} {
			scoped := resource.ScopeLogs().AppendEmpty()
			scoped.Scope().SetName(scope)
			scoped.SetSchemaUrl("https://opentelemetry.io/schemas/1.36.0")
			otelEvent(scoped.LogRecords(), "$impression", shown("checkout", "on"))
			otelEvent(scoped.LogRecords(), "page.view", nil)
		}
	}
	out := process(t, defaultsWith(), logs)
	require.Len(t, out, 1)
	for _, resource := range out[0].ResourceLogs().All() {
		service, _ := resource.Resource().Attributes().Get("service.name")
		assert.Equal(t, "https://opentelemetry.io/schemas/1.37.0", resource.SchemaUrl())
		for _, scope := range resource.ScopeLogs().All() {
			require.Equal(t, 3, scope.LogRecords().Len())
			assert.Equal(t, "https://opentelemetry.io/schemas/1.36.0", scope.SchemaUrl())
			user, _ := scope.LogRecords().At(0).Attributes().Get("user_id")
			assert.Equal(t, "user of "+service.Str(), user.Str())
		}
	}
}

func TestOtherRecordsAreUntouched(t *testing.T) {
	logs := bodies(t,
		segmentCall("Product Viewed", shown("checkout", "on")),
		segmentCall("[Experiment] Impression", map[string]any{"[Experiment] Flag Key": "checkout"}),
		segmentCall(int64(7), shown("checkout", "on")),
		segmentCall([]any{"$impression"}, shown("checkout", "on")),
		segmentCall("$exposure", shown("checkout", "on")),
		map[string]any{"type": "page", "event": "$impression", "properties": shown("checkout", "on"), "userId": "user-17"},
		map[string]any{"flag_key": "checkout", "variant": "on"},
	)
	records := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	records.AppendEmpty().Body().SetStr("$impression")
	records.AppendEmpty()
	otelEvent(records, "impression", shown("checkout", "on"))
	otelEvent(records, "$identify", map[string]any{"event_type": "$impression", "event_properties": shown("checkout", "on")})
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	before := plog.NewLogs()
	logs.CopyTo(before)

	out := process(t, defaultsWith(dropUnassigned), logs)

	require.Len(t, out, 1)
	assert.Equal(t, before, out[0])
}

func TestOtelRewritesBothPlacesOfTheName(t *testing.T) {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	event := otelEvent(records, "$impression", shown("a", "on"))
	event.Attributes().PutStr("event.name", "$impression")
	otelEvent(records, "", map[string]any{"event.name": "$impression", "flag_key": "b"})
	otelEvent(records, "$impression", map[string]any{"event.name": "something else", "flag_key": "c"})
	otelEvent(records, "something else", map[string]any{"event.name": "$impression", "flag_key": "d"})

	var pairs [][2]string
	for _, record := range collectortest.Records(process(t, defaultsWith(emit(EmitNone)), logs)) {
		name, _ := record.Attributes().Get("event.name")
		pairs = append(pairs, [2]string{record.EventName(), name.Str()})
	}
	assert.Equal(t, [][2]string{
		{"[Experiment] Impression", "[Experiment] Impression"},
		{"", "[Experiment] Impression"},
		{"[Experiment] Impression", "something else"},
		{"something else", "$impression"},
	}, pairs)
}

func TestConcurrentBatches(t *testing.T) {
	sink := &consumertest.LogsSink{}
	processor, err := NewFactory().CreateLogs(
		context.Background(), processortest.NewNopSettings(metadata.Type), defaultsWith(), sink)
	require.NoError(t, err)
	assert.True(t, processor.Capabilities().MutatesData)
	const workers, batches = 4, 50
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for batch := range batches {
				flag := fmt.Sprintf("flag-%d-%d", worker, batch)
				input := bodies(t, segmentCall("Other", nil), segmentCall("$impression", shown(flag, "on")))
				assert.NoError(t, processor.ConsumeLogs(context.Background(), input))
			}
		})
	}
	group.Wait()
	require.NoError(t, processor.Shutdown(context.Background()))
	seen := map[string]bool{}
	for _, logs := range sink.AllLogs() {
		out := collectortest.Records([]plog.Logs{logs})
		require.Equal(t, []string{"Other", "$identify", "[Experiment] Impression"}, names(out))
		properties := out[2].Body().Map().AsRaw()["properties"].(map[string]any)
		flag := properties["[Experiment] Flag Key"].(string)
		assert.Equal(t, map[string]any{"$set": map[string]any{"[Experiment] " + flag: "on"}}, out[1].Attributes().AsRaw()["user_properties"])
		seen[flag] = true
	}
	assert.Len(t, seen, workers*batches)
}

// TestCallsStayAsTheyAre: only the exporter reads a CDP's calls that aren't track calls.
func TestCallsStayAsTheyAre(t *testing.T) {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, kind := range []string{"identify", "page", "screen", "group", "alias", "Identify"} {
		call := map[string]any{
			"type": kind, "event": "$impression", "name": "$impression", "userId": "user-17", "messageId": "m-1",
			"properties": shown("checkout", "on"), "traits": shown("checkout", "on"), "context": map[string]any{"traits": shown("a", "b")},
		}
		require.NoError(t, records.AppendEmpty().Body().SetEmptyMap().FromRaw(call))
		require.NoError(t, records.AppendEmpty().Attributes().FromRaw(call))
		records.AppendEmpty().Body().SetStr(`{"type":"` + kind + `",  "name":"\u0024impression","traits":{"a":1e2},"userId":"user-17"}`)
		require.NoError(t, records.AppendEmpty().Body().SetEmptyMap().FromRaw(map[string]any{"batch": []any{call}, "sentAt": "now"}))
	}
	var marshaler plog.ProtoMarshaler
	before, err := marshaler.MarshalLogs(logs)
	require.NoError(t, err)
	for _, preset := range []string{"segment", "rudderstack", "jitsu", "hightouch", "customerio"} {
		out := process(t, defaultsWith(func(c *Config) { c.Layouts = []LayoutConfig{{Preset: preset}} }), logs)
		require.Len(t, out, 1)
		after, err := marshaler.MarshalLogs(out[0])
		require.NoError(t, err)
		assert.Equal(t, before, after, preset)
	}
}

// TestOneLineAtStart says what the processor does.
func TestOneLineAtStart(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	set := processortest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	config := defaultsWith(emit(EmitInline), func(c *Config) { c.EventTypes["$$exposure"] = "[Experiment] Exposure" })
	p, err := NewFactory().CreateLogs(t.Context(), set, config, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	require.NoError(t, p.Shutdown(t.Context()))
	require.Equal(t, 1, logs.Len())
	assert.Equal(t, zap.InfoLevel, logs.All()[0].Level)
	assert.Equal(t, map[string]any{
		"layouts": []any{"otel", "amplitude", "segment"}, "event_types": []any{"$exposure", "$impression"}, "emit": "inline",
	}, logs.All()[0].ContextMap())
}

// TestGoldenCallsStayAsTheyAre passes the calls of the exporter's golden files, in each preset.
func TestGoldenCallsStayAsTheyAre(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "amplitudeexporter", "testdata", "calls", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		preset := strings.TrimSuffix(filepath.Base(path), ".yaml")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var cases []struct{ Record string }
		require.NoError(t, yaml.Unmarshal(text, &cases))
		logs := plog.NewLogs()
		records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for _, c := range cases {
			records.AppendEmpty().Body().SetStr(c.Record)
			var event map[string]any
			require.NoError(t, json.Unmarshal([]byte(c.Record), &event))
			require.NoError(t, records.AppendEmpty().Body().SetEmptyMap().FromRaw(event))
		}
		var marshaler plog.ProtoMarshaler
		before, err := marshaler.MarshalLogs(logs)
		require.NoError(t, err)
		config := LayoutConfig{Preset: preset}
		if preset == "snowplow" {
			config.Paths = map[string][]string{"properties": {`event["unstruct_event_com_acme_order_1"]`}}
		}
		out := process(t, defaultsWith(func(c *Config) { c.Layouts = []LayoutConfig{config} }), logs)
		require.Len(t, out, 1)
		after, err := marshaler.MarshalLogs(out[0])
		require.NoError(t, err)
		assert.Equal(t, before, after, preset)
	}
}
