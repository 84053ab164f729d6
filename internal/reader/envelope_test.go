// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

func bodiesOf(records plog.LogRecordSlice) []any {
	var all []any
	for _, record := range records.All() {
		all = append(all, record.Body().AsRaw())
	}
	return all
}

// unrolled returns the bodies of the records that an envelope of events of type "a" becomes.
func unrolled(t *testing.T, body any) []any {
	t.Helper()
	all, records := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: body})
	require.NotEmpty(t, all)
	for i := range all {
		require.Equal(t, NoProblem, all[i].problem)
	}
	return bodiesOf(records)
}

func TestEnvelopes(t *testing.T) {
	events := []any{
		raw{"event": "other", "userId": "1"},
		raw{"event": "a", "userId": "2", "sentAt": "own", "context": nil},
		raw{"no": "event"},
	}
	want := []any{
		raw{"event": "other", "userId": "1", "sentAt": "common", "context": raw{"ip": "203.0.113.7"}},
		raw{"event": "a", "userId": "2", "sentAt": "own", "context": raw{"ip": "203.0.113.7"}},
		raw{"no": "event", "sentAt": "common", "context": raw{"ip": "203.0.113.7"}},
	}
	fields := func(key string) raw {
		return raw{"sentAt": "common", key: events, "context": raw{"ip": "203.0.113.7"}}
	}
	for _, key := range []string{"batch", "events"} {
		t.Run(key+" in the body", func(t *testing.T) {
			records := scopeOf(t, given{body: fields(key), attributes: raw{"log.file.name": "calls.ndjson"}})
			records.At(0).SetObservedTimestamp(7)
			records.At(0).SetTraceID(pcommon.TraceID{1})
			all := readAll(newReader(t, []string{"a"}, defaults...), pcommon.NewResource(), records)
			require.Len(t, all, 1)
			assert.Equal(t, 1, all[0].index)
			assert.Equal(t, "2", all[0].texts[event.UserID])
			assert.Equal(t, want, bodiesOf(records))
			for _, record := range records.All() {
				assert.Equal(t, raw{"log.file.name": "calls.ndjson"}, record.Attributes().AsRaw())
				assert.Equal(t, pcommon.Timestamp(7), record.ObservedTimestamp())
				assert.Equal(t, pcommon.TraceID{1}, record.TraceID())
			}
		})
		t.Run(key+" in the attributes", func(t *testing.T) {
			all, records := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: "the line", attributes: fields(key)})
			require.Len(t, all, 1)
			assert.Equal(t, 1, all[0].index)
			assert.Equal(t, []any{"the line", nil, nil}, bodiesOf(records))
			for i, record := range records.All() {
				assert.Equal(t, want[i], record.Attributes().AsRaw())
			}
		})
	}
	t.Run("a list", func(t *testing.T) {
		assert.Equal(t, events, unrolled(t, events))
	})
	t.Run("beside an empty list, or something else under the other key", func(t *testing.T) {
		for _, other := range []any{[]any{}, []any{"x"}, raw{"event": "a", "userId": "u"}, "x", 3, nil} {
			for key, otherKey := range map[string]string{"batch": "events", "events": "batch"} {
				bodies := unrolled(t, raw{key: []any{call("1"), call("2")}, otherKey: other})
				assert.Len(t, bodies, 2)
			}
		}
	})
}

