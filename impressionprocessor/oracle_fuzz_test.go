// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// oracleConfigs are the lists of layouts that scopes are processed with, and the variants that unset a user property.
var oracleConfigs = []struct {
	presets       []string
	unsetVariants []string
}{
	{presets: []string{"otel", "amplitude", "segment"}},
	{presets: []string{"segment"}, unsetVariants: []string{"off"}},
	{presets: []string{"posthog", "mparticle", "tealium", "snowplow", "rudderstack"}},
	{presets: []string{"otel", "mparticle", "amplitude", "posthog", "segment", "rudderstack", "tealium", "snowplow"}, unsetVariants: []string{"off"}},
}

// compared is a processor and the oracle for the same configuration.
type compared struct {
	oracle    oracle
	processor processor.Logs
	sink      *consumertest.LogsSink
}

func comparedAll(tb testing.TB) []compared {
	tb.Helper()
	var all []compared
	for _, row := range oracleConfigs {
		var layouts []any
		for _, preset := range row.presets {
			entry := map[string]any{"preset": preset}
			switch preset {
			case "tealium":
				entry["user_id"] = []any{`event["customer_id"]`}
			case "snowplow":
				entry["properties"] = []any{`event["props"]`}
			}
			layouts = append(layouts, entry)
		}
		config := defaultsWith(withLayouts(tb, layouts...), func(c *Config) { c.UserProperties.UnsetVariants = row.unsetVariants })
		one := compared{sink: &consumertest.LogsSink{}}
		one.oracle = oracle{eventTypes: config.EventTypes, unsetVariants: row.unsetVariants}
		for _, preset := range row.presets {
			one.oracle.layouts = append(one.oracle.layouts, oracleLayouts[preset])
		}
		require.NoError(tb, config.Validate())
		var err error
		one.processor, err = NewFactory().CreateLogs(tb.Context(), processortest.NewNopSettings(metadata.Type), config, one.sink)
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, one.processor.Shutdown(tb.Context())) })
		all = append(all, one)
	}
	return all
}

// withLayouts configures layouts as a user does, except that "tealium" is short for {preset: tealium}.
func withLayouts(tb testing.TB, layouts ...any) func(*Config) {
	tb.Helper()
	for i, entry := range layouts {
		if preset, isName := entry.(string); isName {
			layouts[i] = map[string]any{"preset": preset}
		}
	}
	return func(c *Config) {
		require.NoError(tb, confmap.NewFromStringMap(map[string]any{"layouts": layouts}).Unmarshal(c))
	}
}

// run sends a batch through the processor and returns what comes out.
func (c *compared) run(tb testing.TB, logs plog.Logs) plog.Logs {
	tb.Helper()
	c.sink.Reset()
	require.NoError(tb, c.processor.ConsumeLogs(tb.Context(), logs))
	out := plog.NewLogs()
	c.sink.AllLogs()[0].CopyTo(out)
	return out
}

// disagreement compares the processor's output of a scope with the oracle's, with that of a second run, and with that of
// each record alone. It returns "" if they are all the same.
func (c *compared) disagreement(tb testing.TB, scope plainScope) string {
	tb.Helper()
	out := c.run(tb, pdataOf(tb, scope))
	got := plainOf(out)
	want := c.oracle.scope(scope)
	if gotten, wanted := renderPlain(maskHashes(got, want)), renderPlain(want); gotten != wanted {
		return fmt.Sprintf("input:\n%s\noracle:\n%s\nprocessor:\n%s", renderPlain(scope), wanted, gotten)
	}
	if again := plainOf(c.run(tb, out)); renderPlain(again) != renderPlain(got) {
		return fmt.Sprintf("input:\n%s\nfirst run:\n%s\nsecond run:\n%s", renderPlain(scope), renderPlain(got), renderPlain(again))
	}
	var alone []plainRecord
	for _, record := range scope.Records {
		single := plainScope{Resource: scope.Resource, Records: []plainRecord{record}}
		alone = append(alone, plainOf(c.run(tb, pdataOf(tb, single)))...)
	}
	if renderPlain(alone) != renderPlain(got) {
		return fmt.Sprintf("input:\n%s\ntogether:\n%s\neach alone:\n%s", renderPlain(scope), renderPlain(got), renderPlain(alone))
	}
	return ""
}

