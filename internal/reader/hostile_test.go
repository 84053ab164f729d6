// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/impression-collector/impression-bridge/internal/event"
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

// TestEmptyEventsCountAsCopied has so many events in one envelope that their records take much memory.
func TestEmptyEventsCountAsCopied(t *testing.T) {
	for n, want := range map[int]Problem{maxCopied / recordSize / 2: NoProblem, maxCopied / recordSize: EnvelopeTooLarge} {
		records := plog.NewLogRecordSlice()
		list := records.AppendEmpty().Body().SetEmptySlice()
		list.EnsureCapacity(n + 1)
		for range n {
			list.AppendEmpty().SetEmptyMap()
		}
		require.NoError(t, list.AppendEmpty().SetEmptyMap().FromRaw(call("u")))
		all := readAll(newReader(t, []string{"a"}, defaults...), pcommon.NewResource(), records)
		require.Len(t, all, 1)
		assert.Equal(t, want, all[0].problem)
		if want == EnvelopeTooLarge {
			assert.Equal(t, 1, records.Len())
			assert.Equal(t, n+1, records.At(0).Body().Slice().Len())
		}
	}
}

// growing returns records with envelopes that each copy more than maxGrowth times their size, but less than minCopied.
func growing(t *testing.T, n int) plog.LogRecordSlice {
	t.Helper()
	events := make([]any, 60)
	for i := range events {
		events[i] = raw{}
	}
	events[0] = call("u")
	records := plog.NewLogRecordSlice()
	for range n {
		require.NoError(t, records.AppendEmpty().Body().FromRaw(raw{"filler": strings.Repeat("x", 2000), "batch": events}))
	}
	return records
}

// TestSmallEnvelopesGrowTogether has so many small envelopes that they become large although each may copy minCopied.
func TestSmallEnvelopesGrowTogether(t *testing.T) {
	const n = 100
	r := newReader(t, []string{"a"}, defaults...)
	count := func() (problems [NumProblems]int) {
		for _, record := range growing(t, n).All() {
			alone := plog.NewLogRecordSlice()
			record.MoveTo(alone.AppendEmpty())
			for _, e := range readAll(r, pcommon.NewResource(), alone) {
				problems[e.problem]++
			}
			r.StartPart()
		}
		return problems
	}
	problems := count()
	assert.Positive(t, problems[EnvelopeTooLarge])
	assert.Equal(t, n, problems[NoProblem]+problems[EnvelopeTooLarge])
	assert.LessOrEqual(t, problems[NoProblem]*60*2000, minCopiedOfBatch)
	r.Reset()
	assert.Equal(t, problems, count(), "in the next batch")
}

// TestReaderStopsWhenFull reads many envelopes in parts.
func TestReaderStopsWhenFull(t *testing.T) {
	records := plog.NewLogRecordSlice()
	const n, events = 200, 16
	for i := range n {
		list := make([]any, events)
		for j := range list {
			list[j] = call(fmt.Sprint(i, "-", j))
		}
		require.NoError(t, records.AppendEmpty().Body().FromRaw(raw{"filler": strings.Repeat("x", 4000), "batch": list}))
	}
	r := newReader(t, []string{"a"}, defaults...)
	parts, users := 0, []string(nil)
	for records.Len() > 0 {
		parts++
		for _, e := range readAll(r, pcommon.NewResource(), records) {
			require.Equal(t, NoProblem, e.problem)
			users = append(users, e.texts[event.UserID])
		}
		assert.Equal(t, r.Left() > 0, r.IsFull())
		read, index := records.Len()-r.Left(), 0
		assert.LessOrEqual(t, read*4000, maxUnrolled+events*5000)
		records.RemoveIf(func(plog.LogRecord) bool { index++; return index <= read })
		r.StartPart()
	}
	assert.Greater(t, parts, 2)
	require.Len(t, users, n*events)
	assert.Equal(t, "199-15", users[n*events-1])
}

// TestLeftAfterBreak breaks out of the loop within an envelope.
func TestLeftAfterBreak(t *testing.T) {
	records := plog.NewLogRecordSlice()
	require.NoError(t, records.AppendEmpty().Body().FromRaw(call("0")))
	require.NoError(t, records.AppendEmpty().Body().FromRaw([]any{call("1"), call("2"), call("3")}))
	require.NoError(t, records.AppendEmpty().Body().FromRaw(call("4")))
	r := newReader(t, []string{"a"}, defaults...)
	for broken, left := range []int{2, 3, 2, 1, 0} {
		i := 0
		for _, e := range r.Events(pcommon.NewResource(), records) {
			e.InsertBefore()
			if i == broken {
				break
			}
			i++
		}
		assert.Equal(t, left, r.Left())
		// What was inserted isn't an event.
		records.RemoveIf(func(record plog.LogRecord) bool { return record.Body().Type() == pcommon.ValueTypeEmpty })
	}
}
