// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.yaml.in/yaml/v3"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

// unclaimed returns a record in which no layout finds an event type. A text that isn't JSON becomes a text.
func unclaimed(t *testing.T, body string) *inspection.Event {
	t.Helper()
	record := plog.NewLogRecord()
	if jsonvalue.NewParser(limits).Parse(body, record.Body()) != nil {
		record.Body().SetStr(body)
	}
	return &inspection.Event{Problem: "not_an_event", Record: record}
}

func TestRecordsThatNoLayoutClaims(t *testing.T) {
	d, err := New()
	require.NoError(t, err)
	for name, row := range map[string]struct{ body, text, cure string }{
		"JSON in a field":   {`{"log":"{\"type\":\"track\"}\n","stream":"stdout"}`, "inside the field `log`", "from: body.log, to: body"},
		"JSON in message":   {`{"message":"{\"event\":\"a\"}"}`, "inside the field `message`", `set(log.body, log.body["message"])`},
		"other case":        {`{"eventType":"$impression","eventProperties":{}}`, "under `eventType`", `event_type: ['event["eventType"]']`},
		"track call":        {`{"type":"track","event":"a","userId":"u"}`, "track call", "- preset: segment"},
		"posthog":           {`{"event":"a","properties":{"distinct_id":"u"}}`, "`posthog`", "- preset: posthog"},
		"tealium":           {`{"tealium_event":"a"}`, "`tealium`", "- preset: tealium"},
		"list":              {`[{"event_type":"a"}]`, "`amplitude`", "- preset: amplitude"},
		"identify":          {`{"type":"identify","userId":"u","traits":{}}`, "type `identify`", ""},
		"nested":            {`{"data":{"event_type":"a","user_id":"u"}}`, "inside the field `data`", "from: body.data, to: body"},
		"compressed":        {"\x1f\x8b\x08\x00", "compressed", "compression: auto"},
		"replaced bytes":    {"\uFFFD\uFFFD", "compressed", "compression: auto"},
		"base64":            {"eyJldmVudCI6ImEifQ==", "base64", "cdp_webhook"},
		"cut":               {`{"event":"a"`, "isn't valid", "cuts or joins"},
		"prefix":            {`INFO sent {"event":"a"}`, "in the middle", "Cut the prefix"},
		"plain line":        {"started", "plain log line", ""},
		"something else":    {`{"neither":"nor"}`, "No layout", "docs/layouts.md"},
		"an empty object":   {`{}`, "No layout", "docs/layouts.md"},
		"text in its quote": {`"started"`, "plain log line", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, found := d.Of(unclaimed(t, row.body))
			require.True(t, found)
			assert.Contains(t, f.Text, row.text)
			assert.Contains(t, f.Cure, row.cure)
			assert.Equal(t, row.cure == "", f.Cure == "")
		})
	}
}

func TestAttributesThatNoLayoutClaims(t *testing.T) {
	d, err := New()
	require.NoError(t, err)
	record := plog.NewLogRecord()
	record.Body().SetStr("the line")
	record.Attributes().PutStr("eventName", "$impression")
	f, _ := d.Of(&inspection.Event{Problem: "not_an_event", Record: record})
	assert.Contains(t, f.Text, "Neither the attributes nor the body")
	record.Body().SetStr("{}")
	f, _ = d.Of(&inspection.Event{Problem: "not_an_event", Record: record})
	assert.Contains(t, f.Cure, `event["eventName"]`)
}