func pdataOf(tb testing.TB, scope plainScope) plog.Logs {
	tb.Helper()
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	require.NoError(tb, resource.Resource().Attributes().FromRaw(scope.Resource))
	records := resource.ScopeLogs().AppendEmpty().LogRecords()
	for _, plain := range scope.Records {
		record := records.AppendEmpty()
		record.SetEventName(plain.EventName)
		record.SetTimestamp(pcommon.Timestamp(plain.Timestamp))
		record.SetObservedTimestamp(pcommon.Timestamp(plain.Observed))
		require.NoError(tb, record.Attributes().FromRaw(plain.Attributes))
		require.NoError(tb, record.Body().FromRaw(plain.Body))
	}
	return logs
}

func plainOf(logs plog.Logs) []plainRecord {
	var all []plainRecord
	for _, record := range collectortest.Records([]plog.Logs{logs}) {
		all = append(all, plainRecord{
			EventName: record.EventName(), Timestamp: int64(record.Timestamp()), Observed: int64(record.ObservedTimestamp()),
			Attributes: record.Attributes().AsRaw(), Body: record.Body().AsRaw(),
		})
	}
	return all
}

// maskHashes replaces the insert ids whose form the contract leaves open.
func maskHashes(got, want []plainRecord) []plainRecord {
	masked := slices.Clone(got)
	for i := range masked {
		id, _ := masked[i].Attributes["insert_id"].(string)
		if i < len(want) && want[i].Attributes["insert_id"] == hashedID && len(id) > len(insertIDSuffix) && strings.HasSuffix(id, insertIDSuffix) {
			masked[i].Attributes = maps.Clone(masked[i].Attributes)
			masked[i].Attributes["insert_id"] = hashedID
		}
	}
	return masked
}

// renderPlain writes values for comparison: keys are sorted, and a double that is an integer is written like the integer.
func renderPlain(value any) string {
	switch value := value.(type) {
	case plainScope:
		return "resource " + renderPlain(value.Resource) + "\n" + renderPlain(value.Records)
	case []plainRecord:
		var lines []string
		for _, record := range value {
			lines = append(lines, fmt.Sprintf("  name %q time %d observed %d\n    attributes %s\n    body %s",
				record.EventName, record.Timestamp, record.Observed, renderPlain(record.Attributes), renderPlain(record.Body)))
		}
		return strings.Join(lines, "\n")
	case map[string]any:
		var fields []string
		for _, key := range slices.Sorted(maps.Keys(value)) {
			fields = append(fields, fmt.Sprintf("%q:%s", key, renderPlain(value[key])))
		}
		return "{" + strings.Join(fields, ",") + "}"
	case []any:
		var elements []string
		for _, element := range value {
			elements = append(elements, renderPlain(element))
		}
		return "[" + strings.Join(elements, ",") + "]"
	case int64, float64:
		if text := numberText(value); text != "" {
			return text
		}
		return fmt.Sprint(value)
	case string:
		return fmt.Sprintf("%q", value)
	default:
		return fmt.Sprint(value)
	}
}

// scopeBuilder derives a scope from fuzz input: each byte makes one choice. Zeros choose what is usual.
type scopeBuilder struct {
	input []byte
}

func (b *scopeBuilder) choose(n int) int {
	if len(b.input) == 0 {
		return 0
	}
	first := b.input[0]
	b.input = b.input[1:]
	return int(first) % n
}

func oneOf[T any](b *scopeBuilder, choices ...T) T {
	return choices[b.choose(len(choices))]
}

// seldom is true for one byte in n, and not at the end of the input.
func (b *scopeBuilder) seldom(n int) bool {
	return b.choose(n) == n-1
}

