// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// takeLogs returns what was logged since the last call with this message.
func (p *pushed) takeLogs(t *testing.T, message string) []observer.LoggedEntry {
	t.Helper()
	all := p.logs.TakeAll()
	var lines []observer.LoggedEntry
	for _, line := range all {
		assert.NotContains(t, fmt.Sprint(line.Message, line.ContextMap()), "canary", "no value is logged")
		if line.Message == message {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestDroppedImpressionsAreLogged once for each reason and 10 s, with the keys of one and no value.
func TestDroppedImpressionsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startHandled(t, componenttest.NewNopHost(), amplitudetest.New(), nil)
		const message = "impressions are dropped"
		push := func(records ...string) {
			t.Helper()
			require.NoError(t, p.push(t.Context(), logsOf(records...)))
		}
		nobody := `{"event_type":"$impression","event_properties":{"flag_key":"canary"},"other":"canary"}`
		push(nobody, nobody, `{"event_type":"canary"}`, `{"event_type":"$impression","user_id":"none"}`)
		lines := p.takeLogs(t, message)
		require.Len(t, lines, 2, "page views and the like aren't logged")
		byReason := map[any]map[string]any{}
		for _, line := range lines {
			assert.Equal(t, zapcore.WarnLevel, line.Level)
			byReason[line.ContextMap()["reason"]] = line.ContextMap()
		}
		assert.Equal(t, map[string]any{
			"reason": "missing_id", "impressions": int64(2), "keys_of_one": []any{"event_properties", "event_type", "other"},
		}, byReason["missing_id"])
		assert.Equal(t, int64(1), byReason["refused_id"]["impressions"])

		push(nobody)
		assert.Empty(t, p.takeLogs(t, message))
		time.Sleep(dropLogPeriod)
		push(nobody)
		lines = p.takeLogs(t, message)
		require.Len(t, lines, 1)
		assert.Equal(t, int64(2), lines[0].ContextMap()["impressions"])

		p.server.Restrict(amplitudetest.SilencedDevice, amplitudetest.UntilLifted, "canary-17")
		push(`{"event_type":"$impression","device_id":"canary-17"}`)
		lines = p.takeLogs(t, message)
		require.Len(t, lines, 1)
		assert.Equal(t, map[string]any{
			"reason": "silenced", "impressions": int64(1), "keys_of_one": []any{"device_id", "event_type"},
		}, lines[0].ContextMap())

		push(nobody)
		require.NoError(t, p.shutdown(t.Context()))
		assert.Len(t, p.takeLogs(t, message), 1, "the rest at the end")
		require.NoError(t, p.telemetry.Shutdown(t.Context()))
	})
}

// TestRefusedKeyIsLogged as an error every 10 s, as long as it is refused.
func TestRefusedKeyIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startHandled(t, componenttest.NewNopHost(), amplitudetest.New(), nil)
		const message = "Amplitude accepts no events; they wait"
		p.server.RefuseKey(true)
		push := func() []observer.LoggedEntry {
			require.Error(t, p.push(t.Context(), logsOf(`{"event_type":"canary","user_id":"canary-17"}`, `{"event_type":"canary","user_id":"canary-18"}`)))
			return p.takeLogs(t, message)
		}
		lines := push()
		require.Len(t, lines, 1)
		assert.Equal(t, zapcore.ErrorLevel, lines[0].Level)
		assert.Equal(t, int64(2), lines[0].ContextMap()["events"])
		assert.Equal(t, []any{"event_type", "user_id"}, lines[0].ContextMap()["keys_of_one"])
		assert.Empty(t, push())
		time.Sleep(dropLogPeriod)
		assert.Len(t, push(), 1, "it still waits")
		p.stop(t)
	})
}
