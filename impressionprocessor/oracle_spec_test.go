// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// arriving is a record as it arrives: the JSON of its attributes and of its body, which stays a text or becomes a map.
type arriving struct {
	name, attributes, body, text string
}

// scopeOf makes a scope of records.
func scopeOf(records ...arriving) plainScope {
	scope := plainScope{Resource: map[string]any{}}
	for _, r := range records {
		plain := plainRecord{EventName: r.name, Attributes: map[string]any{}, Body: parseJSON(r.body)}
		if r.attributes != "" {
			plain.Attributes = parseJSON(r.attributes).(map[string]any)
		}
		if r.text != "" {
			plain.Body = r.text
		}
		scope.Records = append(scope.Records, plain)
	}
	return scope
}

// linesOf writes what a user sees of records, one line each: an update as "user/device set flag=variant", other records as
// their name, attributes and body, whichever they have. A body that is still a text is marked.
func linesOf(records []plog.LogRecord) []string {
	var lines []string
	for _, record := range records {
		attributes := record.Attributes().AsRaw()
		if isUpdate(record) {
			for operator, values := range attributes["user_properties"].(map[string]any) {
				for property, value := range values.(map[string]any) {
					lines = append(lines, fmt.Sprintf("%v/%v %s %s=%v", attributes["user_id"], attributes["device_id"],
						strings.TrimPrefix(operator, "$"), strings.TrimPrefix(property, "[Experiment] "), value))
				}
			}
			continue
		}
		var parts []string
		if record.EventName() != "" {
			parts = append(parts, record.EventName())
		}
		if len(attributes) > 0 {
			parts = append(parts, renderPlain(attributes))
		}
		switch body := record.Body().AsRaw().(type) {
		case nil:
		case string:
			parts = append(parts, "text "+body)
		default:
			parts = append(parts, renderPlain(body))
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	return lines
}

// lineOf brings a line with one JSON value into the form of linesOf.
func lineOf(line string) string {
	if parsed := parseJSON(line); parsed != nil {
		return renderPlain(parsed)
	}
	return line
}

// contractRow is one new sentence of the contract: what arrives, and what a user sees of it.
type contractRow struct {
	name    string
	config  func(*Config)
	records []arriving
	want    []string
}

func assertContract(t *testing.T, rows []contractRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			config := defaultsWith()
			if row.config != nil {
				row.config(config)
			}
			var want []string
			for _, line := range row.want {
				want = append(want, lineOf(line))
			}
			assert.Equal(t, want, linesOf(collectortest.Records(process(t, config, pdataOf(t, scopeOf(row.records...))))))
		})
	}
}

// calledPre is a Segment call of an impression, in the pre or the post form, with fields beside it.
func calledPre(beside string) string {
	return `{"type": "track", "event": "$impression", "userId": "user-17", "properties": {"flag_key": "checkout", "variant": "on"}` + beside + `}`
}

func calledPost(beside string) string {
	return `{"type": "track", "event": "[Experiment] Impression", "userId": "user-17",
		"properties": {"[Experiment] Flag Key": "checkout", "[Experiment] Variant": "on"}` + beside + `}`
}

