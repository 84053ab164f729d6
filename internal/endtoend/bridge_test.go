// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

var unavailable = amplitudetest.Answer{Status: http.StatusServiceUnavailable}

// startBridge starts a collector with the configuration in a folder of examples that sends to a fake Amplitude.
func startBridge(t *testing.T, folder string, server *amplitudetest.Server, variables ...string) *collectortest.Collector {
	t.Helper()
	grpc, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	// If a variable occurs twice, the last one counts.
	variables = append([]string{
		"AMPLITUDE_API_KEY=any",
		"AMPLITUDE_ENDPOINT=" + server.URL(amplitude.HTTPV2),
		"OTLP_GRPC_ENDPOINT=" + grpc,
		"STORAGE=" + t.TempDir(),
	}, variables...)
	c, err := collectortest.Start(t.Context(), collectortest.Default, bridgeConfig(t, folder), variables...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NotContains(t, c.Logs(), "give the exporter the processor's layouts") })
	return c
}

func bridgeConfig(t *testing.T, folder string) string {
	t.Helper()
	assert.FileExists(t, examples(folder, "README.md"))
	return examples(folder, "collector.yaml")
}

// trackedEvent is one of the numbered events that the tests send and look for in Amplitude.
type trackedEvent struct {
	user string
	// number counts each user's events from 0.
	number int
}

// trackedUsers returns the ids of count users.
func trackedUsers(count int) []string {
	var users []string
	for i := range count {
		users = append(users, fmt.Sprintf("user-%04d", i))
	}
	return users
}

// impression returns the flag and variant if the event is an impression, as three in four events are. An empty variant
// unsets the user property.
func (e trackedEvent) impression() (flag, variant string, ok bool) {
	if e.number%4 == 3 {
		return "", "", false
	}
	if e.number%5 != 4 {
		variant = fmt.Sprintf("variant-%d", e.number)
	}
	return fmt.Sprintf("flag-%d", e.number%2), variant, true
}

func (e trackedEvent) name() string {
	if _, _, ok := e.impression(); ok {
		return "$impression"
	}
	return "Product Viewed"
}

func (e trackedEvent) id() string {
	return fmt.Sprintf("%s-%04d", e.user, e.number)
}

func (e trackedEvent) time() time.Time {
	return time.Date(2026, time.November, 23, 9, 30, e.number, 0, time.UTC)
}

func (e trackedEvent) properties() map[string]any {
	properties := map[string]any{"number": e.number}
	if flag, variant, ok := e.impression(); ok {
		properties["flag_key"], properties["variant"] = flag, variant
	}
	return properties
}

// writeRecord writes the event to a log record, in the otel layout.
func (e trackedEvent) writeRecord(t *testing.T, record plog.LogRecord) {
	t.Helper()
	record.SetEventName(e.name())
	record.SetTimestamp(pcommon.NewTimestampFromTime(e.time()))
	require.NoError(t, record.Attributes().FromRaw(e.properties()))
	record.Attributes().PutStr("user.id", e.user)
	record.Attributes().PutStr("log.record.uid", e.id())
}

// call returns the event as the JSON of a Segment call.
func (e trackedEvent) call(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"type": "track", "event": e.name(), "userId": e.user, "messageId": e.id(), "timestamp": e.time(), "properties": e.properties(),
	})
	require.NoError(t, err)
	return text
}

// eventsOf returns a batch with every user's event of this number.
func eventsOf(t *testing.T, users []string, number int) plog.Logs {
	t.Helper()
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, user := range users {
		trackedEvent{user: user, number: number}.writeRecord(t, records.AppendEmpty())
	}
	return logs
}

// send sends every user's events numbered from up to, but not including, to. Each batch must be accepted at once.
func send(t *testing.T, c *collectortest.Collector, users []string, from, to int) {
	t.Helper()
	for number := from; number < to; number++ {
		encoding := encodings[number%len(encodings)]
		body, err := encoding.marshaler.MarshalLogs(eventsOf(t, users, number))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, post(t, c, encoding.contentType, body))
	}
}

// wantKnown returns what Amplitude must know about a user after count events: the events, each with its user property
// update before it, and the user properties.
func wantKnown(user string, count int) (events []string, properties map[string]any) {
	properties = map[string]any{}
	for number := range count {
		flag, variant, ok := trackedEvent{user: user, number: number}.impression()
		switch {
		case !ok:
			events = append(events, fmt.Sprintf("Product Viewed %d", number))
			continue
		case variant == "":
			events = append(events, fmt.Sprintf("$identify map[$unset:map[[Experiment] %s:-]]", flag))
			delete(properties, "[Experiment] "+flag)
		default:
			events = append(events, fmt.Sprintf("$identify map[$set:map[[Experiment] %s:%s]]", flag, variant))
			properties["[Experiment] "+flag] = variant
		}
		events = append(events, fmt.Sprintf("[Experiment] Impression %d", number))
	}
	return events, properties
}

// assertKnown waits until Amplitude has count events of every user. It asserts that it has each of them once, in order,
// and that the user properties are right.
func assertKnown(t *testing.T, c *collectortest.Collector, server *amplitudetest.Server, users []string, count int) {
	t.Helper()
	events, _ := wantKnown(users[0], count)
	waitForIngested(t, c, server, len(users)*len(events))
	for _, user := range users {
		known := server.User(user)
		var got []string
		for i := range known.Events {
			e := &known.Events[i]
			if e.Type == "$identify" {
				got = append(got, fmt.Sprintf("%s %v", e.Type, e.UserProperties))
				continue
			}
			got = append(got, fmt.Sprintf("%s %v", e.Type, e.Properties["number"]))
		}
		wantEvents, wantProperties := wantKnown(user, count)
		assert.Equal(t, wantEvents, got, user)
		assert.Equal(t, wantProperties, known.Properties, user)
	}
}

func waitForIngested(t *testing.T, c *collectortest.Collector, server *amplitudetest.Server, events int) {
	t.Helper()
	require.NoError(t, c.WaitForCounts(t.Context(), server, func(counts amplitudetest.Counts) bool { return counts.Ingested >= events }))
}
