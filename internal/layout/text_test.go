// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

func findText(t *testing.T, types []string, within jsonvalue.Limits, in given) (*Reader, plog.LogRecord, int) {
	t.Helper()
	layouts, err := Compile(defaults)
	require.NoError(t, err)
	reader := NewReader(layouts, types, within)
	resource, record := recordOf(t, in)
	is := reader.Find(resource, record)
	return reader, record, is
}

func TestJSONTexts(t *testing.T) {
	types := []string{"$impression"}
	for name, row := range map[string]struct {
		in   given
		want int
		// reads says that the body becomes what the text says.
		reads bool
		seen  Seen
	}{
		"an event": {
			in: given{body: ` {"event": "$impression", "userId": 9007199254740993}`}, reads: true,
			seen: Seen{ByLayout: []int64{0, 0, 1}},
		},
		"an event whose name is escaped": {
			in: given{body: `{"event": "\u0024impression"}`}, reads: true, seen: Seen{ByLayout: []int64{0, 0, 1}},
		},
		"a list": {in: given{body: `[{"event": "$impression"}]`}, want: Envelope, reads: true, seen: Seen{ByLayout: []int64{0, 0, 0}}},
		"a batch": {
			in: given{body: `{"batch": [{"event": "$impression"}]}`}, want: Envelope, reads: true, seen: Seen{ByLayout: []int64{0, 0, 0}},
		},
		"another event": {
			in: given{body: `{"event": "$impression clicked"}`}, want: NotFound, seen: Seen{ByLayout: []int64{0, 0, 1}},
		},
		"an event without a word of it": {
			in: given{body: `{"event": "Product Viewed"}`}, want: NotFound, seen: Seen{ByLayout: []int64{0, 0, 0}, Text: 1},
		},
		"what does not begin like JSON": {
			in: given{body: `$impression {"event": "$impression"}`}, want: NotFound, seen: Seen{ByLayout: []int64{0, 0, 0}, None: 1},
		},
		"what is not JSON": {
			in: given{body: `{"event": "$impression"`}, want: NotFound,
			seen: Seen{ByLayout: []int64{0, 0, 0}, None: 1, Untouched: [UntouchedReasons]int64{InvalidJSON: 1}},
		},
		"what is too deep": {
			in: given{body: `{"event": "$impression", "properties": ` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`}, want: NotFound,
			seen: Seen{ByLayout: []int64{0, 0, 0}, None: 1, Untouched: [UntouchedReasons]int64{TooDeep: 1}},
		},
		"what is too large": {
			in: given{body: `{"event": "$impression", "filler": "` + strings.Repeat("x", 4<<20) + `"}`}, want: NotFound,
			seen: Seen{ByLayout: []int64{0, 0, 0}, None: 1, Untouched: [UntouchedReasons]int64{TooLarge: 1}},
		},
		"what has too many values": {
			in: given{body: `{"event": "$impression", "list": [` + strings.Repeat("0,", limits.MaxValues) + `0]}`}, want: NotFound,
			seen: Seen{ByLayout: []int64{0, 0, 0}, None: 1, Untouched: [UntouchedReasons]int64{TooLarge: 1}},
		},
		"the text that the attributes were parsed from": {
			in:   given{body: `{"event": "$impression", "userId": "u"}`, attributes: raw{"event": "$impression", "userId": "u"}},
			seen: Seen{ByLayout: []int64{0, 0, 1}},
		},
		"beside an empty event type": {
			in: given{body: `{"event": "$impression"}`, attributes: raw{"event": "", "event_type": ""}}, reads: true,
			seen: Seen{ByLayout: []int64{0, 0, 1}},
		},
		"beside another call": {
			in: given{body: `{"event": "$impression"}`, attributes: raw{"event": "received", "type": "webhook"}}, reads: true,
			seen: Seen{ByLayout: []int64{0, 0, 1}},
		},
		"of a mixed list in the attributes": {
			in: given{body: `{"batch": ["$impression", {"event": "$impression"}]}`, attributes: raw{"batch": []any{raw{"event": "$impression"}, "x"}}}, want: NotFound,
			seen: Seen{ByLayout: []int64{0, 0, 0}, None: 1, Untouched: [UntouchedReasons]int64{MixedEvents: 1}},
		},
		"the text of another event in the attributes": {
			in: given{body: `{"event": "Product $impression"}`, attributes: raw{"event": "Product $impression"}}, want: NotFound,
			seen: Seen{ByLayout: []int64{0, 0, 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			reader, record, is := findText(t, types, limits, row.in)
			assert.Equal(t, row.want, is)
			assert.Equal(t, row.seen, reader.Seen)
			if row.reads {
				assert.NotEqual(t, pcommon.ValueTypeStr, record.Body().Type())
			} else {
				assert.Equal(t, row.in.body, record.Body().AsString())
			}
		})
	}
}

func TestIdsOfJSONTextsKeepTheirDigits(t *testing.T) {
	reader, _, is := findText(t, []string{"a"}, limits, given{body: `{"event": "a", "userId": 9007199254740993, "anonymousId": 98765432109876543210}`})
	require.Equal(t, 0, is)
	assert.Equal(t, "9007199254740993", reader.UserID())
	assert.Equal(t, "98765432109876543210", reader.DeviceID())
}

func TestSigns(t *testing.T) {
	for eventType, row := range map[string]struct{ in, out []string }{
		"$impression": {
			in:  []string{`{"event":"$impression"}`, `{"event":"\u0024impression"}`, `{"event":"\u0024\u0069mpression","a":"impression"}`},
			out: []string{`{"event":"impression"}`, `{"event":"$Impression"}`, `{"event":"a\"\u0024 b"}`},
		},
		"a/b c": {
			in:  []string{`{"event":"a/b c"}`, `{"event":"a\/b c"}`},
			out: []string{`{"event":"x"}`},
		},
		"$$$": {in: []string{`{"event":"$$$"}`, `{"event":"\u0024\u0024$"}`}, out: []string{`{"event":"$"}`}},
	} {
		s := newSign(eventType)
		for _, text := range row.in {
			assert.True(t, s.in(text), text)
		}
		for _, text := range row.out {
			assert.False(t, s.in(text), text)
		}
	}
}

func TestTextsWithoutImpressionAllocateNothing(t *testing.T) {
	layouts, err := Compile(defaults)
	require.NoError(t, err)
	reader := NewReader(layouts, []string{"$impression"}, limits)
	resource, record := recordOf(t, given{body: `{"event": "Product Viewed", "userId": "u"}`})
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		reader.Find(resource, record)
		reader.Reset()
	}))
}