func TestRecordsThatAreNotEnvelopes(t *testing.T) {
	a, other := call("u"), raw{"event": "other", "userId": "u"}
	for name, row := range map[string]struct {
		body    any
		problem Problem
	}{
		"without a listed event":                 {body: raw{"batch": []any{other}}},
		"another call with the name":             {body: raw{"batch": []any{raw{"event": "a", "userId": "u", "type": "page"}}}},
		"no layout claims the event":             {body: raw{"batch": []any{raw{"event": "a"}}}},
		"a list of other things":                 {body: []any{"a", 3}},
		"an empty list":                          {body: raw{"events": []any{}}},
		"an empty body":                          {body: []any{}},
		"a list under another key":               {body: raw{"items": []any{a}}},
		"a map under the key":                    {body: raw{"batch": a}},
		"a list of another event and a string":   {body: []any{other, "a"}},
		"two lists of other events":              {body: raw{"batch": []any{other}, "events": []any{other}}},
		"an event and a string":                  {body: []any{a, "a"}, problem: MixedEvents},
		"an event and null":                      {body: []any{a, nil}, problem: MixedEvents},
		"two lists of events":                    {body: raw{"batch": []any{a}, "events": []any{a}}, problem: MixedEvents},
		"two lists, one of listed events":        {body: raw{"batch": []any{other}, "events": []any{a}}, problem: MixedEvents},
		"an event beside a list":                 {body: raw{"batch": []any{a, []any{}}}, problem: MixedEvents},
		"a mixed list in a batch":                {body: []any{raw{"batch": []any{a, 3}}}, problem: MixedEvents},
		"a batch in a mixed list":                {body: []any{"x", raw{"batch": []any{a}}}, problem: MixedEvents},
		"two lists in a list":                    {body: []any{raw{"batch": []any{a}, "events": []any{other}}}, problem: MixedEvents},
		"a batch without listed event in a list": {body: []any{raw{"batch": []any{other}}}},
	} {
		t.Run(name, func(t *testing.T) {
			for place, in := range map[string]given{"body": {body: row.body}, "attributes": {body: "a line"}} {
				if place == "attributes" {
					m, isMap := row.body.(raw)
					if !isMap {
						continue
					}
					in.attributes = m
				}
				records := scopeOf(t, in)
				before := rawOf(records)
				all := readAll(newReader(t, []string{"a"}, defaults...), pcommon.NewResource(), records)
				if row.problem == NoProblem {
					assert.Empty(t, all, place)
				} else {
					require.Len(t, all, 1, place)
					assert.Equal(t, row.problem, all[0].problem, place)
				}
				assert.Equal(t, before, rawOf(records), place)
			}
		})
	}
}

func TestMapThatALayoutClaimsIsNotAnEnvelope(t *testing.T) {
	for name, body := range map[string]raw{
		"segment":             {"event": "a", "userId": "u", "batch": []any{call("inner")}},
		"amplitude":           {"event_type": "a", "user_id": "u", "events": []any{call("inner")}},
		"of a type not asked": {"event": "other", "userId": "u", "batch": []any{call("inner")}},
	} {
		t.Run(name, func(t *testing.T) {
			all, records := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: body})
			assert.Equal(t, []any{body}, bodiesOf(records))
			for i := range all {
				assert.Equal(t, "u", all[i].texts[event.UserID])
			}
		})
		t.Run(name+" in an envelope", func(t *testing.T) {
			assert.Equal(t, []any{body, call("beside")}, unrolled(t, []any{body, call("beside")}))
		})
	}
}

// nested returns an event within so many envelopes, each of which has a field of its own. The outermost is a list.
func nested(of raw, levels int) any {
	var body any = of
	for level := range levels - 1 {
		body = raw{[]string{"batch", "events"}[level%2]: []any{body}, fmt.Sprint("level ", levels-level): true}
	}
	return []any{body}
}

func TestEnvelopesAreSearchedThreeLevelsDeep(t *testing.T) {
	assert.Equal(t, []any{call("u")}, unrolled(t, nested(call("u"), 1)))
	assert.Equal(t, []any{raw{"event": "a", "userId": "u", "level 2": true}}, unrolled(t, nested(call("u"), 2)))
	assert.Equal(t, []any{raw{"event": "a", "userId": "u", "level 2": true, "level 3": true}}, unrolled(t, nested(call("u"), 3)))
	for _, levels := range []int{4, 5, 20} {
		body := nested(call("u"), levels)
		all, records := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: body})
		require.Len(t, all, 1)
		assert.Equal(t, yielded{problem: EnvelopeTooDeep, bodyType: pcommon.ValueTypeSlice}, all[0])
		assert.Equal(t, []any{body}, bodiesOf(records))
		all, _ = readRecord(t, newReader(t, []string{"other"}, defaults...), given{body: body})
		assert.Empty(t, all)
	}
}

