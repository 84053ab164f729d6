// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// traceOf returns how the only event of a record was read.
func traceOf(t *testing.T, config layout.Config, in given) Trace {
	t.Helper()
	resource, record := recordOf(t, in)
	records := plog.NewLogRecordSlice()
	record.MoveTo(records.AppendEmpty())
	var trace Trace
	for i, e := range newReader(t, nil, config).Events(resource, records) {
		assert.Equal(t, i, e.Index())
		trace = e.Trace()
	}
	return trace
}

func TestTraceTellsWhereFieldsWereFound(t *testing.T) {
	trace := traceOf(t, layout.Config{Preset: "segment"}, given{body: raw{
		"type": "track", "event": "a", "userId": "none", "anonymousId": "device", "messageId": 7,
		"timestamp": "NOW", "originalTimestamp": "2026-11-24T10:00:00Z", "properties": raw{"k": 1},
		"context": raw{"device": raw{"id": ""}, "sessionId": "12"},
	}})
	assert.Equal(t, Trace{Layout: "segment", InBody: true, Origins: []Origin{
		{event.Type, `event["event"]`, "a"},
		{event.UserID, `event["userId"]`, "none"},
		{event.DeviceID, `event["anonymousId"]`, "device"},
		{event.Time, `event["originalTimestamp"]`, "2026-11-24T10:00:00Z"},
		{event.InsertID, `event["messageId"]`, "7"},
		{event.SessionID, `event["context"]["sessionId"]`, int64(12)},
		{event.Properties, `event["properties"]`, nil},
	}}, trace)
}

func TestTraceOfAttributes(t *testing.T) {
	trace := traceOf(t, layout.Config{Preset: "otel"}, given{
		name: "a", attributes: raw{"flag_key": "f"}, resource: raw{"user.id": "user"},
	})
	assert.Equal(t, Trace{Layout: "otel", Origins: []Origin{
		{event.Type, "log.event_name", "a"},
		{event.UserID, `resource.attributes["user.id"]`, "user"},
		{event.Properties, "log.attributes", nil},
	}}, trace)
}

func TestARecordThatIsNoEventHasNoTrace(t *testing.T) {
	assert.Equal(t, Trace{}, traceOf(t, layout.Config{Preset: "segment"}, given{body: raw{"no": "event"}}))
}
