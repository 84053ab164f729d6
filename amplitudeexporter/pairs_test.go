// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/impression-collector/impression-bridge/impressionprocessor"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// TestUpdatesMatchTheirImpressions sends impressions with all sorts of ids and times through the processor and the exporter. If
// Amplitude gets an impression whose user can have an update, it got the update of the same user, device and time before it.
func TestUpdatesMatchTheirImpressions(t *testing.T) {
	long := strings.Repeat("ä", 1030)
	ids := []any{
		"user-17", "device-4", "u-17", "null", "anonymous", "0", "000000", "", nil, 12345, 17, -1, 1.5, true, "abcd\ufffd", long, long + "x",
		long[:2*1010], long[:2*1011], long[:2*1024], "00000000-0000-0000-0000-000000000000", " ",
		[]any{"user-17"},
	}
	times := []any{"2026-11-24T21:19:26.833Z", 1795555166833, 1795555166, "NOW", 0, nil, "2026-11-24 21:19:26", "1795555166833.25", -5, 9e15}
	random := rand.New(rand.NewPCG(11, 1))
	oneOf := func(values []any) any { return values[random.IntN(len(values))] }

	sink := &consumertest.LogsSink{}
	factory := impressionprocessor.NewFactory()
	processor, err := factory.CreateLogs(t.Context(), processortest.NewNopSettings(factory.Type()), factory.CreateDefaultConfig(), sink)
	require.NoError(t, err)
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.Lanes = 1 })
	pairs := 0
	for n := range 3000 {
		sink.Reset()
		p.server.Reset()
		text, err := json.Marshal(map[string]any{
			"type": "track", "event": "$impression", "userId": oneOf(ids), "anonymousId": oneOf(ids), "messageId": oneOf(ids),
			"context": map[string]any{"device": map[string]any{"id": oneOf(ids)}}, "timestamp": oneOf(times), "originalTimestamp": oneOf(times),
			"properties": map[string]any{"flag_key": strconv.Itoa(n), "variant": oneOf([]any{"on", "", nil}), "time": oneOf(times)},
		})
		require.NoError(t, err)
		require.NoError(t, processor.ConsumeLogs(t.Context(), logsOf(string(text))))
		require.NoError(t, p.push(t.Context(), sink.AllLogs()[0]))
		events := p.server.Events()
		if len(events) == 0 {
			continue
		}
		require.Len(t, events, 2, "%s", text)
		assertPair(t, &events[0], &events[1], string(text))
		pairs++
	}
	assert.Greater(t, pairs, 1000)
}

func assertPair(t *testing.T, update, shown *amplitudetest.Event, text string) {
	t.Helper()
	assert.Equal(t, "$identify", update.Type)
	assert.Equal(t, "[Experiment] Impression", shown.Type)
	assert.Equal(t, [2]string{shown.UserID, shown.DeviceID}, [2]string{update.UserID, update.DeviceID}, text)
	assert.Equal(t, shown.Time, update.Time, text)
	if update.InsertID != "" || shown.InsertID != "" {
		assert.NotEqual(t, shown.InsertID, update.InsertID, text)
	}
	assert.LessOrEqual(t, len([]rune(update.InsertID)), 1024)
}