func TestEnvelopesAreUnrolledCompletely(t *testing.T) {
	body := []any{
		nested(raw{"event": "a", "userId": "deep"}, 6).([]any)[0],
		call("listed"),
		nested(raw{"event": "other", "userId": "deep"}, 5).([]any)[0],
		raw{"batch": []any{}},
		raw{"batch": []any{"x"}},
	}
	all, records := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: body})
	assert.Equal(t, map[int]string{0: "deep", 1: "listed"}, usersByIndex(all))
	assert.Equal(t, 5, records.Len())
	assert.Equal(t, raw{"batch": []any{"x"}}, records.At(4).Body().AsRaw())
	assert.Equal(t, "other", records.At(2).Body().AsRaw().(raw)["event"])
}

func TestNeighborsDoNotChangeWhatBecomesOfAnEnvelope(t *testing.T) {
	envelopes := []any{
		nested(call("u"), 3), nested(call("u"), 4),
		[]any{raw{"event": "other", "userId": "u"}},
		[]any{call("u"), "x"},
		raw{"batch": []any{raw{"no": "event"}, raw{"batch": []any{call("u")}}}},
		raw{"sentAt": "x", "events": []any{call("u"), call("v")}},
	}
	reader := newReader(t, []string{"a"}, defaults...)
	for _, one := range envelopes {
		_, alone := readRecord(t, reader, given{body: one})
		for _, neighbor := range envelopes {
			before := scopeOf(t, given{body: neighbor})
			readAll(reader, pcommon.NewResource(), before)
			records := scopeOf(t, given{body: neighbor}, given{body: one}, given{body: neighbor})
			readAll(reader, pcommon.NewResource(), records)
			after := before.Len()
			require.Equal(t, 2*after+alone.Len(), records.Len())
			assert.Equal(t, rawOf(alone), rawOf(records)[after:after+alone.Len()])
		}
	}
}