var (
	oracleIDs   = []any{"user-17", "device-4", "", nil, "anonymous", "null", "0", "0000", int64(17), int64(9007199254740993), 17.0, int64(-1), "nobody"}
	oracleTimes = []any{
		"2026-11-23T09:30:00Z", "2026-11-23T10:30:00.25+01:00", "2026-11-23 09:30:00.250", int64(1790000000123), 1790000000123.0,
		int64(1790000000), int64(1790000000123456), "NOW", int64(0), int64(-5), "9999-12-31T00:00:00Z", "", nil,
	}
	oracleNames = []any{"$impression", "$impression", "$impression", "$impression", "$impression", "$impression", "Other", "[Experiment] Impression", "", nil, int64(5), "event", "$identify"}
	oracleFlags = []any{"checkout", "checkout", "checkout", "checkout", "cart", "cart", "", nil, int64(7)}

	// oracleFields are fields of events and envelopes, and what may be there. scopeBuilder.value builds those with nil.
	oracleFields = map[string][]any{
		"event":                                oracleNames,
		"type":                                 {"track", "track", "Track", "TRACK", "identify", nil, int64(3)},
		"event_type":                           append([]any{"custom_event", "custom_event", "custom_event"}, oracleNames...),
		"event_name":                           oracleNames,
		"se_action":                            oracleNames,
		"tealium_event":                        oracleNames,
		"properties":                           nil,
		"event_properties":                     nil,
		"props":                                nil,
		"data":                                 nil,
		"context":                              nil,
		"integrations":                         nil,
		"user_identities":                      nil,
		"userId":                               oracleIDs,
		"user_id":                              oracleIDs,
		"customer_id":                          oracleIDs,
		"distinct_id":                          oracleIDs,
		"anonymousId":                          oracleIDs,
		"device_id":                            oracleIDs,
		"mp_deviceid":                          oracleIDs,
		"domain_userid":                        oracleIDs,
		"network_userid":                       oracleIDs,
		"tealium_visitor_id":                   oracleIDs,
		"mpid":                                 {"7346244611012968789", int64(7346244611012968789)},
		"messageId":                            {"message-1", "message-2", "", nil, int64(7), strings.Repeat("é", 1011)},
		"insert_id":                            {"insert-1", "", nil, int64(8), strings.Repeat("é", 1010)},
		"$insert_id":                           {"insert-2", "", nil},
		"uuid":                                 {"uuid-1", "", nil},
		"event_id":                             {"event-1", "", nil},
		"timestamp":                            oracleTimes,
		"originalTimestamp":                    oracleTimes,
		"sentAt":                               oracleTimes,
		"receivedAt":                           oracleTimes,
		"event_time":                           oracleTimes,
		"derived_tstamp":                       oracleTimes,
		"collector_tstamp":                     oracleTimes,
		"tealium_timestamp_epoch_milliseconds": oracleTimes,
		"tealium_timestamp_utc":                oracleTimes,
		"tealium_timestamp_epoch":              oracleTimes,
		"time":                                 {int64(1790000000456), 1790000000456.0, "NOW", int64(0), nil},
		"session_id":                           {int64(1790000000100), "", nil, int64(-1)},
		"tealium_session_id":                   {int64(1790000000100), "", nil},
		"api_key":                              {"key", nil},
		"writeKey":                             {"key"},
		"write_key":                            {"key"},
		"token":                                {"key"},
		"flag_key":                             oracleFlags,
		"variant":                              nil,
		"extra":                                {"text", nil, true, 0.5, map[string]any{"kept": []any{int64(1), nil}}, []any{}},
		"batch":                                {nil, []any{}, []any{int64(1)}, map[string]any{}, "text"},
		"events":                               {nil, []any{}, []any{map[string]any{}, int64(1)}, map[string]any{}, "text"},
	}
	oracleKeys = slices.Sorted(maps.Keys(oracleFields))

	// oracleShapes are the fields that make an event of each layout.
	oracleShapes = [][]string{
		{"type", "event", "userId", "properties"},
		{"event", "anonymousId", "properties"},
		{"event_type", "user_id", "event_properties"},
		{"event_type", "data", "user_identities"},
		{"event", "distinct_id", "properties"},
		{"tealium_event", "customer_id", "flag_key", "variant"},
		{"event_name", "user_id", "props"},
		{"event_name", "se_action", "domain_userid", "props"},
		{"event", "messageId", "context", "properties"},
		{"type", "userId"},
		{},
	}
)

// value builds what may be in a field.
func (b *scopeBuilder) value(key string) any {
	switch key {
	case "properties", "event_properties", "props":
		return b.properties()
	case "data":
		return b.data()
	case "context":
		return b.context()
	case "integrations":
		return b.integrations()
	case "user_identities":
		return b.identities()
	case "variant":
		return b.variant()
	}
	return clonePlain(oneOf(b, oracleFields[key]...))
}