func TestEvents(t *testing.T) {
	d, err := New()
	require.NoError(t, err)
	camel := plog.NewLogRecord()
	camel.Body().SetEmptyMap().PutEmptyMap("properties").PutStr("flagKey", "f")
	for name, row := range map[string]struct {
		event inspection.Event
		want  string
	}{
		"flagKey":      {inspection.Event{IsListed: true, Outcome: "malformed_flag_key", Record: camel}, "to: body.properties.flag_key"},
		"no flag key":  {inspection.Event{IsListed: true, Outcome: "malformed_flag_key", Record: plog.NewLogRecord()}, "`properties` by hand"},
		"mixed forms":  {inspection.Event{IsListed: true, Outcome: "mixed_forms"}, "what renames half"},
		"no identity":  {inspection.Event{IsListed: true, Outcome: "transformed", Reason: "no_identity"}, "`user_id` and `device_id`"},
		"not listed":   {inspection.Event{Type: "shown", HasFlagKey: true}, `"shown": "[Experiment] Impression"`},
		"invalid JSON": {inspection.Event{Problem: "json_invalid"}, "cuts or joins"},
	} {
		t.Run(name, func(t *testing.T) {
			f, found := d.Of(&row.event)
			assert.True(t, found)
			assert.Contains(t, f.Cure, row.want)
		})
	}
	_, found := d.Of(&inspection.Event{IsListed: true, Outcome: "transformed", Operation: "set"})
	assert.False(t, found)
	_, found = d.Of(&inspection.Event{Type: "Product Viewed"})
	assert.False(t, found)
}

func TestNames(t *testing.T) {
	listed := []string{"$impression", "[Experiment] Impression"}
	for name, want := range map[string]string{
		"$Impression": "but `$impression` is", "impression": "but `$impression` is", "$exposure": "isn't listed", "Experiment Impression": "isn't listed",
	} {
		f, found := OfName(name, listed)
		assert.True(t, found, name)
		assert.Contains(t, f.Text, want)
		assert.Contains(t, f.Cure, "event_types")
	}
	for _, name := range []string{"$impression", "[Experiment] Impression", "Product Viewed"} {
		_, found := OfName(name, listed)
		assert.False(t, found, name)
	}
}

// TestEveryReasonHasAFinding compares with the values that the components' metrics may have.
func TestEveryReasonHasAFinding(t *testing.T) {
	for component, attributes := range map[string][]string{
		"impressionprocessor": {"outcome", "reason"}, "amplitudeexporter": {"reason"},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", component, "metadata.yaml"))
		require.NoError(t, err)
		var metadata struct {
			Attributes map[string]struct{ Enum []string }
		}
		require.NoError(t, yaml.Unmarshal(text, &metadata))
		for _, attribute := range attributes {
			require.NotEmpty(t, metadata.Attributes[attribute].Enum)
			for _, reason := range metadata.Attributes[attribute].Enum {
				_, has := reasons[reason]
				assert.True(t, has || reason == "none" || reason == "transformed" || isChange(reason), "%s: %s", component, reason)
			}
		}
	}
	assert.Equal(t, Finding{Text: "a new reason"}, OfReason("a_new_reason"))
}

// isChange reports whether a reason is only that of changed values, of events that are delivered.
func isChange(reason string) bool {
	for change := range amplitude.Changes {
		if amplitude.Change(change).String() == reason {
			return true
		}
	}
	return false
}

// TestCuresAreThoseOfTheDocumentation compares the cures that are commands with docs/troubleshooting.md.
func TestCuresAreThoseOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "troubleshooting.md"))
	require.NoError(t, err)
	for _, command := range []string{
		"{type: move, from: body.log, to: body}",
		`set(log.body, log.body["message"]) where IsMap(log.body) and IsString(log.body["message"])`,
		"{type: move, if: 'body.properties?.flagKey != nil', from: body.properties.flagKey, to: body.properties.flag_key}",
		"compression: auto", "layouts: *layouts",
	} {
		assert.Contains(t, string(text), command)
	}
	assert.Contains(t, inField("log").Cure, "{type: move, from: body.log, to: body}")
	assert.Contains(t, inField("message").Cure, `set(log.body, log.body["message"]) where IsMap(log.body) and IsString(log.body["message"])`)
}

func FuzzOf(f *testing.F) {
	f.Add(`{"log":"{\"type\":\"track\"}"}`)
	f.Add(`[[{"event":1}]]`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := New()
		require.NoError(t, err)
		for _, parse := range []bool{true, false} {
			record := plog.NewLogRecord()
			if !parse || jsonvalue.NewParser(limits).Parse(text, record.Body()) != nil {
				record.Body().SetStr(text)
			}
			before := pcommon.NewValueEmpty()
			record.Body().CopyTo(before)
			finding, _ := d.Of(&inspection.Event{Problem: "not_an_event", Record: record})
			assert.NotEmpty(t, finding.Text)
			assert.True(t, before.Equal(record.Body()), "the record must not change")
		}
	})
}
