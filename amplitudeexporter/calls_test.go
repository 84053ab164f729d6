// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.yaml.in/yaml/v3"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/configtest"
)

// callCase is a record with a call of a CDP, in the form of the CDP's documentation, and what Amplitude gets.
type callCase struct {
	Name string
	// Config is added to the configuration, which has the preset's layout.
	Config string
	// Record is the JSON text of the record's body. Records is how many it becomes if it is an envelope.
	Record  string
	Records int64
	// Sent are the JSON texts of the events.
	Sent []string
	// Reason is why the record isn't sent.
	Reason string
	// Changed are the reasons why values were changed, one for each value.
	Changed []string
}

// TestCalls runs the cases of each preset in testdata/calls.
func TestCalls(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "calls", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		preset := strings.TrimSuffix(filepath.Base(path), ".yaml")
		for _, test := range casesIn[callCase](t, path) {
			t.Run(preset+"/"+test.Name, func(t *testing.T) { test.run(t, preset) })
		}
	}
}

// casesIn returns the cases in a file.
func casesIn[C any](t *testing.T, path string) []C {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var cases []C
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&cases))
	return cases
}

func (c *callCase) run(t *testing.T, preset string) {
	t.Helper()
	p := start(t, componenttest.NewNopHost(), func(config *Config) {
		config.Layouts = []LayoutConfig{{Preset: preset}}
		if preset == "snowplow" {
			config.Layouts[0].Paths = map[string][]string{"properties": {`event["unstruct_event_com_acme_order_1"]`}}
		}
		endpoint := config.ClientConfig.Endpoint
		_, err := configtest.Load(t, config, c.Config)
		require.NoError(t, err)
		config.ClientConfig.Endpoint = endpoint
	})
	require.NoError(t, p.push(t.Context(), logsOf(c.Record)))
	var sent []json.RawMessage
	for _, request := range p.server.Requests() {
		assert.Equal(t, 200, request.Status)
		for _, e := range request.Events {
			sent = append(sent, e.Raw)
		}
	}
	require.Len(t, sent, len(c.Sent), "%s", sent)
	for i, want := range c.Sent {
		assert.JSONEq(t, want, string(sent[i]))
	}
	if c.Reason == "" {
		p.assertEvents(t, point(max(1, c.Records), "outcome", "delivered", "reason", "none"))
	} else {
		p.assertEvents(t, point(1, "outcome", "dropped", "reason", c.Reason))
	}
	p.assertChanged(t, c.Changed)
}

func (p *pushed) assertChanged(t *testing.T, reasons []string) {
	t.Helper()
	counts := map[string]int64{}
	for _, why := range reasons {
		counts[why]++
	}
	var points []metricdata.DataPoint[int64]
	for why, count := range counts {
		points = append(points, point(count, "reason", why))
	}
	if len(points) == 0 {
		_, err := p.telemetry.GetMetric("otelcol_exporter_amplitude_changed_values")
		require.Error(t, err)
		return
	}
	metadatatest.AssertEqualExporterAmplitudeChangedValues(t, p.telemetry, points, metricdatatest.IgnoreTimestamp())
}

func TestCallsAreCounted(t *testing.T) {
	logs := logsOf(callOf("identify"), callOf("identify"), callOf("page"), callOf("alias"), `{"type":"screen","messageId":"m"}`, newEvent("track"))
	for send, points := range map[Send][]metricdata.DataPoint[int64]{
		SendAll: {
			point(2, "call", "identify", "outcome", "delivered"), point(1, "call", "page", "outcome", "delivered"),
			point(1, "call", "alias", "outcome", "dropped"), point(1, "call", "screen", "outcome", "dropped"),
		},
		SendImpressions: {
			point(2, "call", "identify", "outcome", "filtered"), point(1, "call", "page", "outcome", "filtered"),
			point(1, "call", "alias", "outcome", "filtered"), point(1, "call", "screen", "outcome", "filtered"),
		},
	} {
		t.Run(string(send), func(t *testing.T) {
			p := start(t, componenttest.NewNopHost(), func(c *Config) { c.Send = send })
			copied := plog.NewLogs()
			logs.CopyTo(copied)
			require.NoError(t, p.push(t.Context(), copied))
			metadatatest.AssertEqualExporterAmplitudeCalls(t, p.telemetry, points, metricdatatest.IgnoreTimestamp())
		})
	}
}

