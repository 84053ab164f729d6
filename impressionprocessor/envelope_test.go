// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// texts makes a batch with a record for each text, which is its body.
func texts(bodies ...string) plog.Logs {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, body := range bodies {
		records.AppendEmpty().Body().SetStr(body)
	}
	return logs
}

func TestEventsOfEnvelopesBecomeRecordsInOrder(t *testing.T) {
	single := `{"event": "$impression", "userId": "user-17", "properties": {"flag_key": "single", "variant": "on"}}`
	batch := `{"sentAt": "2026-11-23T09:30:00Z", "batch": [
		{"event": "First", "userId": "user-17"},
		{"event": "$impression", "userId": "user-17", "properties": {"flag_key": "a", "variant": "on"}},
		{"event": "$impression", "userId": "user-17", "properties": {"flag_key": "b"}},
		{"event": "Last", "userId": "user-17"}]}`
	list := `[{"event": "$impression", "userId": "user-17", "properties": {"flag_key": "c", "variant": "on"}}]`
	other := `[{"event": "Other"}]`

	out := collectortest.Records(process(t, defaultsWith(), texts(other, batch, single, list, other)))

	assert.Equal(t, []string{
		"", "First",
		"$identify", "[Experiment] Impression", "$identify", "[Experiment] Impression", "Last",
		"$identify", "[Experiment] Impression",
		"$identify", "[Experiment] Impression",
		"",
	}, names(out))
	for i, flag := range map[int]string{2: "a", 4: "b", 7: "single", 9: "c"} {
		assert.Contains(t, fmt.Sprint(out[i].Attributes().AsRaw()["user_properties"]), "[Experiment] "+flag)
	}
	assert.Equal(t, other, out[0].Body().Str())
	assert.Equal(t, segmentTime, out[2].Timestamp().AsTime(), "the envelope's sentAt")
}

func TestListOfEnvelopes(t *testing.T) {
	impression := `{"event": "$impression", "properties": {"flag_key": "a", "variant": "on"}}`
	out := collectortest.Records(process(t, defaultsWith(), texts(
		`[{"userId": "user-1", "events": [`+impression+`, {"event": "Other"}]}, {"userId": "user-2", "events": [`+impression+`]}]`)))
	assert.Equal(t, []string{"$identify", "[Experiment] Impression", "Other", "$identify", "[Experiment] Impression"}, names(out))
	for i, user := range map[int]string{0: "user-1", 3: "user-2"} {
		assert.Equal(t, user, out[i].Attributes().AsRaw()["user_id"])
	}
}

// TestBatchParsedIntoAttributes is what a file reader makes of a batch: the attributes, and the text still in the body.
func TestBatchParsedIntoAttributes(t *testing.T) {
	text := `{"batch": [{"type": "identify"}, {"event": "$impression", "userId": "user-17", "properties": {"flag_key": "a", "variant": "on"}}]}`
	logs := texts(text)
	record := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	require.NoError(t, record.Attributes().FromRaw(map[string]any{"batch": []any{
		map[string]any{"type": "identify"},
		map[string]any{"event": "$impression", "userId": "user-17", "properties": shown("a", "on")},
	}}))
	once := process(t, defaultsWith(), logs)
	assert.Len(t, collectortest.Records(once), 3)
	assert.Len(t, collectortest.Records(process(t, defaultsWith(), once...)), 3)
}

func TestEnvelopesAreUnrolledCompletely(t *testing.T) {
	text := `{"event": "$impression", "messageId": "m-0", "properties": {"flag_key": "a"}}`
	for i := range 15 {
		text = fmt.Sprintf(`{"batch": [{"event": "$impression", "messageId": "m-%d", "properties": {"flag_key": "a"}}, %s]}`, i+1, text)
	}
	out := collectortest.Records(process(t, defaultsWith(), texts(text)))
	require.Len(t, out, 16)
	assert.Equal(t, "m-15", out[0].Body().Map().AsRaw()["messageId"])
	assert.Equal(t, "m-0", out[15].Body().Map().AsRaw()["messageId"])
}