func TestEventsGetTheEnvelopesFieldsThatTheyLack(t *testing.T) {
	for name, row := range map[string]struct {
		fields, event, want raw
	}{
		"fields":                {raw{"sentAt": "s", "context": raw{"ip": "i"}}, call("u"), raw{"event": "a", "userId": "u", "sentAt": "s", "context": raw{"ip": "i"}}},
		"an identity":           {raw{"userId": "common"}, raw{"event": "a", "type": "track"}, raw{"event": "a", "type": "track", "userId": "common"}},
		"the event's own":       {raw{"userId": "common", "sentAt": "s"}, raw{"event": "a", "userId": "u", "sentAt": "own"}, raw{"event": "a", "userId": "u", "sentAt": "own"}},
		"a map of its own":      {raw{"context": raw{"ip": "i"}}, raw{"event": "a", "userId": "u", "context": raw{}}, raw{"event": "a", "userId": "u", "context": raw{}}},
		"null is replaced":      {raw{"userId": "common", "sentAt": "s"}, raw{"event": "a", "type": "track", "userId": nil, "sentAt": nil}, raw{"event": "a", "type": "track", "userId": "common", "sentAt": "s"}},
		"an empty text is kept": {raw{"sentAt": "s"}, raw{"event": "a", "userId": "u", "sentAt": ""}, raw{"event": "a", "userId": "u", "sentAt": ""}},
		"null of the envelope":  {raw{"sentAt": nil}, call("u"), raw{"event": "a", "userId": "u", "sentAt": nil}},
		"recognition by type":   {raw{"type": "batch", "event": "x", "event_type": "", "event.name": ""}, call("u"), call("u")},
		"insert ids":            {raw{"messageId": "i", "insert_id": "i", "$insert_id": "i"}, call("u"), call("u")},
		"insert ids, if null":   {raw{"messageId": "i"}, raw{"event": "a", "userId": "u", "messageId": nil}, raw{"event": "a", "userId": "u", "messageId": nil}},
		"credentials": {
			raw{"api_key": "k", "writeKey": "k", "write_key": "k", "token": "k", "tokens": "t"},
			call("u"),
			raw{"event": "a", "userId": "u", "tokens": "t"},
		},
		"the event's own time": {
			raw{"timestamp": "t", "sentAt": "s", "time": "t"},
			raw{"event": "a", "userId": "u", "originalTimestamp": "o"},
			raw{"event": "a", "userId": "u", "originalTimestamp": "o", "time": "t"},
		},
		"a time of the event that is null": {
			raw{"timestamp": "t"},
			raw{"event": "a", "userId": "u", "originalTimestamp": nil},
			raw{"event": "a", "userId": "u", "originalTimestamp": nil, "timestamp": "t"},
		},
		"a time of the event that is empty": {
			raw{"timestamp": "t"},
			raw{"event": "a", "userId": "u", "originalTimestamp": ""},
			raw{"event": "a", "userId": "u", "originalTimestamp": "", "timestamp": "t"},
		},
		"the event's own device": {
			raw{"anonymousId": "common"},
			raw{"event": "a", "userId": "u", "context": raw{"device": raw{"id": "d"}}},
			raw{"event": "a", "userId": "u", "context": raw{"device": raw{"id": "d"}}},
		},
		"the event's own device, before one in a map": {
			raw{"context": raw{"device": raw{"id": "common", "type": "ios"}, "ip": "i"}},
			raw{"event": "a", "anonymousId": "d"},
			raw{"event": "a", "anonymousId": "d", "context": raw{"device": raw{"type": "ios"}, "ip": "i"}},
		},
		"an export's time": {
			raw{"time": "t", "session_id": 7},
			raw{"event_type": "a", "event_time": "e"},
			raw{"event_type": "a", "event_time": "e", "session_id": int64(7)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			row.fields["batch"] = []any{row.event}
			assert.Equal(t, []any{row.want}, unrolled(t, row.fields))
			delete(row.fields, "batch")
			row.fields["events"] = []any{raw{"batch": []any{row.event}}}
			assert.Equal(t, []any{row.want}, unrolled(t, row.fields), "from the outer of two envelopes")
			row.fields["events"] = []any{row.event}
			_, records := readRecord(t, newReader(t, []string{"a"}, defaults...), given{attributes: row.fields})
			assert.Equal(t, row.want, records.At(0).Attributes().AsRaw(), "in the attributes")
			_, records = readRecord(t, newReader(t, nil, defaults...), given{body: row.fields})
			assert.Equal(t, []any{row.want}, bodiesOf(records), "any type")
		})
	}
}

func TestInnerEnvelopesGoBeforeOuterOnes(t *testing.T) {
	body := raw{
		"sentAt": "outer", "timestamp": "outer", "outer": true,
		"batch": []any{
			raw{"sentAt": "inner", "inner": true, "messageId": "not handed on", "events": []any{call("1")}},
			raw{"originalTimestamp": "inner", "events": []any{call("2")}},
			call("3"),
		},
	}
	assert.Equal(t, []any{
		// The inner envelope's time goes before the outer's, under whatever path.
		raw{"event": "a", "userId": "1", "sentAt": "inner", "inner": true, "outer": true},
		raw{"event": "a", "userId": "2", "originalTimestamp": "inner", "outer": true},
		raw{"event": "a", "userId": "3", "sentAt": "outer", "timestamp": "outer", "outer": true},
	}, unrolled(t, body))
}

func TestInsertIDsWithinMapsAreNotHandedOn(t *testing.T) {
	config := layout.Config{Paths: paths{
		"event_type": {`event["name"]`}, "properties": {`event["p"]`}, "insert_id": {`event["meta"]["id"]`},
	}}
	_, records := readRecord(t, newReader(t, nil, config), given{body: raw{
		"meta": raw{"id": "envelope's", "host": "h"}, "batch": []any{raw{"name": "a"}, raw{"name": "a", "meta": raw{"id": "own"}}},
	}})
	assert.Equal(t, []any{
		raw{"name": "a", "meta": raw{"host": "h"}}, raw{"name": "a", "meta": raw{"id": "own"}},
	}, bodiesOf(records))
}

