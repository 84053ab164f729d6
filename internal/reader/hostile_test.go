// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

// TestWorkOnDuplicateKeysIsLinear reads envelopes with as many duplicate fields as events. A reader that looks at every
// field for every event doesn't finish within the test's time limit.
func TestWorkOnDuplicateKeysIsLinear(t *testing.T) {
	const n = 30_000
	for name, test := range map[string]struct {
		key   string
		event raw
	}{
		"fields that meet no condition":        {"unread", raw{"event": "a"}},
		"fields that envelopes don't hand on":  {"api_key", raw{"event": "a", "userId": "u", "large": "own"}},
		"fields that events have":              {"sentAt", raw{"event": "a", "userId": "u", "large": "own", "sentAt": "own"}},
		"fields that events have as timestamp": {"timestamp", raw{"event": "a", "userId": "u", "large": "own", "originalTimestamp": "own"}},
	} {
		t.Run(name, func(t *testing.T) {
			records := plog.NewLogRecordSlice()
			var envelope xpdata.MapBuilder
			for range n {
				envelope.AppendEmpty(test.key).SetInt(1)
			}
			// The walk over-estimates what is copied, so that the reader counts exactly.
			envelope.AppendEmpty("large").SetStr(strings.Repeat("x", 100_000))
			list := envelope.AppendEmpty("batch").SetEmptySlice()
			for range n {
				require.NoError(t, list.AppendEmpty().SetEmptyMap().FromRaw(test.event))
			}
			envelope.UnsafeIntoMap(records.AppendEmpty().Body().SetEmptyMap())
			all := readAll(newReader(t, []string{"a"}, defaults...), pcommon.NewResource(), records)
			if _, isEvent := test.event["userId"]; !isEvent {
				assert.Empty(t, all)
				return
			}
			assert.Len(t, all, n)
			for _, record := range records.All() {
				require.Equal(t, len(test.event), record.Body().Map().Len())
			}
		})
	}
}

// TestInheritedListsCountAsCopied copies a long list to each of many events.
func TestInheritedListsCountAsCopied(t *testing.T) {
	events, numbers := make([]any, 1000), make([]any, 1000)
	for i := range events {
		events[i], numbers[i] = call("u"), 1
	}
	for name, body := range map[string]raw{
		"under the other key of an envelope": {"batch": events, "events": numbers},
		"under the key of an inner envelope": {"events": []any{raw{"batch": events}}, "batch": numbers},
	} {
		t.Run(name, func(t *testing.T) {
			all, records := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: body})
			require.Len(t, all, 1)
			assert.Equal(t, EnvelopeTooLarge, all[0].problem)
			assert.Equal(t, 1, records.Len())
		})
	}
}