func TestEnvelopesBeyondThreeLevelsAreLeftAndCounted(t *testing.T) {
	text := `{"event": "$impression", "userId": "user-17", "properties": {"flag_key": "a"}}`
	for range 3 {
		text = `{"batch": [` + text + `]}`
	}
	assert.Len(t, collectortest.Records(process(t, defaultsWith(), texts(text))), 2)
	text = `{"batch": [` + text + `]}`
	out := collectortest.Records(process(t, defaultsWith(), texts(text)))
	require.Len(t, out, 1)
	assert.Equal(t, text, out[0].Body().Str())
}

func TestMalformedImpressionsKeepTheirText(t *testing.T) {
	malformed := []string{
		`{"event": "$impression", "userId": "user-17", "properties": {"variant": "on"}}`,
		`{"event": "$impression", "userId": "user-17", "properties": {"flag_key": "a", "variant": {}}}`,
		` {"event": "$impression", "userId": "user-17"}`,
	}
	list := `[{"event": "$impression", "userId": "user-17", "properties": {"flag_key": "a"}}]`
	for _, logs := range []plog.Logs{texts(malformed...), texts(append([]string{list}, malformed...)...)} {
		out := collectortest.Records(process(t, defaultsWith(), logs))
		var kept []string
		for _, record := range out[len(out)-len(malformed):] {
			kept = append(kept, record.Body().Str())
		}
		assert.Equal(t, malformed, kept)
	}
}

func TestMParticleBatch(t *testing.T) {
	config := defaultsWith(func(c *Config) { c.Layouts = []layout.Config{{Preset: "mparticle"}} })
	out := collectortest.Records(process(t, config, texts(`{"mpid": 7346244611012968789, "mp_deviceid": "device-4", "events": [
		{"event_type": "session_start", "data": {"event_name": "$impression"}},
		{"event_type": "custom_event", "data": {"event_name": "$impression", "custom_attributes": {"flag_key": "a", "variant": "on"}}}]}`)))
	require.Len(t, out, 3)
	update := out[1].Attributes().AsRaw()
	assert.NotContains(t, update, "user_id", "mpid isn't a user's id")
	assert.Equal(t, "device-4", update["device_id"])
	assert.Equal(t, "[Experiment] Impression", out[2].Body().Map().AsRaw()["data"].(map[string]any)["event_name"])
}