func TestEventsMeetAConditionByTheirEnvelopesFields(t *testing.T) {
	reader := newReader(t, []string{"a"}, defaults...)
	for name, row := range map[string]struct {
		body  raw
		finds bool
	}{
		"a user id":              {raw{"userId": "u", "batch": []any{raw{"event": "a"}}}, true},
		"of the outer envelope":  {raw{"userId": "u", "batch": []any{raw{"events": []any{raw{"event": "a"}}}}}, true},
		"a message id":           {raw{"messageId": "i", "batch": []any{raw{"event": "a"}}}, false},
		"the type":               {raw{"type": "track", "batch": []any{raw{"event": "a"}}}, false},
		"a type that says other": {raw{"userId": "u", "batch": []any{raw{"event": "a", "type": "page"}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			all, _ := readRecord(t, reader, given{body: row.body})
			assert.Equal(t, row.finds, len(typesOf(all)) == 1)
			assert.Equal(t, row.finds, len(all) == 1)
		})
	}
}

// TestFieldsThatAnEventDoesNotGetDoNotMeetItsCondition has envelopes with a field that meets a condition, and events that
// don't get it: they aren't events then, and their envelopes hold none.
func TestFieldsThatAnEventDoesNotGetDoNotMeetItsCondition(t *testing.T) {
	for name, row := range map[string]struct {
		config layout.Config
		body   raw
	}{
		"an anonymous id beside the event's own device": {layout.Config{Preset: "segment"}, raw{
			"anonymousId": "d", "batch": []any{raw{"event": "a", "context": raw{"device": raw{"id": "d"}}}},
		}},
		"properties beside the event's own": {layout.Config{Preset: "posthog"}, raw{
			"properties": raw{"distinct_id": "u"}, "batch": []any{raw{"event": "a", "properties": raw{}}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			records := scopeOf(t, given{body: row.body})
			before := rawOf(records)
			if all := readAll(newReader(t, []string{"a"}, row.config), pcommon.NewResource(), records); len(all) == 0 {
				assert.Equal(t, before, rawOf(records))
			}
		})
	}
	t.Run("with an envelope inside", func(t *testing.T) {
		records := scopeOf(t, given{body: raw{"anonymousId": "d", "batch": []any{
			raw{"event": "a", "context": raw{"device": raw{"id": "d"}}, "events": []any{call("u")}},
		}}})
		reader := newReader(t, []string{"a"}, defaults...)
		for _, e := range reader.Events(pcommon.NewResource(), records) {
			if assert.Equal(t, "a", e.Text(event.Type)) {
				// It panics if no layout has claimed the event.
				e.SetType("a")
			}
		}
		before := rawOf(records)
		readAll(reader, pcommon.NewResource(), records)
		assert.Equal(t, before, rawOf(records), "a second run changes more")
	})
}

func TestBatchesOfMParticle(t *testing.T) {
	custom := func(name string) raw {
		return raw{"event_type": "custom_event", "data": raw{"event_name": name, "source_message_id": name}}
	}
	all, records := readRecord(t, newReader(t, nil, layout.Config{Preset: "mparticle"}), given{body: raw{
		"mpid": "7346244611012968789", "mp_deviceid": "d", "user_identities": raw{"customer_id": "u"}, "ip": "203.0.113.7",
		"events": []any{custom("a"), raw{"event_type": "screen_view", "data": raw{"screen_name": "s"}}, custom("b")},
	}})
	require.Equal(t, 3, records.Len())
	assert.Equal(t, []string{"a", "b"}, typesOf(all))
	for _, i := range []int{0, 2} {
		assert.Equal(t, "u", all[i].texts[event.UserID])
		assert.Equal(t, "d", all[i].texts[event.DeviceID])
		assert.Equal(t, all[i].texts[event.Type], all[i].texts[event.InsertID])
		assert.Equal(t, "203.0.113.7", all[i].texts[event.IP])
	}
	assert.Equal(t, NotAnEvent, all[1].problem)
}

func TestEnvelopesThatWouldGrowTooMuchAreLeft(t *testing.T) {
	context, events := raw{}, make([]any, 500)
	for i := range 1000 {
		context[strconv.Itoa(i)] = i
	}
	for i := range events {
		events[i] = call("u")
	}
	long := strings.Repeat("x", 20<<10)
	for name, in := range map[string]given{
		"in the body":            {body: raw{"context": context, "batch": events}},
		"in the attributes":      {attributes: raw{"context": context, "batch": events}},
		"around it":              {body: raw{"batch": events}, attributes: context},
		"around a list":          {body: events, attributes: context},
		"a long text":            {body: raw{"filler": long, "batch": events}},
		"a long text around it":  {body: raw{"batch": events}, attributes: raw{"filler": long}},
		"a long key":             {body: raw{long: true, "batch": events}},
		"of an inner envelope":   {body: []any{raw{"filler": long, "batch": events}}},
		"of an outer envelope":   {body: raw{"filler": long, "batch": []any{raw{"batch": events[:250]}, raw{"batch": events[:250]}}}},
		"a text in the body too": {body: raw{"batch": []any{raw{"no": "event"}}}, attributes: raw{"filler": long, "batch": events}},
	} {
		t.Run(name, func(t *testing.T) {
			records := scopeOf(t, in)
			before := rawOf(records)
			all := readAll(newReader(t, []string{"a"}, defaults...), pcommon.NewResource(), records)
			require.Len(t, all, 1)
			assert.Equal(t, EnvelopeTooLarge, all[0].problem)
			assert.Equal(t, before, rawOf(records))
		})
	}
	for name, row := range map[string]struct {
		body   raw
		events int
	}{
		"a small field":                  {raw{"context": raw{"ip": "203.0.113.7"}, "batch": events}, 500},
		"few events":                     {raw{"context": context, "batch": events[:4]}, 4},
		"a long text that isn't copied":  {raw{"api_key": long, "event": long, "batch": events}, 500},
		"a long text in one event":       {raw{"batch": append([]any{raw{"event": "a", "userId": long}}, events...)}, 501},
		"a long text beside inner lists": {raw{"batch": append([]any{raw{"filler": long, "batch": events[:9]}}, events...)}, 509},
	} {
		t.Run(name, func(t *testing.T) {
			all, records := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: row.body})
			assert.Len(t, all, row.events)
			assert.Equal(t, row.events, records.Len())
		})
	}
}

