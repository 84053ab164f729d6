// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// impressionsOf returns impressions in several scopes, whose users and devices are those of the resource.
func impressionsOf(scopes, perScope int, user string) plog.Logs {
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	resource.SetSchemaUrl("https://example.com/schema")
	resource.Resource().Attributes().PutStr("user.id", user)
	for range scopes {
		records := resource.ScopeLogs().AppendEmpty().LogRecords()
		for i := range perScope {
			record := records.AppendEmpty()
			record.SetEventName("$impression")
			record.Attributes().PutStr("flag_key", fmt.Sprint("flag-", i))
		}
	}
	return logs
}

// TestLargeBatchesArePassedOnInParts has updates that take much more memory than their impressions.
func TestLargeBatchesArePassedOnInParts(t *testing.T) {
	user := strings.Repeat("u", 1000)
	parts := process(t, defaultsWith(), impressionsOf(3, 3000, user))
	assert.Greater(t, len(parts), 2)
	flags := 0
	for _, part := range parts {
		resource := part.ResourceLogs().At(0)
		assert.Equal(t, "https://example.com/schema", resource.SchemaUrl())
		assert.Equal(t, map[string]any{"user.id": user}, resource.Resource().Attributes().AsRaw())
		assert.LessOrEqual(t, part.LogRecordCount()/2*(updateWeight+1000), maxAdded+10_000)
		records := collectortest.Records([]plog.Logs{part})
		require.Zero(t, len(records)%2)
		for i := 0; i < len(records); i += 2 {
			require.Equal(t, "$identify", records[i].EventName())
			require.Equal(t, "[Experiment] Impression", records[i+1].EventName())
			flag, _ := records[i+1].Attributes().Get("[Experiment] Flag Key")
			require.Equal(t, fmt.Sprint("flag-", flags%3000), flag.Str())
			flags++
		}
	}
	assert.Equal(t, 9000, flags)
}

func TestUpdatesHaveIdsAsAmplitudeCutsThem(t *testing.T) {
	records := collectortest.Records(process(t, defaultsWith(), impressionsOf(1, 1, strings.Repeat("ü", 5000))))
	require.Len(t, records, 2)
	user, _ := records[0].Attributes().Get("user_id")
	assert.Equal(t, strings.Repeat("ü", 1024), user.Str())
}

// TestPartThatIsRefused makes the sender repeat a batch.
func TestPartThatIsRefused(t *testing.T) {
	refused, sink := errors.New("refused"), &consumertest.LogsSink{}
	next, err := consumer.NewLogs(func(ctx context.Context, logs plog.Logs) error {
		if sink.LogRecordCount() > 0 {
			return refused
		}
		return sink.ConsumeLogs(ctx, logs)
	})
	require.NoError(t, err)
	p, err := NewFactory().CreateLogs(t.Context(), processortest.NewNopSettings(metadata.Type), defaultsWith(), next)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	require.ErrorIs(t, p.ConsumeLogs(t.Context(), impressionsOf(1, 9000, strings.Repeat("u", 1000))), refused)
	first := sink.AllLogs()[0]
	sink.Reset()
	require.ErrorIs(t, p.ConsumeLogs(t.Context(), impressionsOf(1, 9000, strings.Repeat("u", 1000))), refused)
	assert.Equal(t, rawOf(t, first), rawOf(t, sink.AllLogs()[0]), "the same insert ids")
	require.NoError(t, p.Shutdown(t.Context()))
}

func rawOf(t *testing.T, logs plog.Logs) string {
	t.Helper()
	raw, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
	require.NoError(t, err)
	return string(raw)
}
