// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// findOf is what Find makes of one record of a scope.
func findOf(t *testing.T, in given) (*Reader, plog.LogRecordSlice, int) {
	t.Helper()
	layouts, err := Compile(defaults)
	require.NoError(t, err)
	reader := NewReader(layouts, []string{"a"}, limits)
	resource, record := recordOf(t, in)
	records := plog.NewLogRecordSlice()
	record.MoveTo(records.AppendEmpty())
	is := reader.Find(resource, records.At(0))
	return reader, records, is
}

func unrolled(t *testing.T, reader *Reader, records plog.LogRecordSlice, events int) []plog.LogRecord {
	t.Helper()
	for records.Len() < events {
		records.AppendEmpty()
	}
	reader.unroll(records, 0)
	var all []plog.LogRecord
	for _, record := range records.All() {
		all = append(all, record)
	}
	return all
}

func TestEnvelopes(t *testing.T) {
	events := []any{
		raw{"event": "other", "userId": "1"},
		raw{"event": "a", "userId": "2", "sentAt": "own", "context": nil},
		raw{"no": "event"},
	}
	want := []raw{
		{"event": "other", "userId": "1", "sentAt": "common", "context": raw{"ip": "203.0.113.7"}},
		{"event": "a", "userId": "2", "sentAt": "own", "context": nil},
		{"no": "event", "sentAt": "common", "context": raw{"ip": "203.0.113.7"}},
	}
	fields := func(key string) raw {
		return raw{"sentAt": "common", key: events, "context": raw{"ip": "203.0.113.7"}}
	}
	bodies := func(records []plog.LogRecord) []raw {
		var all []raw
		for _, record := range records {
			all = append(all, record.Body().Map().AsRaw())
		}
		return all
	}
	for _, key := range []string{"batch", "events"} {
		t.Run(key+" in the body", func(t *testing.T) {
			reader, records, is := findOf(t, given{body: fields(key), attributes: raw{"log.file.name": "calls.ndjson"}})
			require.Equal(t, Envelope, is)
			records.At(0).SetObservedTimestamp(7)
			records.At(0).SetTraceID(pcommon.TraceID{1})
			all := unrolled(t, reader, records, 3)
			assert.Equal(t, want, bodies(all))
			for _, record := range all {
				assert.Equal(t, raw{"log.file.name": "calls.ndjson"}, record.Attributes().AsRaw())
				assert.Equal(t, pcommon.Timestamp(7), record.ObservedTimestamp())
				assert.Equal(t, pcommon.TraceID{1}, record.TraceID())
			}
		})
		t.Run(key+" in the attributes", func(t *testing.T) {
			reader, records, is := findOf(t, given{body: "the line", attributes: fields(key)})
			require.Equal(t, Envelope, is)
			for i, record := range unrolled(t, reader, records, 3) {
				assert.Equal(t, want[i], record.Attributes().AsRaw())
				assert.Equal(t, []string{"the line", "", ""}[i], record.Body().AsString())
			}
		})
	}
	t.Run("a list", func(t *testing.T) {
		reader, records, is := findOf(t, given{body: events})
		require.Equal(t, Envelope, is)
		assert.Equal(t, []raw{events[0].(raw), events[1].(raw), events[2].(raw)}, bodies(unrolled(t, reader, records, 3)))
	})
}

func TestNoEnvelopes(t *testing.T) {
	for name, row := range map[string]struct {
		body  any
		mixed int64
	}{
		"without a listed event":       {body: raw{"batch": []any{raw{"event": "other"}}}},
		"another call of the name":     {body: raw{"batch": []any{raw{"event": "a", "type": "page"}}}},
		"a list of other things":       {body: []any{"a", 3}},
		"an empty list":                {body: raw{"events": []any{}}},
		"a list under another key":     {body: raw{"items": []any{raw{"event": "a"}}}},
		"an event and something else":  {body: []any{raw{"event": "a"}, "a"}, mixed: 1},
		"lists in a list":              {body: []any{[]any{raw{"event": "a"}}}, mixed: 1},
		"two lists":                    {body: raw{"batch": []any{raw{"event": "a"}}, "events": []any{raw{"event": "a"}}}, mixed: 1},
		"an event beside a list":       {body: raw{"batch": []any{raw{"event": "a"}, []any{}}}, mixed: 1},
		"no list, though it is called": {body: raw{"batch": raw{"event": "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			reader, records, is := findOf(t, given{body: row.body})
			assert.Equal(t, NotFound, is)
			assert.Equal(t, row.mixed, reader.Seen.Untouched[MixedEvents])
			_, before := recordOf(t, given{body: row.body})
			assert.Equal(t, before.Body().AsRaw(), records.At(0).Body().AsRaw())
		})
	}
}

func TestEnvelopesWhoseFieldsAreTooManyAreLeft(t *testing.T) {
	context := raw{}
	for i := range 1000 {
		context[strconv.Itoa(i)] = i
	}
	events := make([]any, 500)
	for i := range events {
		events[i] = raw{"event": "a"}
	}
	for name, in := range map[string]given{
		"in the body":       {body: raw{"context": context, "batch": events}},
		"in the attributes": {attributes: raw{"context": context, "batch": events}},
		"around it":         {body: raw{"batch": events}, attributes: context},
	} {
		reader, _, is := findOf(t, in)
		assert.Equal(t, NotFound, is, name)
		assert.Equal(t, int64(1), reader.Seen.Untouched[EnvelopeTooLarge], name)
	}
	for _, body := range []raw{
		{"context": raw{"ip": "203.0.113.7"}, "batch": events},
		{"context": context, "batch": events[:4]},
	} {
		_, _, is := findOf(t, given{body: body})
		assert.Equal(t, Envelope, is)
	}
}

func TestWhatIsTheEnvelopesOwnIsNotHandedOn(t *testing.T) {
	reader, records, is := findOf(t, given{body: raw{
		"type": "batch", "events": []any{}, "sentAt": "common", "batch": []any{raw{"event": "a"}},
	}})
	require.Equal(t, Envelope, is)
	all := unrolled(t, reader, records, 1)
	assert.Equal(t, raw{"event": "a", "sentAt": "common"}, all[0].Body().Map().AsRaw())
}

func TestJSONTextOfAnEnvelopeInTheAttributesIsDropped(t *testing.T) {
	reader, records, is := findOf(t, given{
		body: `{"batch": [{"type": "identify"}, {"event": "a"}]}`, attributes: raw{"batch": []any{raw{"type": "identify"}, raw{"event": "a"}}},
	})
	require.Equal(t, Envelope, is)
	for _, record := range unrolled(t, reader, records, 2) {
		assert.Empty(t, record.Body().AsString())
	}
}