// event builds an event of some layout, complete or not.
func (b *scopeBuilder) event() map[string]any {
	event := map[string]any{}
	for _, key := range oneOf(b, oracleShapes...) {
		if !b.seldom(16) {
			event[key] = b.value(key)
		}
	}
	b.fields(event, 4)
	if b.seldom(12) {
		event[oneOf(b, "batch", "events")] = []any{any(b.event())}
	}
	return event
}

func (b *scopeBuilder) fields(to map[string]any, most int) {
	for range b.choose(most + 1) {
		key := oneOf(b, oracleKeys...)
		to[key] = b.value(key)
	}
}

func (b *scopeBuilder) properties() any {
	if b.seldom(12) {
		return oneOf(b, nil, any("text"), any([]any{}))
	}
	properties := map[string]any{"flag_key": oneOf(b, oracleFlags...), "variant": b.variant()}
	for range b.choose(4) {
		switch b.choose(10) {
		case 0:
			properties["metadata"] = oneOf[any](b,
				map[string]any{"default": true}, map[string]any{"default": "true"}, map[string]any{"default": false},
				map[string]any{"flagType": "mutual-exclusion-group"}, `{"default": true}`, `{"flagType":"mutual-exclusion-group"}`,
				`{"default"`, "text", nil, []any{})
		case 1:
			properties["time"] = b.value("time")
		case 2:
			properties["[Experiment] Variant"] = b.variant()
		case 3:
			properties["[Experiment] Flag Key"] = "old"
		case 4:
			properties["experiment_key"] = oneOf[any](b, "exp-1", nil)
		case 5:
			properties["[Experiment] Experiment Key"] = "old"
		case 6:
			properties["distinct_id"] = oneOf(b, oracleIDs...)
		case 7:
			properties["$device_id"] = oneOf(b, oracleIDs...)
		case 8:
			delete(properties, oneOf(b, "variant", "flag_key"))
		default:
			properties["extra"] = b.value("extra")
		}
	}
	return properties
}

func (b *scopeBuilder) variant() any {
	return oneOf[any](b, "on", "on", "on", "control", "off", "", nil, int64(3), 2.0, 0.25, true, map[string]any{}, []any{"on"}, math.NaN(), " ")
}

func (b *scopeBuilder) data() any {
	data := map[string]any{"event_name": oneOf(b, oracleNames...), "custom_attributes": b.properties()}
	if b.choose(2) == 1 {
		data["source_message_id"] = b.value("messageId")
		data["timestamp_unixtime_ms"] = oneOf(b, oracleTimes...)
	}
	return data
}

func (b *scopeBuilder) context() any {
	context := map[string]any{"library": "l"}
	if b.choose(2) == 0 {
		context["device"] = map[string]any{"id": oneOf(b, oracleIDs...), "kept": true}
	}
	if b.choose(2) == 1 {
		context["sessionId"] = b.value("session_id")
	}
	return oneOf[any](b, context, context, context, nil, "text")
}

func (b *scopeBuilder) integrations() any {
	return map[string]any{
		"All": true, oneOf(b, "Amplitude", "Actions Amplitude"): map[string]any{"session_id": b.value("session_id"), "kept": true},
	}
}

func (b *scopeBuilder) identities() any {
	return oneOf[any](b, map[string]any{"customer_id": oneOf(b, oracleIDs...)}, map[string]any{}, nil)
}

// envelope builds a list of events or of envelopes, or a map with such a list.
func (b *scopeBuilder) envelope(levels int) any {
	list := []any{}
	for range 1 + b.choose(3) {
		if levels > 1 && b.choose(3) > 0 {
			list = append(list, b.envelope(levels-1))
		} else {
			list = append(list, any(b.event()))
		}
	}
	if b.seldom(24) {
		list = append(list, oneOf[any](b, int64(3), nil, "text"))
	}
	if b.seldom(8) {
		return list
	}
	fields := map[string]any{}
	b.fields(fields, 6)
	fields[oneOf(b, "batch", "events")] = list
	return fields
}

// text writes a value as JSON, whole or not.
func (b *scopeBuilder) text(value any) string {
	written, err := json.Marshal(withoutNaN(value))
	if err != nil {
		panic(err)
	}
	text := string(written)
	switch b.choose(8) {
	case 1:
		return strings.ReplaceAll(text, "$", `\u0024`)
	case 2:
		return " \n" + text + " "
	case 3:
		return strings.ReplaceAll(text, "1790000000123", "1.790000000123e12")
	case 4:
		if b.seldom(4) {
			return text[:len(text)-1]
		}
	case 5:
		if b.seldom(4) {
			return text + "x"
		}
	}
	return text
}