func TestEnvelopesMayCopyAtLeast256KiB(t *testing.T) {
	const events, overhead = 64, recordSize + 16 + len("filler") + 16
	for more, want := range []Problem{NoProblem, EnvelopeTooLarge} {
		list := make([]any, events)
		for i := range list {
			list[i] = call("u")
		}
		body := raw{"filler": strings.Repeat("x", 256<<10/events-overhead+more), "batch": list}
		all, _ := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: body})
		require.NotEmpty(t, all)
		assert.Equal(t, want, all[0].problem)
	}
}

func TestEnvelopesInBodyAndAttributes(t *testing.T) {
	a, other := []any{call("1"), call("2")}, []any{raw{"event": "other", "userId": "u"}}
	read := func(in given) ([]yielded, plog.LogRecordSlice) {
		return readRecord(t, newReader(t, []string{"a"}, defaults...), in)
	}
	t.Run("both have events", func(t *testing.T) {
		all, records := read(given{body: raw{"batch": a}, attributes: raw{"batch": a}})
		require.Len(t, all, 1)
		assert.Equal(t, MixedEvents, all[0].problem)
		assert.Equal(t, []given{{body: raw{"batch": a}, attributes: raw{"batch": a}}}, rawOf(records))
	})
	t.Run("the body has events", func(t *testing.T) {
		all, records := read(given{body: raw{"batch": a}, attributes: raw{"batch": other}})
		assert.Equal(t, map[int]string{0: "1", 1: "2"}, usersByIndex(all))
		assert.Equal(t, []given{
			{body: a[0], attributes: raw{"batch": other}}, {body: a[1], attributes: raw{"batch": other}},
		}, rawOf(records))
	})
	t.Run("the attributes have events", func(t *testing.T) {
		for _, body := range []any{
			raw{"batch": other}, other, raw{"k": "v"}, "a line", "[INFO] a line", `{"k": "v"}`, `{"batch": [{"k": "v"}]}`,
		} {
			all, records := read(given{body: body, attributes: raw{"batch": a}})
			assert.Equal(t, map[int]string{0: "1", 1: "2"}, usersByIndex(all))
			assert.Equal(t, []given{{body: body, attributes: a[0].(raw)}, {attributes: a[1].(raw)}}, rawOf(records))
		}
	})
	t.Run("a line stays with the first, another JSON text with the first event", func(t *testing.T) {
		for body, want := range map[string][]any{"a line": {"a line", nil}, `{"k": "v"}`: {nil, `{"k": "v"}`}} {
			all, records := read(given{body: body, attributes: raw{"batch": []any{raw{"no": "event"}, call("u")}}})
			assert.Equal(t, map[int]string{1: "u"}, usersByIndex(all))
			assert.Equal(t, want, bodiesOf(records))
		}
	})
	t.Run("the JSON text that the attributes were parsed from is dropped", func(t *testing.T) {
		all, records := read(given{
			body:       `{"batch": [{"type": "identify"}, {"event": "a", "userId": "u"}]}`,
			attributes: raw{"batch": []any{raw{"type": "identify"}, call("u")}},
		})
		assert.Equal(t, map[int]string{1: "u"}, usersByIndex(all))
		assert.Equal(t, []given{{attributes: raw{"type": "identify"}}, {attributes: call("u")}}, rawOf(records))
	})
}

