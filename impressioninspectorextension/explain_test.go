// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

func recordWith(t *testing.T, body string) plog.LogRecord {
	t.Helper()
	record := plog.NewLogRecord()
	require.NoError(t, jsonvalue.NewParser(payloadLimits).Parse(body, record.Body()))
	return record
}

func TestExplainAnImpression(t *testing.T) {
	r := startAll(t, "{}")
	e := r.explained(t, "", shownCall("checkout", "on", "user-1", "message-1"))
	assert.Equal(t, "a JSON object", e.Shape)
	assert.Equal(t, "impression", e.Processor)
	assert.Equal(t, "amplitude", e.Exporter)
	assert.Equal(t, []eventView{{
		Type: "$impression", Layout: "segment", Root: "the body", Path: `event["event"]`,
		Fields: []fieldView{
			{"user_id", `event["userId"]`, "user-1"}, {"insert_id", `event["messageId"]`, "message-1"}, {"properties", `event["properties"]`, nil},
		},
		Rule:    "It is an impression of `checkout`. The user property `[Experiment] checkout` is set to `on`.",
		Outcome: "transformed", Operation: "set",
	}}, e.Events)
	require.Len(t, e.Records, 2)
	assert.Equal(t, "$identify", e.Records[0].EventName)
	assert.Equal(t, "[Experiment] Impression", e.Records[1].Body.(map[string]any)["event"])
	require.Len(t, e.Sent, 2)
	assert.JSONEq(t, `{
		"event_type": "$identify", "user_id": "user-1", "insert_id": "message-1-user-property", "library": "impression-bridge/latest",
		"user_properties": {"$set": {"[Experiment] checkout": "on"}}
	}`, string(e.Sent[0]))
	assert.Empty(t, e.Behind)
}

func TestExplainShapes(t *testing.T) {
	r := startAll(t, "{}")
	one := shownCall("checkout", "on", "user-1", "message-1")
	quoted := `"` + strings.ReplaceAll(one, `"`, `\"`) + `"`
	otlp := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"$impression","attributes":[` +
		`{"key":"flag_key","value":{"stringValue":"checkout"}},{"key":"variant","value":{"stringValue":"on"}},{"key":"user.id","value":{"stringValue":"user-1"}}]}]}]}]}`
	for name, row := range map[string]struct {
		query, payload, shape, root string
		events                      int
	}{
		"object":            {"", one, "a JSON object", "the body", 1},
		"attributes":        {"?as=attributes", one, "a JSON object, in the attributes", "the attributes", 1},
		"text":              {"?as=text", one, "a text, in the body of a record", "the body", 1},
		"list":              {"", "[" + one + "," + one + "]", "a JSON list of 2 values", "the body", 2},
		"batch":             {"", `{"batch":[` + one + "]}", `a JSON object with a list of 1 values under "batch"`, "the body", 1},
		"lines":             {"", one + "\n" + one, "2 JSON values, each in a record", "the body", 2},
		"JSON string":       {"", quoted, "a JSON string, whose text is the body of a record", "the body", 1},
		"OTLP":              {"", otlp, "OTLP JSON with 1 log records", "the attributes", 1},
		"chosen components": {"?processor=impression&exporter=amplitude", one, "a JSON object", "the body", 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := r.explained(t, row.query, row.payload)
			assert.Equal(t, row.shape, e.Shape)
			require.Len(t, e.Events, row.events)
			for _, event := range e.Events {
				assert.Equal(t, "set", event.Operation)
				assert.Equal(t, row.root, event.Root)
			}
			assert.Len(t, e.Sent, 2*row.events)
			assert.Empty(t, e.Behind)
		})
	}
}

func TestExplainWhatStaysBehind(t *testing.T) {
	r := startAll(t, "{}")
	for name, row := range map[string]struct {
		payload, rule string
		reasons       []string
		cure          string
	}{
		"a text": {
			"no JSON", "The body is text that isn't JSON, such as a plain log line. It passes unchanged.", []string{"processor not_an_event"}, "",
		},
		"no identity": {
			`{"event":"$impression","messageId":"1","properties":{"flag_key":"a","variant":"on"}}`,
			"It is an impression of `a`. The impression has neither a user nor a device id",
			[]string{"processor no_identity", "exporter missing_id"},
			"Set `user_id` and `device_id`",
		},
		"no variant": {
			`{"event":"$impression","userId":"user-1","properties":{"flag_key":"a"}}`,
			"`variant` is missing, null, or empty: the user property `[Experiment] a` is unset", nil, "",
		},
		"default": {
			`{"event":"$impression","userId":"user-1","properties":{"flag_key":"a","variant":"off","metadata":{"default":true}}}`,
			"`metadata.default` is true, or the variant is in `unset_variants`", nil, "",
		},
		"mixed forms": {
			`{"event":"$impression","userId":"user-1","properties":{"flag_key":"a","[Experiment] Variant":"on"}}`,
			"There is an `[Experiment] Variant` but no `variant`. It passes unchanged.",
			[]string{"processor mixed_forms"},
			"renames half",
		},
		"another event": {
			`{"event":"Product Viewed","userId":"user-1"}`, "Its type isn't one of `event_types`, so it passes unchanged.", nil, "",
		},
		"a name in another case": {
			`{"event":"Impression","userId":"user-1"}`, "The name `Impression` isn't listed.", []string{"processor not_listed"}, "event_types",
		},
		"post form": {
			`{"event":"[Experiment] Impression","userId":"user-1"}`, "so it passes unchanged", nil, "",
		},
		"short ids": {
			`{"event":"$impression","userId":"u","properties":{"flag_key":"a","variant":"on"}}`, "is set to `on`",
			[]string{"exporter id_too_short"},
			"min_id_length",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := r.explained(t, "", row.payload)
			require.Len(t, e.Events, 1)
			assert.Contains(t, e.Events[0].Rule, row.rule)
			var reasons, cures []string
			for _, b := range e.Behind {
				reasons = append(reasons, b.At+" "+b.Reason)
				cures = append(cures, b.Cure)
			}
			assert.Equal(t, row.reasons, reasons)
			assert.Contains(t, strings.Join(cures, "\n"), row.cure)
		})
	}
}

func TestExplainRefusesWhatItCannotExplain(t *testing.T) {
	r := startAll(t, "{max_request_body_size: 10000}")
	for name, row := range map[string]struct {
		query, payload string
		status         int
		want           string
	}{
		"nothing":         {"", " \n", 400, "the payload is empty"},
		"broken OTLP":     {"", `{"resourceLogs":[{"scopeLogs":1}]}`, 400, "begins like OTLP JSON"},
		"many records":    {"", strings.Repeat("{}\n", maxExplained+1), 400, "1001 records; allowed: 1000"},
		"too large":       {"", strings.Repeat(" ", 10_001), 413, "more than 10000 bytes"},
		"another place":   {"?as=header", "{}", 400, `as: "header" is not known; allowed: body, attributes, text`},
		"other processor": {"?processor=impression/2", "{}", 400, `processor: "impression/2" doesn't run; running: impression`},
		"other exporter":  {"?exporter=x", "{}", 400, `exporter: "x" doesn't run; running: amplitude`},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, _ := r.do(t, http.MethodPost, "/explain"+row.query, row.payload)
			assert.Equal(t, row.status, status)
			assert.Contains(t, body, row.want)
		})
	}
	status, body, _ := start(t, "{}", nil).do(t, http.MethodPost, "/explain", "{}")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, body, "no impression processor and no amplitude exporter runs")
}