// TestContractTransformation is what is new in section 2 of the contract.
func TestContractTransformation(t *testing.T) {
	with := func(properties string) []arriving {
		return []arriving{{body: `{"event_type": "$impression", "user_id": "user-17", "event_properties": {` + properties + `}}`}}
	}
	post := func(properties string) string {
		return `{"event_type": "[Experiment] Impression", "user_id": "user-17", "event_properties": {` + properties + `}}`
	}
	assertContract(t, []contractRow{
		{
			name:    "metadata.default is the text true",
			records: with(`"flag_key": "checkout", "variant": "off", "metadata": {"default": "true"}`),
			want: []string{
				"user-17/<nil> unset checkout=-",
				post(`"[Experiment] Flag Key": "checkout", "[Experiment] Variant": "off", "metadata": {"default": "true"}`),
			},
		},
		{
			name:    "the variant has its post form name only",
			records: with(`"flag_key": "checkout", "[Experiment] Variant": "on"`),
			want:    []string{with(`"flag_key": "checkout", "[Experiment] Variant": "on"`)[0].body},
		},
		{
			name:    "metadata is a JSON text with a default",
			records: with(`"flag_key": "checkout", "variant": "off", "metadata": "{\"default\": true}"`),
			want: []string{
				"user-17/<nil> unset checkout=-",
				post(`"[Experiment] Flag Key": "checkout", "[Experiment] Variant": "off", "metadata": "{\"default\": true}"`),
			},
		},
		{
			name:    "metadata is a JSON text with a flag type",
			records: with(`"flag_key": "checkout", "variant": "slot", "metadata": "{\"flagType\": \"mutual-exclusion-group\"}"`),
			want: []string{
				post(`"[Experiment] Flag Key": "checkout", "[Experiment] Variant": "slot", "metadata": "{\"flagType\": \"mutual-exclusion-group\"}"`),
			},
		},
	})
}

func TestContractRepeatedPostFormNames(t *testing.T) {
	logs := pdataOf(t, scopeOf(arriving{name: "$impression", attributes: `{"flag_key": "checkout", "variant": "on", "user.id": "user-17"}`}))
	attributes := collectortest.Records([]plog.Logs{logs})[0].Attributes()
	// Keys of the same length, which then become the same: pdata puts no key twice.
	for _, key := range []string{"[Experiment] Varian1", "[Experiment] Varian2"} {
		attributes.PutStr(key, "old")
	}
	wire, err := (&plog.ProtoMarshaler{}).MarshalLogs(logs)
	require.NoError(t, err)
	replaced := strings.NewReplacer("[Experiment] Varian1", "[Experiment] Variant", "[Experiment] Varian2", "[Experiment] Variant").Replace(string(wire))
	repeated, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs([]byte(replaced))
	require.NoError(t, err)

	out := collectortest.Records(process(t, defaultsWith(), repeated))

	require.Len(t, out, 2)
	assert.Equal(t, 3, out[1].Attributes().Len(), "user.id, and each post form name once: %v", out[1].Attributes().AsRaw())
	variant, _ := out[1].Attributes().Get("[Experiment] Variant")
	assert.Equal(t, "on", variant.AsString())
}

func TestContractInlineRemovesEmptyOperations(t *testing.T) {
	logs := pdataOf(t, scopeOf(arriving{body: `{"event_type": "$impression", "user_id": "user-17",
		"event_properties": {"flag_key": "checkout", "variant": "on"}, "user_properties": {"$unset": {"[Experiment] checkout": "-"}}}`}))
	out := collectortest.Records(process(t, defaultsWith(emit(EmitInline)), logs))
	assert.Equal(t, map[string]any{"$set": map[string]any{"[Experiment] checkout": "on"}}, out[0].Body().Map().AsRaw()["user_properties"])
}

func TestContractHashedInsertIDDependsOnTheOperation(t *testing.T) {
	insertID := func(beside string) any {
		out := collectortest.Records(process(t, defaultsWith(), pdataOf(t, scopeOf(arriving{
			name: "$impression", attributes: `{"flag_key": "checkout", "variant": "off", "user.id": "user-17", "time": 1790000000123` + beside + `}`,
		}))))
		require.Len(t, out, 2)
		return out[0].Attributes().AsRaw()["insert_id"]
	}
	assert.NotEqual(t, insertID(""), insertID(`, "metadata": {"default": true}`), "set and unset")
	assert.Equal(t, insertID(""), insertID(`, "metadata": {"default": false}`), "set and set")
}

func TestContractMixedFormsAreCounted(t *testing.T) {
	telemetry := observe(t, defaultsWith(), pdataOf(t, scopeOf(arriving{
		name: "$impression", attributes: `{"flag_key": "checkout", "[Experiment] Variant": "on", "user.id": "user-17"}`,
	})))
	metadatatest.AssertEqualProcessorImpressionEvents(t, telemetry, []metricdata.DataPoint[int64]{
		point(1, attribute.String("event_type", "$impression"), attribute.String("outcome", "mixed_forms")),
	}, metricdatatest.IgnoreTimestamp())
}

