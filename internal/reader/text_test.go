// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

func TestJSONTexts(t *testing.T) {
	const text = `{"event": "$impression", "messageId": "i"}`
	track := func(more string) string { return `{"type": "track", "event": "$impression"` + more }
	segment, unread, other := Stats{ByLayout: []int64{0, 0, 1}}, Stats{ByLayout: []int64{0, 0, 0}, UnreadJSON: 1}, Stats{
		ByLayout: []int64{0, 0, 0}, NoLayout: 1,
	}
	for name, row := range map[string]struct {
		in given
		// finds is whether an event is found, parses whether its body is then the value of a text.
		finds, parses bool
		problem       Problem
		stats         Stats
	}{
		"an event":                          {in: given{body: " \r\n\t" + text}, finds: true, parses: true, stats: segment},
		"an event with an escaped type":     {in: given{body: `{"event": "\u0024impression", "messageId": "i"}`}, finds: true, parses: true, stats: segment},
		"an event with another type":        {in: given{body: `{"event": "$impression clicked", "messageId": "i"}`}, stats: segment},
		"an event without a word of it":     {in: given{body: `{"event": "Product Viewed", "messageId": "i"}`}, stats: unread},
		"the type under another key":        {in: given{body: `{"message": "$impression"}`}, stats: other},
		"not a track call":                  {in: given{body: `{"event": "$impression"}`}, stats: other},
		"a text that doesn't begin so":      {in: given{body: `$impression ` + text}, stats: other},
		"a string":                          {in: given{body: `"$impression"`}, stats: other},
		"an empty text":                     {in: given{body: ""}, stats: other},
		"white space":                       {in: given{body: "  "}, stats: other},
		"an empty list":                     {in: given{body: `["$impression"]`}, stats: other},
		"invalid JSON":                      {in: given{body: track("")}, problem: JSONInvalid, stats: other},
		"something behind the event":        {in: given{body: text + "x"}, problem: JSONInvalid, stats: other},
		"a text that is too deep":           {in: given{body: track(`, "properties": `) + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`}, problem: JSONTooDeep, stats: other},
		"a text that is too large":          {in: given{body: track(`, "filler": "`) + strings.Repeat("x", 4<<20) + `"}`}, problem: JSONTooLarge, stats: other},
		"a text of too many values":         {in: given{body: track(`, "filler": [`) + strings.Repeat("1,", 100_000) + `1]}`}, problem: JSONTooManyValues, stats: other},
		"a list of events and other things": {in: given{body: `["x", ` + text + `]`}, problem: MixedEvents, stats: other},
		"a text too large without the type": {in: given{body: `{"filler": "` + strings.Repeat("x", 4<<20) + `"}`}, stats: unread},
		"the text that the attributes were parsed from": {
			in: given{body: text, attributes: raw{"event": "$impression", "messageId": "i"}}, finds: true, stats: segment,
		},
		"beside an empty event type": {
			in: given{body: text, attributes: raw{"event": "", "event_type": ""}}, finds: true, parses: true, stats: segment,
		},
		"beside another call": {
			in: given{body: text, attributes: raw{"event": "received", "type": "webhook"}}, finds: true, parses: true, stats: segment,
		},
		"beside an attribute that no layout claims": {
			in: given{body: text, attributes: raw{"event": "received"}}, finds: true, parses: true, stats: segment,
		},
		"beside a list without an event": {
			in: given{body: text, attributes: raw{"batch": []any{"x", raw{"no": "event"}}}}, finds: true, parses: true, stats: segment,
		},
		"beside a mixed list in the attributes": {
			in: given{
				body:       `{"batch": ["$impression", ` + text + `]}`,
				attributes: raw{"batch": []any{raw{"event": "$impression", "messageId": "i"}, "x"}},
			},
			problem: MixedEvents, stats: other,
		},
		"the text of another event in the attributes": {
			in: given{body: `{"event": "Product $impression"}`, attributes: raw{"event": "Product $impression", "messageId": "i"}}, stats: segment,
		},
		"beside the EventName of another event": {
			in: given{name: "other", body: text}, stats: Stats{ByLayout: []int64{1, 0, 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			reader := newReader(t, []string{"$impression"}, defaults...)
			all, records := readRecord(t, reader, row.in)
			assert.Equal(t, &row.stats, reader.Stats())
			// Nothing has called SetType.
			require.Equal(t, 1, records.Len())
			assert.Equal(t, row.in.body, records.At(0).Body().AsRaw())
			if !row.finds && row.problem == NoProblem {
				assert.Empty(t, all)
				return
			}
			require.Len(t, all, 1)
			assert.Equal(t, row.problem, all[0].problem)
			assert.Equal(t, row.parses, all[0].bodyType == pcommon.ValueTypeMap)
		})
	}
}

func TestJSONTextsOfEnvelopesAreUnrolled(t *testing.T) {
	for _, text := range []string{
		`[{"event": "$impression", "messageId": "i"}]`, `{"batch": [{"event": "$impression", "messageId": "i"}]}`,
	} {
		reader := newReader(t, []string{"$impression"}, defaults...)
		all, records := readRecord(t, reader, given{body: text})
		assert.Equal(t, []string{"$impression"}, typesOf(all))
		require.Equal(t, 1, records.Len())
		assert.Equal(t, raw{"event": "$impression", "messageId": "i"}, records.At(0).Body().AsRaw())
		assert.Equal(t, &Stats{ByLayout: []int64{0, 0, 1}}, reader.Stats())
	}
}

func TestJSONTextIsReplacedIfItsEventIsChanged(t *testing.T) {
	first, second := `{"event":"a","userId":"1"}`, `{"event":"a","userId":"2"}`
	reader := newReader(t, []string{"a"}, defaults...)
	for name, row := range map[string]struct {
		changed string
		leave   bool
		want    []any
	}{
		"none":             {want: []any{first, second}},
		"none, left early": {leave: true, want: []any{first, second}},
		"the first":        {changed: "1", want: []any{raw{"event": "b", "userId": "1"}, second}},
		"the second":       {changed: "2", want: []any{first, raw{"event": "b", "userId": "2"}}},
		"left early":       {changed: "1", leave: true, want: []any{raw{"event": "b", "userId": "1"}, second}},
	} {
		t.Run(name, func(t *testing.T) {
			records := scopeOf(t, given{body: first}, given{body: second})
			for _, e := range reader.Events(pcommon.NewResource(), records) {
				assert.Equal(t, pcommon.ValueTypeMap, e.Record.Body().Type())
				if e.Text(event.UserID) == row.changed {
					e.SetType("b")
				}
				if row.leave {
					break
				}
			}
			assert.Equal(t, row.want, []any{records.At(0).Body().AsRaw(), records.At(1).Body().AsRaw()})
		})
	}
}

func TestChangesToAnEventWithoutSetTypeDoNotReachItsText(t *testing.T) {
	const text = `{"event":"a","userId":"1","properties":{"k":"v"}}`
	records := scopeOf(t, given{body: text})
	for _, e := range newReader(t, []string{"a"}, defaults...).Events(pcommon.NewResource(), records) {
		m, isMap := e.Map(event.Properties)
		require.True(t, isMap)
		m.PutStr("k", "changed")
	}
	assert.Equal(t, text, records.At(0).Body().Str()) //nolint:testifylint // Byte for byte, not as JSON.
}

func TestPathsToTheBodyReadParsedTexts(t *testing.T) {
	config := layout.Config{Paths: paths{
		"event_type": {`log.body["call"]["name"]`}, "properties": {`log.body["p"]`}, "user_id": {`log.body["u"]`}, "device_id": {`event["d"]`},
	}}
	want := identity{eventType: "a", userID: "u", deviceID: "d", properties: raw{"k": "v"}}
	text := `{"call": {"name": "a"}, "p": {"k": "v"}, "u": "u", "d": "d"}`
	assert.Equal(t, want, identityOf(t, []layout.Config{config}, given{body: text}))
	t.Run("in an envelope", func(t *testing.T) {
		assert.Equal(t, want, identityOf(t, []layout.Config{config}, given{body: `{"batch": [` + text + `]}`}))
	})
	t.Run("behind a layout that takes texts as event types", func(t *testing.T) {
		byText := layout.Config{Paths: paths{"event_type": {`log.body`}, "properties": {`log.attributes`}}}
		assert.Equal(t, identity{eventType: "a", properties: raw{}}, identityOf(t, []layout.Config{byText, config}, given{body: "a"}))
	})
}

func TestTextsAreNotParsedIfNoLayoutLooksIntoBodies(t *testing.T) {
	config := layout.Config{Paths: paths{"event_type": {`log.attributes["name"]`}, "properties": {`log.body`}}}
	const text = `{"name": "a"}`
	all, _ := readRecord(t, newReader(t, []string{"a"}, config), given{body: text})
	assert.Empty(t, all)
	all, _ = readRecord(t, newReader(t, []string{"a"}, config), given{body: text, attributes: raw{"name": "a"}})
	require.Len(t, all, 1)
	assert.Nil(t, all[0].maps[event.Properties])
	assert.Equal(t, pcommon.ValueTypeStr, all[0].bodyType)
}

func TestIDsInJSONTextsKeepTheirDigits(t *testing.T) {
	got := identityOf(t, defaults, given{body: `{"event": "a", "userId": 9007199254740993, "anonymousId": 98765432109876543210}`})
	assert.Equal(t, "9007199254740993", got.userID)
	assert.Equal(t, "98765432109876543210", got.deviceID)
}

func TestMarkers(t *testing.T) {
	for eventType, row := range map[string]struct{ in, out []string }{
		"$impression": {
			in: []string{
				`{"event":"$impression"}`, `{"event":"\u0024impression"}`, `{"event":"\u0024\u0069mpression","a":"impression"}`,
				`{"a":"\\","event":"\u0024impression"}`, `{"a":"\\\u0024","event":"\u0024impression"}`,
				`{"event":"$impressio\u006e"}`, `{"event":"$impressio\u006E"}`, `{"event":"a\"\u0024 b"}`, `{"event":"\ud83d\ude00"}`,
			},
			out: []string{
				`{"event":"impression"}`, `{"event":"$Impression"}`, `{"event":"a\"\u0041 b"}`, `{"event":"\u00"`, `{"event":"\\u0024impression"}`,
				`{"event":"\\\\u0024impression\\"}`, `{"event":"\"impression\n"}`, `\`, ``,
			},
		},
		"a/b c": {
			in:  []string{`{"event":"a/b c"}`, `{"event":"a\/b c"}`, `{"event":"a\u002fb c"}`},
			out: []string{`{"event":"x"}`},
		},
		`say "hello"`: {in: []string{`{"event":"say \"hello\""}`, `{"event":"say \u0022hello\u0022"}`}, out: []string{`{"event":"say"}`}},
		`back\slash`:  {in: []string{`{"event":"back\\slash"}`, `{"event":"back\u005cslash"}`}, out: []string{`{"event":"back"}`}},
		"line\nbreak": {in: []string{`{"event":"line\nbreak"}`, `{"event":"line\u000abreak"}`}, out: []string{`{"event":"line"}`}},
		"größe":       {in: []string{`{"event":"größe"}`, `{"event":"gr\u00f6\u00dfe"}`}, out: []string{`{"event":"grosse"}`}},
		"$$$":         {in: []string{`{"event":"$$$"}`, `{"event":"\u0024\u0024$"}`}, out: []string{`{"event":"$"}`}},
		"//":          {in: []string{`{"event":"\/\/"}`, `{"event":"//"}`}},
	} {
		texts := newTextReader(newMarkers([]string{"never", eventType}), limits)
		for _, text := range row.in {
			assert.True(t, texts.mayHold(text), text)
		}
		for _, text := range row.out {
			assert.False(t, texts.mayHold(text), text)
		}
	}
	anyType, none := newTextReader(newMarkers(nil), limits), newTextReader(newMarkers([]string{}), limits)
	assert.True(t, anyType.mayHold("{}"))
	assert.False(t, none.mayHold(`{"event":"\u0024"}`))
}

// TestEscapedTypesAreFound writes each type as a JSON encoder may.
func TestEscapedTypesAreFound(t *testing.T) {
	for eventType, spelled := range map[string][]string{
		"$impression": {`$impression`, `\u0024impression`, `\u0024impressio\u006e`},
		"a/b":         {`a/b`, `a\/b`, `a\u002Fb`},
		`say "hello"`: {`say \"hello\"`, `say \u0022hello\u0022`},
		"größe":       {`größe`, `gr\u00F6\u00dfe`},
		"$$":          {`$$`, `\u0024$`},
		"a\tb\\c":     {`a\tb\\c`, `a\u0009b\u005Cc`},
	} {
		for _, text := range spelled {
			all, _ := readRecord(t, newReader(t, []string{eventType}, defaults...), given{body: `{"event":"` + text + `","userId":"u"}`})
			assert.Equal(t, []string{eventType}, typesOf(all), text)
		}
	}
}