func TestEventsDoNotShareAnInsertIDOfTheRecord(t *testing.T) {
	config := layout.Config{Paths: map[string][]string{
		"event_type": {`event["event"]`}, "properties": {`event["properties"]`}, "insert_id": {`log.attributes["rid"]`},
	}}
	for name, row := range map[string]struct {
		body any
		want []any
	}{
		"one event":  {raw{"batch": []any{raw{"event": "a"}}}, []any{"r-1"}},
		"two events": {raw{"batch": []any{raw{"event": "a"}, raw{"event": "a"}}}, []any{nil, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			layouts, err := layout.Compile([]layout.Config{config})
			require.NoError(t, err)
			records := plog.NewLogRecordSlice()
			resource, record := recordOf(t, given{body: row.body, attributes: raw{"rid": "r-1", "kept": "k"}})
			record.MoveTo(records.AppendEmpty())
			for range New(Settings{Layouts: layouts, Types: []string{"a"}, Fields: event.Fields(), Limits: limits}).Events(resource, records) {
			}
			var ids []any
			for _, record := range records.All() {
				ids = append(ids, record.Attributes().AsRaw()["rid"])
				assert.Equal(t, "k", record.Attributes().AsRaw()["kept"])
			}
			assert.Equal(t, row.want, ids)
		})
	}
}

func TestEventInAListWithinAListIsMixed(t *testing.T) {
	for _, body := range []any{[]any{[]any{call("u")}}, raw{"batch": []any{[]any{call("u")}}}} {
		all, _ := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: body})
		require.Len(t, all, 1)
		assert.Equal(t, MixedEvents, all[0].problem)
	}
}