// TestContractFields is what is new of the fields of a layout.
func TestContractFields(t *testing.T) {
	shownOn := `"properties": {"flag_key": "checkout", "variant": "on"}`
	shownPost := `"properties": {"[Experiment] Flag Key": "checkout", "[Experiment] Variant": "on"}`
	assertContract(t, []contractRow{
		{
			name:    "a refused id does not hide a valid one",
			records: []arriving{{name: "$impression", attributes: `{"user.id": "anonymous", "enduser.id": "user-17", "flag_key": "checkout"}`}},
			want: []string{
				"user-17/<nil> unset checkout=-",
				`[Experiment] Impression ` + lineOf(`{"user.id": "anonymous", "enduser.id": "user-17", "[Experiment] Flag Key": "checkout"}`),
			},
		},
		{
			name:    "a short id does not hide a longer one",
			records: []arriving{{name: "$impression", attributes: `{"user.id": "u-17", "enduser.id": "user-17", "flag_key": "checkout"}`}},
			want: []string{
				"user-17/<nil> unset checkout=-",
				`[Experiment] Impression ` + lineOf(`{"user.id": "u-17", "enduser.id": "user-17", "[Experiment] Flag Key": "checkout"}`),
			},
		},
		{
			name:    "a short id is long enough",
			config:  func(c *Config) { c.MinIDLength = 4 },
			records: []arriving{{name: "$impression", attributes: `{"user.id": "u-17", "enduser.id": "user-17", "flag_key": "checkout"}`}},
			want: []string{
				"u-17/<nil> unset checkout=-",
				`[Experiment] Impression ` + lineOf(`{"user.id": "u-17", "enduser.id": "user-17", "[Experiment] Flag Key": "checkout"}`),
			},
		},
		{
			name:    "a device id of zeros does not hide a valid one",
			records: []arriving{{body: `{"type": "track", "event": "$impression", "context": {"device": {"id": "0000"}}, "anonymousId": "device-4", ` + shownOn + `}`}},
			want: []string{
				"<nil>/device-4 set checkout=on",
				`{"type": "track", "event": "[Experiment] Impression", "context": {"device": {"id": "0000"}}, "anonymousId": "device-4", ` + shownPost + `}`,
			},
		},
		{
			name: "paths from log.body read a parsed text",
			config: withLayouts(t, map[string]any{
				"event_type": []any{`log.body["name"]`},
				"properties": []any{`log.body["props"]`},
				"user_id":    []any{`log.body["uid"]`},
			}),
			records: []arriving{{text: `{"name": "$impression", "uid": "user-17", "props": {"flag_key": "checkout"}}`}},
			want:    []string{"user-17/<nil> unset checkout=-", `{"name": "[Experiment] Impression", "uid": "user-17", "props": {"[Experiment] Flag Key": "checkout"}}`},
		},
		{
			name:    "attributes without an event don't hide a text: a list of other things",
			records: []arriving{{attributes: `{"batch": [{"event": "$impression", "userId": "user-18"}, 3]}`, text: calledPre("")}},
			want:    []string{"user-17/<nil> set checkout=on", `{"batch":[{"event":"$impression","userId":"user-18"},3]} ` + lineOf(calledPost(""))},
		},
		{
			name:    "attributes without an event don't hide a text: neither type nor ids",
			records: []arriving{{attributes: `{"event": "line"}`, text: calledPre("")}},
			want:    []string{"user-17/<nil> set checkout=on", `{"event":"line"} ` + lineOf(calledPost(""))},
		},
	})
}