func TestMetricsOfRecords(t *testing.T) {
	logs := texts(
		`{"event": "$impression", "userId": "user-17", "properties": {"flag_key": "a"}}`,
		`[{"event": "$impression", "userId": "user-17", "properties": {"flag_key": "a"}}]`,
		`{"event": "Product Viewed"}`, `{"event": "$impression"`, `["a", {"event": "$impression", "userId": "u"}]`, "a line")
	records := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	otelEvent(records, "page.view", nil)
	otelEvent(records, "$impression", shown("a", "on"))
	otelEvent(records, "", map[string]any{"event": "Product Viewed"})
	config := defaultsWith(func(c *Config) {
		c.Layouts = append(c.Layouts, layout.Config{Paths: map[string][]string{
			"event_type": {`event["own"]`}, "properties": {"event"}, "user_id": {`event["u"]`},
		}})
	})
	otelEvent(records, "", map[string]any{"own": "name"})

	telemetry := observe(t, config, logs)

	count := func(value int64, key, text string) metricdata.DataPoint[int64] {
		return point(value, attribute.String(key, text))
	}
	metadatatest.AssertEqualProcessorImpressionRecords(t, telemetry, []metricdata.DataPoint[int64]{
		count(2, "layout", "otel"), count(3, "layout", "segment"), count(1, "layout", "layouts[3]"),
		count(3, "layout", "none"), count(1, "layout", "unread_json"),
	}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualProcessorImpressionUntouchedRecords(t, telemetry, []metricdata.DataPoint[int64]{
		count(1, "reason", "json_invalid"), count(1, "reason", "mixed_events"),
	}, metricdatatest.IgnoreTimestamp())
}

// FuzzJSONBody compares what becomes of a text with what encoding/json reads in it: no event is lost, invented or changed.
func FuzzJSONBody(f *testing.F) {
	for _, seed := range []string{
		`{"event": "$impression", "userId": 9007199254740993, "properties": {"flag_key": "a", "variant": "on"}}`,
		`[{"event": "$impression", "properties": {"flag_key": "a"}}, {"event": "b", "n": 1e3}]`,
		`{"batch": [{"event": "a"}, {"event": "$impression", "type": "page"}, {"event_type": "$impression"}], "sentAt": "x"}`,
		`{"events": [{"event": "$impression"}, 3], "batch": {}}`,
		strings.Repeat("[", 64), `{"event": "\u0024impression", "properties": [{"variant": "\ud800"}]}`,
	} {
		f.Add(seed)
	}
	p, sink := fuzzed(f, defaultsWith())
	f.Fuzz(func(t *testing.T, text string) {
		sink.Reset()
		require.NoError(t, p.ConsumeLogs(t.Context(), texts(text)))
		var events []plog.LogRecord
		for _, record := range collectortest.Records(sink.AllLogs()) {
			if record.EventName() != "$identify" {
				events = append(events, record)
			}
		}
		untouched := len(events) == 1 && events[0].Body().AsString() == text
		// What encoding/json does not read as it stands cannot be compared.
		strict := jsontext.Value(text).IsValid() && !strings.Contains(text, "[Experiment]") && !strings.Contains(text, "$identify")
		if untouched || !strict {
			return
		}
		want := eventsIn(t, text)
		if len(events) == 1 && holds(want.whole, events[0].Body().AsRaw()) {
			return
		}
		require.Len(t, events, len(want.list))
		for i := range want.list {
			require.True(t, holds(want.list[i], events[i].Body().AsRaw()), "%v became %v", want.list[i], events[i].Body().AsRaw())
		}
	})
}

// read is a text as encoding/json reads it: the value, and the list of events if it is one or holds one.
type read struct {
	whole any
	list  []any
}

func eventsIn(t *testing.T, text string) read {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	require.NoError(t, decoder.Decode(&value))
	switch of := value.(type) {
	case []any:
		return read{whole: value, list: of}
	case map[string]any:
		for _, key := range []string{"batch", "events"} {
			if list, isList := of[key].([]any); isList {
				return read{whole: value, list: list}
			}
		}
	}
	return read{whole: value}
}

// holds says whether what was read is all there, but for the names that an impression changes.
func holds(want, got any) bool {
	switch want := want.(type) {
	case map[string]any:
		fields, isMap := got.(map[string]any)
		for key, value := range want {
			if !isMap || !holds(value, either(fields, key, postForm[key])) {
				return false
			}
		}
		return isMap
	case []any:
		elements, isList := got.([]any)
		return isList && slices.EqualFunc(want, elements, holds)
	case json.Number:
		number, err := want.Float64()
		switch got := got.(type) {
		case int64:
			return strconv.FormatInt(got, 10) == want.String()
		case float64:
			return err == nil && got == number
		default:
			return got == want.String()
		}
	case string:
		return got == want || want == "$impression" && got == "[Experiment] Impression"
	default:
		return got == want
	}
}

func either(fields map[string]any, key, other string) any {
	if value, present := fields[key]; present {
		return value
	}
	return fields[other]
}

var postForm = map[string]string{
	"flag_key": "[Experiment] Flag Key", "variant": "[Experiment] Variant", "experiment_key": "[Experiment] Experiment Key",
}