func TestExplainWithOneComponent(t *testing.T) {
	t.Run("processor", func(t *testing.T) {
		r := start(t, "{}", nil)
		startProcessor(t, &consumertest.LogsSink{}, host{r.settings.ID: r.inspector})
		e := r.explained(t, "", shownCall("a", "on", "user-1", "1"))
		assert.Len(t, e.Records, 2)
		assert.Empty(t, e.Sent)
		assert.Equal(t, aboutView{Processors: []string{"impression"}, Exporters: []string{}}, r.see(t).About)
	})
	t.Run("exporter", func(t *testing.T) {
		r := startAll(t, "{}")
		r.processors = nil
		e := r.explained(t, "", `[`+shownCall("a", "on", "user-1", "1")+`, {"event":"no user","messageId":"1"}]`)
		require.Len(t, e.Events, 2)
		assert.Equal(t, "It is sent as an event.", e.Events[0].Rule)
		assert.Equal(t, "It isn't sent.", e.Events[1].Rule)
		assert.Empty(t, e.Records)
		require.Len(t, e.Sent, 1)
		assert.Contains(t, string(e.Sent[0]), `"$impression"`)
		require.Len(t, e.Behind, 1)
		assert.Equal(t, "no user in record 1", e.Behind[0].What)
	})
}

// TestExplainFindsLayoutsThatDiffer explains with an exporter that lacks the processor's layout.
func TestExplainFindsLayoutsThatDiffer(t *testing.T) {
	r := start(t, "{}", nil)
	in := host{r.settings.ID: r.inspector}
	startProcessor(t, &consumertest.LogsSink{}, in)
	startExporter(t, "http://localhost:1", in, func(c *amplitudeexporter.Config) {
		c.Layouts = []amplitudeexporter.LayoutConfig{{Preset: "otel"}}
	})
	e := r.explained(t, "", shownCall("a", "on", "user-1", "1"))
	assert.Len(t, e.Sent, 1, "only the update")
	require.Len(t, e.Behind, 1)
	assert.Equal(t, "unpaired_update", e.Behind[0].Reason)
	assert.Contains(t, e.Behind[0].Cure, "layouts: *layouts")
}

// TestExplainSendsAndCountsNothing explains while somebody looks.
func TestExplainSendsAndCountsNothing(t *testing.T) {
	r := startAll(t, "{}")
	r.see(t)
	r.explained(t, "", shownCall("a", "on", "user-1", "1"))
	v := r.see(t)
	assert.Empty(t, v.Pairs)
	for _, s := range v.Flow.Stages {
		assert.Zero(t, s.Total, s.Name)
	}
	assert.Zero(t, r.server.Counts().Requests)
}

func FuzzExplain(f *testing.F) {
	f.Add(shownCall("a", "on", "user-1", "1"), "")
	f.Add(`[{"batch":[{"event":"$impression"}]}]`, "attributes")
	f.Add(`{"resourceLogs":[{}]}`, "text")
	f.Fuzz(func(t *testing.T, payload, as string) {
		logs, shape, err := recordsOf([]byte(payload), as)
		if err != nil {
			return
		}
		assert.NotEmpty(t, shape)
		assert.LessOrEqual(t, logs.LogRecordCount(), maxExplained)
		for _, record := range allRecords(logs) {
			assert.NotNil(t, viewer{}.record(record))
		}
	})
}