// withoutNaN replaces what JSON can't write.
func withoutNaN(value any) any {
	switch value := value.(type) {
	case map[string]any:
		clone := map[string]any{}
		for key, inner := range value {
			clone[key] = withoutNaN(inner)
		}
		return clone
	case []any:
		clone := []any{}
		for _, inner := range value {
			clone = append(clone, withoutNaN(inner))
		}
		return clone
	case float64:
		if math.IsNaN(value) {
			return 0.5
		}
	}
	return value
}

// content builds an event, an envelope, or neither.
func (b *scopeBuilder) content() any {
	switch b.choose(8) {
	case 0, 1, 2:
		return b.event()
	case 7:
		return oneOf[any](b, nil, map[string]any{}, []any{}, []any{int64(1)}, int64(1), "$impression", "a line")
	default:
		return b.envelope(1 + b.choose(4))
	}
}

func (b *scopeBuilder) record() plainRecord {
	record := plainRecord{Observed: 1790000010000000000, Attributes: map[string]any{}}
	if b.choose(4) == 1 {
		record.Timestamp = 1790000009000000000
	}
	switch b.choose(8) {
	case 1:
		b.otel(&record)
	case 2:
		record.Attributes, _ = b.content().(map[string]any)
	case 3:
		b.fields(record.Attributes, 4)
	}
	if _, list := oracleEnvelope(record.Attributes); list != nil {
		// What a file reader leaves of a batch in the body.
		record.Body = oneOf[any](b, nil, b.text(record.Attributes), "a line", "[INFO] a line")
		return record
	}
	record.Body = b.content()
	if b.choose(2) == 1 {
		record.Body = b.text(record.Body)
	}
	return record
}

func (b *scopeBuilder) otel(record *plainRecord) {
	record.EventName = oneOf(b, "$impression", "$impression", "", "Other", "[Experiment] Impression")
	if b.choose(3) == 1 {
		record.Attributes["event.name"] = oneOf(b, oracleNames...)
	}
	if properties, isMap := b.properties().(map[string]any); isMap && b.choose(3) > 0 {
		record.Attributes = properties
		if record.EventName == "" {
			record.Attributes["event.name"] = oneOf(b, oracleNames...)
		}
	}
	for _, key := range []string{"user.id", "enduser.id", "device.id", "app.installation.id"} {
		if b.choose(3) == 1 {
			record.Attributes[key] = oneOf(b, oracleIDs...)
		}
	}
	if b.choose(2) == 1 {
		record.Attributes["log.record.uid"] = b.value("messageId")
	}
}

func (b *scopeBuilder) scope() plainScope {
	scope := plainScope{Resource: map[string]any{}}
	if b.choose(3) == 1 {
		scope.Resource["user.id"] = oneOf(b, oracleIDs...)
		scope.Resource["device.id"] = oneOf(b, oracleIDs...)
	}
	for range 1 + b.choose(4) {
		scope.Records = append(scope.Records, b.record())
	}
	return scope
}

// randomInput is the same for the same seed.
func randomInput(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	input := make([]byte, 1+random.IntN(1200))
	for i := range input {
		input[i] = byte(random.Uint32())
	}
	return input
}

// TestOracleAgrees compares the processor with the oracle over some thousand scopes, the same each time.
func TestOracleAgrees(t *testing.T) {
	all := comparedAll(t)
	for seed := range uint64(4000) {
		b := &scopeBuilder{input: randomInput(seed)}
		chosen := b.choose(len(all))
		if found := all[chosen].disagreement(t, b.scope()); found != "" {
			t.Fatalf("seed %d: layouts %v\n%s", seed, oracleConfigs[chosen].presets, found)
		}
	}
}

// FuzzOracle compares the processor with the oracle, with itself on its own output, and with itself on single records.
func FuzzOracle(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(randomInput(seed))
	}
	all := comparedAll(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		b := &scopeBuilder{input: input}
		chosen := b.choose(len(all))
		if found := all[chosen].disagreement(t, b.scope()); found != "" {
			t.Fatalf("layouts %v\n%s", oracleConfigs[chosen].presets, found)
		}
	})
}