// TestContractLayouts is what is new in the table of presets.
func TestContractLayouts(t *testing.T) {
	shownOn := `"properties": {"flag_key": "checkout", "variant": "on"}`
	shownPost := `"properties": {"[Experiment] Flag Key": "checkout", "[Experiment] Variant": "on"}`
	assertContract(t, []contractRow{
		{
			name:    "otel: the properties are in a map body",
			records: []arriving{{name: "$impression", attributes: `{"user.id": "user-17"}`, body: `{"flag_key": "checkout", "variant": "on"}`}},
			want: []string{
				"user-17/<nil> set checkout=on",
				`[Experiment] Impression {"user.id":"user-17"} ` + lineOf(`{"[Experiment] Flag Key": "checkout", "[Experiment] Variant": "on"}`),
			},
		},
		{
			name:    "segment: the type is in another case",
			records: []arriving{{body: `{"type": "Track", "event": "$impression", "userId": "user-17", ` + shownOn + `}`}},
			want: []string{
				"user-17/<nil> set checkout=on",
				`{"type": "Track", "event": "[Experiment] Impression", "userId": "user-17", ` + shownPost + `}`,
			},
		},
		{
			name:    "segment: without type, userId, anonymousId and messageId it isn't a call",
			records: []arriving{{body: `{"event": "$impression", ` + shownOn + `}`}},
			want:    []string{`{"event": "$impression", ` + shownOn + `}`},
		},
		{
			name:    "mparticle: mpid is no user",
			config:  withLayouts(t, "mparticle"),
			records: []arriving{{text: `{"mpid": "7346", "mp_deviceid": "device-4", "events": [{"event_type": "custom_event", "data": {"event_name": "$impression", "custom_attributes": {"flag_key": "checkout"}}}]}`}},
			want: []string{
				"<nil>/device-4 unset checkout=-",
				`{"mpid": "7346", "mp_deviceid": "device-4", "event_type": "custom_event", "data": {"event_name": "[Experiment] Impression", "custom_attributes": {"[Experiment] Flag Key": "checkout"}}}`,
			},
		},
		{
			name:    "snowplow: a structured event's action",
			config:  withLayouts(t, map[string]any{"preset": "snowplow", "properties": []any{`event["props"]`}}),
			records: []arriving{{body: `{"event_name": "event", "se_action": "$impression", "user_id": "user-17", "props": {"flag_key": "checkout"}}`}},
			want: []string{
				"user-17/<nil> unset checkout=-",
				`{"event_name": "event", "se_action": "[Experiment] Impression", "user_id": "user-17", "props": {"[Experiment] Flag Key": "checkout"}}`,
			},
		},
		{
			name:    "posthog",
			config:  withLayouts(t, "posthog"),
			records: []arriving{{body: `{"event": "$impression", "distinct_id": "user-17", "uuid": "1", "properties": {"flag_key": "checkout", "$device_id": "device-4"}}`}},
			want: []string{
				"user-17/device-4 unset checkout=-",
				`{"event": "[Experiment] Impression", "distinct_id": "user-17", "uuid": "1", "properties": {"[Experiment] Flag Key": "checkout", "$device_id": "device-4"}}`,
			},
		},
		{
			name:    "posthog: the device id is no user",
			config:  withLayouts(t, "posthog"),
			records: []arriving{{body: `{"event": "$impression", "properties": {"flag_key": "checkout", "distinct_id": "device-4", "$device_id": "device-4"}}`}},
			want: []string{
				"<nil>/device-4 unset checkout=-",
				`{"event": "[Experiment] Impression", "properties": {"[Experiment] Flag Key": "checkout", "distinct_id": "device-4", "$device_id": "device-4"}}`,
			},
		},
	})
}

