// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// TestFirstOfRepeatedKeysCounts reads an event whose keys are repeated on the way to its fields. pcommon.Map.Get returns the
// first value of a key, so a field isn't found under a later one.
func TestFirstOfRepeatedKeysCounts(t *testing.T) {
	record := plog.NewLogRecord()
	var body, context xpdata.MapBuilder
	require.NoError(t, context.AppendEmpty("app").FromRaw(raw{"version": "1"}))
	require.NoError(t, context.AppendEmpty("app").FromRaw(raw{"version": "2"}))
	context.AppendEmpty("device").SetStr("not a map")
	require.NoError(t, context.AppendEmpty("device").FromRaw(raw{"id": "second"}))
	require.NoError(t, body.AppendEmpty("event").FromRaw("a"))
	body.AppendEmpty("userId").SetStr("first")
	body.AppendEmpty("userId").SetStr("second")
	context.UnsafeIntoMap(body.AppendEmpty("context").SetEmptyMap())
	require.NoError(t, body.AppendEmpty("context").FromRaw(raw{"ip": "203.0.113.7", "device": raw{"id": "third"}}))
	body.UnsafeIntoMap(record.Body().SetEmptyMap())
	records := plog.NewLogRecordSlice()
	record.MoveTo(records.AppendEmpty())

	all := readAll(newReader(t, nil, defaults...), pcommon.NewResource(), records)
	require.Len(t, all, 1)
	assert.Equal(t, identity{eventType: "a", userID: "first"}, all[0].identity())
	assert.Equal(t, "1", all[0].texts[event.AppVersion])
	assert.Empty(t, all[0].texts[event.IP])
}

// TestEventsDoNotShareValues reads events of several layouts in turn, each of which lacks what the one before it has.
func TestEventsDoNotShareValues(t *testing.T) {
	records := scopeOf(t,
		given{body: raw{"event": "a", "userId": "u", "context": raw{"ip": "203.0.113.7", "os": raw{"name": "iOS"}}}},
		given{body: raw{"event_type": "b", "device_id": "d"}},
		given{body: raw{"event": "c", "messageId": "i", "context": raw{}}},
	)
	all := readAll(newReader(t, nil, defaults...), pcommon.NewResource(), records)
	require.Len(t, all, 3)
	assert.Equal(t, identity{eventType: "b", deviceID: "d"}, all[1].identity())
	assert.Equal(t, identity{eventType: "c", insertID: "i"}, all[2].identity())
	assert.Equal(t, []string{"iOS", "", ""}, []string{all[0].texts[event.OSName], all[1].texts[event.OSName], all[2].texts[event.OSName]})
	assert.Equal(t, []string{"203.0.113.7", "", ""}, []string{all[0].texts[event.IP], all[1].texts[event.IP], all[2].texts[event.IP]})
}