// TestCallsKeepTheirOrder: a user's calls arrive in the order in which they came, also those of an envelope.
func TestCallsKeepTheirOrder(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	call := func(kind, id, name string) string {
		return `{"type":"` + kind + `","messageId":"` + id + `","event":"` + name + `","name":"` + name + `","traits":{"n":"` + id + `"}}`
	}
	require.NoError(t, p.push(t.Context(), logsOf(`{"userId":"user-17","timestamp":"2026-11-23T10:00:00Z","batch":[`+strings.Join([]string{
		call("track", "1", "a"), call("identify", "2", ""), call("page", "3", "b"), call("identify", "4", ""), call("track", "5", "c"),
	}, ",")+`]}`)))
	var types, ids []string
	for _, e := range p.server.Events() {
		types, ids = append(types, e.Type), append(ids, e.InsertID)
	}
	assert.Equal(t, []string{"a", "$identify", "Viewed b", "$identify", "c"}, types)
	assert.Equal(t, []string{"1", "2", "3", "4", "5"}, ids)
	assert.Equal(t, map[string]any{"n": "4"}, p.server.User("user-17").Properties)
}

// TestTheEventsOfAGroupCallAreOne record: they are counted, dropped and kept together.
func TestTheEventsOfAGroupCallAreOne(t *testing.T) {
	const sent = `{"event_type":"TYPE","user_id":"user-17","insert_id":"ID","groups":{"company":"acme"},`
	group := strings.Replace(callOf("group"), `"type"`, `"groupId":"acme","type"`, 1)
	synctest.Test(t, func(t *testing.T) {
		path, keep := withDeadLetters(t)
		server := amplitudetest.New()
		p := startHandled(t, componenttest.NewNopHost(), server, func(c *Config) {
			keep(c)
			c.Calls.Group.Type = "company"
		})
		require.NoError(t, p.push(t.Context(), logsOf(group, newEvent("a"))))
		p.assertEvents(t, point(2, "outcome", "delivered", "reason", "none"))
		server.AnswerFunc(func(request *amplitudetest.Request) (amplitudetest.Answer, bool) {
			return amplitudetest.Answer{Status: 400, Body: `{"code":400,"events_with_invalid_fields":{"group_properties":[2]}}`}, request.EventCount == 4
		})
		require.NoError(t, p.push(t.Context(), logsOf(newEvent("b"), strings.Replace(group, `"m"`, `"m2"`, 1), newEvent("c"))))
		p.assertEvents(t, point(4, "outcome", "delivered", "reason", "none"), point(1, "outcome", "dropped", "reason", "invalid_field"))
		lines := deadLinesIn(t, path)
		require.Len(t, lines, 2)
		assert.JSONEq(t, strings.NewReplacer("TYPE", "$identify", "ID", "m2").Replace(sent)+`"user_properties":{"$set":{"company":"acme"}}}`, string(lines[0].Event))
		assert.JSONEq(t, strings.NewReplacer("TYPE", "$groupidentify", "ID", "m2-group").Replace(sent)+`"group_properties":{"$set":{"plan":"pro"}}}`, string(lines[1].Event))
		p.stop(t)
	})
}

// TestAGroupCallIsSentAgainAsAWhole with the same insert ids, so that Amplitude counts nothing twice.
func TestAGroupCallIsSentAgainAsAWhole(t *testing.T) {
	group := strings.Replace(callOf("group"), `"type"`, `"groupId":"acme","type"`, 1)
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		p := startHandled(t, componenttest.NewNopHost(), server, func(c *Config) { c.Calls.Group.Type = "company" })
		// The events are ingested, but the answer is lost.
		server.AnswerNext(1, amplitudetest.Answer{Status: 500, Ingest: true})
		p.pushAll(t, logsOf(newEvent("a"), group, newEvent("b")))
		p.assertEvents(t, point(3, "outcome", "delivered", "reason", "none"))
		var ids []string
		for _, e := range server.Events() {
			ids = append(ids, e.InsertID)
		}
		assert.Equal(t, []string{"a", "m", "m-group", "b"}, ids)
		assert.Len(t, server.Duplicates(), 4)
		p.stop(t)
	})
}