// TestContractEnvelopes is what an envelope is, and how it is unrolled.
func TestContractEnvelopes(t *testing.T) {
	set := "user-17/<nil> set checkout=on"
	three := `{"batch": [{"events": [{"batch": [` + calledPre("") + `]}]}]}`
	four := `{"batch": [` + three + `]}`
	assertContract(t, []contractRow{
		{
			name:    "an empty list beside the list of events",
			records: []arriving{{body: `{"batch": [` + calledPre("") + `], "events": []}`}},
			want:    []string{set, calledPost(`, "events": []`)},
		},
		{
			name:    "an event with a list is an event",
			records: []arriving{{body: `[{"type": "track", "event": "Other", "batch": [` + calledPre("") + `]}]`}},
			want:    []string{`[{"type": "track", "event": "Other", "batch": [` + calledPre("") + `]}]`},
		},
		{name: "two levels", records: []arriving{{body: `{"batch": [{"batch": [` + calledPre("") + `]}]}`}}, want: []string{set, calledPost("")}},
		{name: "three levels", records: []arriving{{body: three}}, want: []string{set, calledPost("")}},
		{name: "three levels in a text", records: []arriving{{text: three}}, want: []string{set, calledPost("")}},
		{name: "three levels in attributes", records: []arriving{{attributes: three}}, want: []string{set, calledPost("")}},
		{name: "four levels", records: []arriving{{body: four}}, want: []string{four}},
		{name: "four levels in a text", records: []arriving{{text: four}}, want: []string{"text " + four}},
		{
			name:    "a line that only begins like a list stays",
			records: []arriving{{attributes: `{"batch": [` + calledPre("") + `]}`, text: "[INFO] a line"}},
			want:    []string{set, lineOf(calledPost("")) + " text [INFO] a line"},
		},
		{
			name: "completely",
			records: []arriving{{body: `[` + calledPre("") + `, {"batch": [{"type": "track", "event": "Other"}, {"type": "page"}]},
				{"batch": [{"batch": [{"batch": [{"batch": [{"type": "track", "event": "Deep"}]}]}]}]}]`}},
			want: []string{set, calledPost(""), `{"type": "track", "event": "Other"}`, `{"type": "page"}`, `{"type": "track", "event": "Deep"}`},
		},
		{
			name:    "whatever stands beside it",
			records: []arriving{{body: `{"batch": [` + calledPre("") + `]}`}, {body: `{"batch": [{"batch": [` + calledPre("") + `]}]}`}, {body: three}, {body: four}},
			want:    []string{set, calledPost(""), set, calledPost(""), set, calledPost(""), four},
		},
	})
}

// TestContractEnvelopesOnce is that a second run changes nothing.
func TestContractEnvelopesOnce(t *testing.T) {
	for _, body := range []string{
		`{"batch": [{"batch": [{"batch": [` + calledPre("") + `]}]}]}`,
		`{"batch": [{"batch": [{"batch": [{"batch": [` + calledPre("") + `]}]}]}]}`,
		// The event inside has a device, so it doesn't inherit the one that would make it a track call.
		`{"anonymousId": "a", "batch": [{"context": {"device": {"id": "d"}}, "event": "Other", "batch": [` + calledPre("") + `]}, ` + calledPre("") + `]}`,
		`{"batch": [{"batch": [` + calledPre("") + `, {"batch": [` + calledPre("") + `]}]}]}`,
		`[{"batch": [` + calledPre("") + `, {"batch": [` + calledPre("") + `]}]}]`,
		`{"batch": [` + calledPre("") + `, {"batch": [{"batch": [{"batch": [{"batch": [` + calledPre("") + `]}]}]}]}]}`,
	} {
		for _, record := range []arriving{{body: body}, {text: body}, {attributes: `{"batch": [` + body + `]}`}} {
			if record.attributes != "" && body[0] == '[' {
				continue
			}
			once := process(t, defaultsWith(), pdataOf(t, scopeOf(record)))
			want := linesOf(collectortest.Records(once))
			assert.Equal(t, want, linesOf(collectortest.Records(process(t, defaultsWith(), once...))))
		}
	}
}