// TestEventsOfEnvelopesAreClaimedAtTheirPlace has layouts with paths to one of the places at which an envelope's events can
// end: they claim an event within an envelope if they claim the same event without one.
func TestEventsOfEnvelopesAreClaimedAtTheirPlace(t *testing.T) {
	to := func(start string) layout.Config {
		return layout.Config{Paths: paths{
			"event_type": {start + `["name"]`}, "properties": {`event`}, "insert_id": {start + `["id"]`},
		}}
	}
	for name, row := range map[string]struct {
		start string
		event raw
		finds func(in given) bool
	}{
		"a path to the attributes": {
			`log.attributes`, raw{"name": "a"}, func(in given) bool { return in.attributes != nil },
		},
		"a path to the body": {`log.body`, raw{"name": "a"}, func(in given) bool { return in.body != nil }},
		"another layout behind it": {
			`log.attributes`, raw{"name": "b", "event_type": "a"}, func(in given) bool { return in.body != nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			envelope := raw{"id": "the envelope's", "batch": []any{row.event}}
			for _, in := range []given{{body: row.event}, {attributes: row.event}, {body: envelope}, {attributes: envelope}} {
				records := scopeOf(t, in)
				before := rawOf(records)
				reader := newReader(t, []string{"a"}, to(row.start), layout.Config{Preset: "amplitude"})
				all := readAll(reader, pcommon.NewResource(), records)
				if !row.finds(in) {
					assert.Empty(t, all)
					assert.Equal(t, before, rawOf(records))
					continue
				}
				if assert.Len(t, all, 1) {
					assert.Empty(t, all[0].texts[event.InsertID], "insert ids aren't handed on")
				}
			}
		})
	}
}

func TestEnvelopesBeyondMaxNestingAreLeft(t *testing.T) {
	nested := func(levels int) any {
		var body any = call("inner")
		for range levels {
			body = raw{"batch": []any{call("u"), body}}
		}
		return body
	}
	all, records := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: nested(maxNesting)})
	assert.Len(t, all, maxNesting+1)
	assert.Equal(t, maxNesting+1, records.Len())

	all, records = readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: nested(maxNesting + 1)})
	require.Len(t, all, 1)
	assert.Equal(t, EnvelopeTooDeep, all[0].problem)
	assert.Equal(t, 1, records.Len())
}

func TestEventsOnlyBeyondMaxNestingAreTooDeep(t *testing.T) {
	var body any = call("inner")
	for range maxNesting + 1 {
		body = raw{"batch": []any{body}}
	}
	all, _ := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: body})
	require.Len(t, all, 1)
	assert.Equal(t, EnvelopeTooDeep, all[0].problem)
}

// TestUnrollAll unrolls envelopes without an event of any type.
func TestUnrollAll(t *testing.T) {
	layouts, err := layout.CompilePresets()
	require.NoError(t, err)
	deep := any(raw{"batch": []any{raw{"a": int64(1)}}})
	for range maxLevels + 1 {
		deep = raw{"batch": []any{deep}}
	}
	for name, test := range map[string]struct {
		body any
		want []any
	}{
		"no event":      {raw{"batch": []any{raw{"type": "identify"}, raw{"type": "page"}}, "sentAt": "s"}, []any{raw{"type": "identify", "sentAt": "s"}, raw{"type": "page", "sentAt": "s"}}},
		"list":          {[]any{raw{"a": int64(1)}, raw{"events": []any{raw{"b": int64(2)}}}}, []any{raw{"a": int64(1)}, raw{"b": int64(2)}}},
		"deep":          {deep, []any{raw{"a": int64(1)}}},
		"event":         {raw{"event_type": "e", "events": []any{raw{"b": int64(2)}}}, []any{raw{"event_type": "e", "events": []any{raw{"b": int64(2)}}}}},
		"not maps":      {raw{"events": []any{int64(1)}}, []any{raw{"events": []any{int64(1)}}}},
		"neither":       {raw{"a": int64(1)}, []any{raw{"a": int64(1)}}},
		"Tealium event": {raw{"tealium_event": "e", "events": []any{raw{"b": int64(2)}}}, []any{raw{"tealium_event": "e", "events": []any{raw{"b": int64(2)}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			records := scopeOf(t, given{body: test.body})
			r := New(Settings{Layouts: layouts, UnrollAll: true}).Clone()
			readAll(r, pcommon.NewResource(), records)
			assert.Equal(t, test.want, bodiesOf(records))
		})
	}
}
