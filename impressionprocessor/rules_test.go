// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// segmentTime is the timestamp of every call that segmentCall makes.
var segmentTime = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

// segmentCall is a Segment track call in a map body, with the fields that matter. Null values in properties stay null.
func segmentCall(event any, properties any) map[string]any {
	return map[string]any{
		"type":        "track",
		"event":       event,
		"userId":      "user-17",
		"anonymousId": "anonymous-4",
		"messageId":   "message-1",
		"timestamp":   segmentTime.Format(time.RFC3339),
		"properties":  properties,
	}
}

// defaultsWith is the default configuration after a change.
func defaultsWith(changes ...func(*Config)) *Config {
	config := createDefaultConfig().(*Config)
	for _, change := range changes {
		change(config)
	}
	return config
}

func emit(form Emit) func(*Config) {
	return func(c *Config) { c.UserProperties.Emit = form }
}

func dropUnassigned(c *Config) { c.Unassigned = DropUnassigned }

// bodies makes a batch with a record for each event, which is its map body.
func bodies(t *testing.T, events ...map[string]any) plog.Logs {
	t.Helper()
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, event := range events {
		require.NoError(t, records.AppendEmpty().Body().SetEmptyMap().FromRaw(event))
	}
	return logs
}

// process sends batches through the processor and returns what came out.
func process(t *testing.T, config *Config, batches ...plog.Logs) []plog.Logs {
	t.Helper()
	require.NoError(t, config.Validate())
	sink := &consumertest.LogsSink{}
	processor, err := NewFactory().CreateLogs(
		context.Background(), processortest.NewNopSettings(metadata.Type), config, sink)
	require.NoError(t, err)
	for _, batch := range batches {
		require.NoError(t, processor.ConsumeLogs(context.Background(), batch))
	}
	require.NoError(t, processor.Shutdown(context.Background()))
	return sink.AllLogs()
}

// TestSetUnsetOrNeither is the table of the same name in the README, row by row.
func TestSetUnsetOrNeither(t *testing.T) {
	set := func(variant string) map[string]any {
		return map[string]any{"$set": map[string]any{"[Experiment] checkout": variant}}
	}
	unset := map[string]any{"$unset": map[string]any{"[Experiment] checkout": "-"}}
	type properties = map[string]any

	for _, row := range []struct {
		input      string
		properties any
		nobody     bool
		unset      []string
		// update is the user_properties of the emitted record, nil where none is emitted.
		update map[string]any
		// untouched says that the event passes as it came.
		untouched bool
	}{
		{input: "variant is a non-empty string", properties: properties{"flag_key": "checkout", "variant": "treatment"}, update: set("treatment")},
		{input: "variant is control", properties: properties{"flag_key": "checkout", "variant": "control"}, update: set("control")},
		{input: "variant is off, not listed", properties: properties{"flag_key": "checkout", "variant": "off"}, update: set("off")},
		{input: "variant is blank", properties: properties{"flag_key": "checkout", "variant": " "}, update: set(" ")},
		{input: "variant is an integer", properties: properties{"flag_key": "checkout", "variant": int64(9007199254740993)}, update: set("9007199254740993")},
		{input: "variant is a JSON number", properties: properties{"flag_key": "checkout", "variant": 2.0}, update: set("2")},
		{input: "variant is a fraction", properties: properties{"flag_key": "checkout", "variant": 0.25}, update: set("0.25")},
		{input: "variant is a boolean", properties: properties{"flag_key": "checkout", "variant": false}, update: set("false")},
		{input: "variant is missing", properties: properties{"flag_key": "checkout"}, update: unset},
		{input: "variant is null", properties: properties{"flag_key": "checkout", "variant": nil}, update: unset},
		{input: "variant is empty", properties: properties{"flag_key": "checkout", "variant": ""}, update: unset},
		{input: "metadata.default is true", properties: properties{"flag_key": "checkout", "variant": "off", "metadata": properties{"default": true}}, update: unset},
		{input: "metadata.default is false", properties: properties{"flag_key": "checkout", "variant": "on", "metadata": properties{"default": false}}, update: set("on")},
		{input: "variant listed in unset_variants", properties: properties{"flag_key": "checkout", "variant": "off"}, unset: []string{"none", "off"}, update: unset},
		{input: "metadata is no map", properties: properties{"flag_key": "checkout", "variant": "on", "metadata": "default"}, update: set("on")},
		{input: "metadata.flagType is mutual-exclusion-group", properties: properties{"flag_key": "checkout", "variant": "slot-1", "metadata": properties{"flagType": "mutual-exclusion-group"}}},
		{input: "mutual-exclusion-group without variant", properties: properties{"flag_key": "checkout", "metadata": properties{"flagType": "mutual-exclusion-group"}}},
		{input: "no identity", nobody: true, properties: properties{"flag_key": "checkout", "variant": "treatment"}},
		{input: "flag_key is missing", properties: properties{"variant": "treatment"}, untouched: true},
		{input: "flag_key is null", properties: properties{"flag_key": nil, "variant": "treatment"}, untouched: true},
		{input: "flag_key is empty", properties: properties{"flag_key": "", "variant": "treatment"}, untouched: true},
		{input: "flag_key is no string", properties: properties{"flag_key": int64(7), "variant": "treatment"}, untouched: true},
		{input: "variant is a map", properties: properties{"flag_key": "checkout", "variant": properties{"key": "on"}}, untouched: true},
		{input: "variant is a list", properties: properties{"flag_key": "checkout", "variant": []any{"on"}}, untouched: true},
		{input: "variant is bytes", properties: properties{"flag_key": "checkout", "variant": []byte("on")}, untouched: true},
		{input: "properties are missing", properties: nil, untouched: true},
		{input: "properties are no map", properties: "flag_key=checkout", untouched: true},
	} {
		t.Run(row.input, func(t *testing.T) {
			call := segmentCall("$impression", row.properties)
			if row.nobody {
				delete(call, "userId")
				call["anonymousId"] = nil
			}
			input := bodies(t, call)
			before := bodies(t, call).ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)

			records := collectortest.Records(process(t, defaultsWith(func(c *Config) { c.UserProperties.UnsetVariants = row.unset }), input))

			event := records[len(records)-1]
			if row.update == nil {
				require.Len(t, records, 1)
			} else {
				require.Len(t, records, 2)
				emitted := records[0].Attributes().AsRaw()
				assert.Equal(t, row.update, emitted["user_properties"])
				assert.Equal(t, "user-17", emitted["user_id"])
				assert.Equal(t, "anonymous-4", emitted["device_id"])
			}
			if row.untouched {
				assert.Equal(t, before.Body().AsRaw(), event.Body().AsRaw())
				assert.Zero(t, event.Timestamp())
				return
			}
			assertRewritten(t, row.properties.(properties), event)
		})
	}
}

// assertRewritten asserts that the event has its post form: all values kept, three names changed.
func assertRewritten(t *testing.T, before map[string]any, event plog.LogRecord) {
	t.Helper()
	body := event.Body().Map().AsRaw()
	assert.Equal(t, "[Experiment] Impression", body["event"])
	names := map[string]string{
		"flag_key": "[Experiment] Flag Key", "variant": "[Experiment] Variant", "experiment_key": "[Experiment] Experiment Key",
	}
	want := map[string]any{}
	for name, value := range before {
		if renamed, listed := names[name]; listed {
			name = renamed
		}
		want[name] = value
	}
	assert.Equal(t, want, body["properties"])
	assert.Equal(t, pcommon.NewTimestampFromTime(segmentTime), event.Timestamp())
}