// TestContractInheritance is which fields of an envelope its events get.
func TestContractInheritance(t *testing.T) {
	inherits := func(name, fields, beside, inherited string, presets ...any) contractRow {
		row := contractRow{
			name:    name,
			records: []arriving{{body: `{` + fields + `, "batch": [` + calledPre(beside) + `]}`}},
			want:    []string{"user-17/<nil> set checkout=on", calledPost(inherited)},
		}
		if presets != nil {
			row.config = withLayouts(t, presets...)
		}
		if strings.Contains(inherited, "device-4") {
			row.want[0] = "user-17/device-4 set checkout=on"
		}
		return row
	}
	assertContract(t, []contractRow{
		inherits("not what layouts recognize events by", `"data": {"a": 1}, "event": "Batch", "type": "batch", "kept": 1`, "", `, "kept": 1`, "mparticle", "segment"),
		inherits("not insert ids", `"messageId": "message-1", "insert_id": "1", "$insert_id": "2", "kept": 1`, "", `, "kept": 1`),
		inherits("not credentials", `"api_key": "k", "writeKey": "k", "write_key": "k", "token": "k", "kept": 1`, "", `, "kept": 1`),
		inherits("not a time that the event has under another path", `"timestamp": "2026-11-23T09:30:00Z", "sentAt": "2026-11-23T09:30:00Z"`,
			`, "originalTimestamp": "2026-11-23T08:00:00Z"`, `, "originalTimestamp": "2026-11-23T08:00:00Z"`),
		inherits("not a device that the event has under another path", `"context": {"device": {"id": "device-5", "kept": 1}}`,
			`, "anonymousId": "device-4"`, `, "anonymousId": "device-4", "context": {"device": {"kept": 1}}`),
		inherits("what is null in the event", `"anonymousId": "device-4"`, `, "anonymousId": null`, `, "anonymousId": "device-4"`),
	})
}

func TestContractTimeOfTheEventBeforeItsEnvelope(t *testing.T) {
	logs := pdataOf(t, scopeOf(arriving{body: `{"timestamp": "2026-11-23T09:30:00Z", "batch": [` + calledPre(`, "originalTimestamp": "2026-11-23T08:00:00Z"`) + `]}`}))
	for _, record := range collectortest.Records(process(t, defaultsWith(), logs)) {
		assert.Equal(t, "2026-11-23T08:00:00Z", record.Timestamp().AsTime().Format("2006-01-02T15:04:05Z07:00"))
	}
}

// TestContractInsertIDsOfABatch is that two impressions of one batch don't get one insert id.
func TestContractInsertIDsOfABatch(t *testing.T) {
	logs := pdataOf(t, scopeOf(arriving{body: `{"messageId": "batch-1", "batch": [` + calledPre("") + `, ` + calledPre(`, "anonymousId": "device-4"`) + `]}`}))
	ids := map[any]bool{}
	for _, record := range collectortest.Records(process(t, defaultsWith(), logs)) {
		if isUpdate(record) {
			ids[record.Attributes().AsRaw()["insert_id"]] = true
		}
	}
	assert.Len(t, ids, 2)
}

// TestContractEnvelopesAreBoundedInBytes is that many small fields may be copied, and that few large ones may not.
func TestContractEnvelopesAreBoundedInBytes(t *testing.T) {
	envelope := func(fields string, events int) plog.Logs {
		return pdataOf(t, scopeOf(arriving{body: `{` + fields + `"batch": [` + calledPre("") + strings.Repeat(`, {"type": "page"}`, events-1) + `]}`}))
	}
	t.Run("up to 256 KiB", func(t *testing.T) {
		many := `"list": [0` + strings.Repeat(", 1", 99) + `], `
		assert.Len(t, collectortest.Records(process(t, defaultsWith(), envelope(many, 50))), 51, "50 events, one update")
	})
	t.Run("up to 16 times its own size", func(t *testing.T) {
		assert.Len(t, collectortest.Records(process(t, defaultsWith(), envelope(`"kept": "`+strings.Repeat("x", 100_000)+`", `, 12))), 13)
	})
	t.Run("not more", func(t *testing.T) {
		logs := envelope(`"kept": "`+strings.Repeat("x", 100_000)+`", `, 200)
		assert.Len(t, collectortest.Records(process(t, defaultsWith(), logs)), 1)
	})
	t.Run("more is counted", func(t *testing.T) {
		telemetry := observe(t, defaultsWith(), envelope(`"kept": "`+strings.Repeat("x", 100_000)+`", `, 200))
		metadatatest.AssertEqualProcessorImpressionUntouchedRecords(t, telemetry, []metricdata.DataPoint[int64]{
			point(1, attribute.String("reason", "envelope_too_large")),
		}, metricdatatest.IgnoreTimestamp())
	})
}
