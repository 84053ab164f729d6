// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// call returns a track call of type "a" with a user id.
func call(userID string) raw {
	return raw{"event": "a", "userId": userID}
}

// mixedScope returns records of each form, with events of type "a" of the users 0 to 9, in order.
func mixedScope(tb testing.TB) plog.LogRecordSlice {
	tb.Helper()
	return scopeOf(tb,
		given{body: "a line"},
		given{body: call("0")},
		given{body: raw{"batch": []any{call("1"), raw{"no": "event"}, raw{"events": []any{call("2"), call("3")}}}}},
		given{name: "other"},
		given{attributes: call("4")},
		given{body: `{"event": "a", "userId": "5"}`},
		given{body: `[{"event": "other", "userId": "x"}, {"event": "a", "userId": "6"}]`},
		given{body: "another line"},
		given{body: []any{call("7")}},
		given{attributes: raw{"events": []any{call("8"), raw{"no": "event"}}}},
		given{name: "a", attributes: raw{"user.id": "9"}},
		given{body: `{"event": "not a", "userId": "x"}`},
	)
}

// mixedScopeUsers are the users of mixedScope by the final index of their records.
var mixedScopeUsers = map[int]string{1: "0", 2: "1", 4: "2", 5: "3", 7: "4", 8: "5", 10: "6", 12: "7", 13: "8", 15: "9"}

func usersByIndex(all []yielded) map[int]string {
	users := map[int]string{}
	for i := range all {
		users[all[i].index] = all[i].texts[event.UserID]
	}
	return users
}

func rawOf(records plog.LogRecordSlice) []given {
	var all []given
	for _, record := range records.All() {
		all = append(all, given{name: record.EventName(), body: record.Body().AsRaw(), attributes: record.Attributes().AsRaw()})
	}
	return all
}

func TestEventsYieldsFinalIndexesInOrder(t *testing.T) {
	reader := newReader(t, []string{"a"}, defaults...)
	records := mixedScope(t)
	all := readAll(reader, pcommon.NewResource(), records)
	assert.Equal(t, mixedScopeUsers, usersByIndex(all))
	require.Equal(t, 17, records.Len())
	for i := range all {
		if i > 0 {
			assert.Greater(t, all[i].index, all[i-1].index)
		}
		alone := plog.NewLogRecordSlice()
		records.At(all[i].index).CopyTo(alone.AppendEmpty())
		again := readAll(reader, pcommon.NewResource(), alone)
		require.Len(t, again, 1)
		assert.Equal(t, all[i].texts, again[0].texts)
	}
}

func TestInsertedRecordsComeBeforeTheirEvents(t *testing.T) {
	reader := newReader(t, []string{"a"}, defaults...)
	records := mixedScope(t)
	places := map[int]string{}
	for i, e := range reader.Events(pcommon.NewResource(), records) {
		place := e.InsertBefore()
		assert.Equal(t, i, place)
		places[place] = e.Text(event.UserID)
	}
	require.Equal(t, 17+len(places), records.Len())
	for place, user := range places {
		update := records.At(place)
		assert.Equal(t, given{attributes: raw{}}, given{update.EventName(), update.Body().AsRaw(), update.Attributes().AsRaw(), nil})
		update.SetEventName("update of " + user)
	}
	var inOrder []string
	for i, e := range newReader(t, nil, defaults...).Events(pcommon.NewResource(), records) {
		if e.Text(event.Type) == "a" {
			require.Positive(t, i)
			inOrder = append(inOrder, records.At(i-1).EventName()+", "+e.Text(event.UserID))
		}
	}
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("update of %d, %d", i, i))
	}
	assert.Equal(t, want, inOrder)
}

func TestLeavingTheLoopEarlyKeepsAllRecords(t *testing.T) {
	whole := mixedScope(t)
	readAll(newReader(t, []string{"a"}, defaults...), pcommon.NewResource(), whole)
	reader := newReader(t, []string{"a"}, defaults...)
	for yields := 1; yields <= len(mixedScopeUsers); yields++ {
		records := mixedScope(t)
		seen := 0
		for i, e := range reader.Events(pcommon.NewResource(), records) {
			assert.Equal(t, mixedScopeUsers[i], e.Text(event.UserID))
			seen++
			if seen == yields {
				break
			}
		}
		require.Equal(t, yields, seen)
		// What the first loop didn't reach, the second does.
		assert.Equal(t, mixedScopeUsers, usersByIndex(readAll(reader, pcommon.NewResource(), records)), yields)
		assert.Equal(t, rawOf(whole), rawOf(records), yields)
	}
}

func TestReadingAgainChangesNothing(t *testing.T) {
	for _, types := range [][]string{{"a"}, nil} {
		reader := newReader(t, types, defaults...)
		records := mixedScope(t)
		first := readAll(reader, pcommon.NewResource(), records)
		before := rawOf(records)
		assert.Equal(t, first, readAll(reader, pcommon.NewResource(), records))
		assert.Equal(t, before, rawOf(records))
	}
}

func TestAnyTypeYieldsEveryRecord(t *testing.T) {
	reader := newReader(t, nil, defaults...)
	records := mixedScope(t)
	all := readAll(reader, pcommon.NewResource(), records)
	require.Len(t, all, records.Len())
	for i := range all {
		assert.Equal(t, i, all[i].index)
		assert.Zero(t, all[i].typeIndex)
		switch i {
		case 0, 3, 11, 14:
			assert.Equal(t, yielded{index: i, problem: NotAnEvent, bodyType: all[i].bodyType}, all[i])
		default:
			assert.Equal(t, NoProblem, all[i].problem, i)
			assert.NotEmpty(t, all[i].texts[event.Type], i)
		}
	}
}

func TestRecordsThatCannotBeReadAreYieldedWithTheirProblem(t *testing.T) {
	for _, types := range [][]string{{"a"}, nil} {
		records := scopeOf(t,
			given{body: call("0")}, given{body: `{"event": "a"`}, given{body: []any{call("1"), "x"}}, given{attributes: call("2")},
		)
		before := rawOf(records)
		all := readAll(newReader(t, types, defaults...), pcommon.NewResource(), records)
		require.Len(t, all, 4)
		// Nothing of the event that was read before shows.
		assert.Equal(t, yielded{index: 1, problem: JSONInvalid, bodyType: pcommon.ValueTypeStr}, all[1])
		assert.Equal(t, yielded{index: 2, problem: MixedEvents, bodyType: pcommon.ValueTypeSlice}, all[2])
		assert.Equal(t, map[int]string{0: "0", 1: "", 2: "", 3: "2"}, usersByIndex(all))
		assert.Equal(t, before, rawOf(records))
	}
}

func TestTypesWithoutAnEntryFindNothing(t *testing.T) {
	reader := newReader(t, []string{}, defaults...)
	records := scopeOf(t,
		given{name: "a"}, given{body: call("0")}, given{body: `{"event": "a", "userId": "\u0024"}`}, given{body: []any{call("1")}},
	)
	before := rawOf(records)
	assert.Empty(t, readAll(reader, pcommon.NewResource(), records))
	assert.Equal(t, before, rawOf(records))
}

// TestClonesReadConcurrently is for the race detector.
func TestClonesReadConcurrently(t *testing.T) {
	reader := newReader(t, []string{"a"}, defaults...)
	var running sync.WaitGroup
	for range 8 {
		clone := reader.Clone()
		running.Go(func() {
			for range 20 {
				records := mixedScope(t)
				assert.Equal(t, mixedScopeUsers, usersByIndex(readAll(clone, pcommon.NewResource(), records)))
				clone.Reset()
			}
		})
	}
	running.Wait()
	assert.Equal(t, &Stats{ByLayout: []int64{0, 0, 0}}, reader.Stats())
}

func TestResetLetsGoOfTheRecords(t *testing.T) {
	reader := newReader(t, []string{"a"}, defaults...)
	readAll(reader, pcommon.NewResource(), mixedScope(t))
	for _, e := range reader.Events(pcommon.NewResource(), scopeOf(t, given{body: `{"event": "a", "userId": "u"}`})) {
		e.SetType("b")
	}
	require.Equal(t, pcommon.ValueTypeStr, reader.text.original.Type(), "that of the text that was replaced")
	reader.Reset()
	assert.Equal(t, pcommon.ValueTypeEmpty, reader.text.original.Type())
	assert.Equal(t, plog.LogRecord{}, reader.event.Record)
	assert.Equal(t, pcommon.Map{}, reader.event.Root)
	assert.Empty(t, reader.event.Text(event.Type))
	assert.Zero(t, reader.source)
	for _, found := range []*finds{&reader.matcher.body, &reader.matcher.attributes, &reader.matcher.nested} {
		assert.Zero(t, found.present)
		for _, value := range found.values {
			assert.Zero(t, value)
		}
	}
	assert.Equal(t, mixedScopeUsers, usersByIndex(readAll(reader, pcommon.NewResource(), mixedScope(t))))
}

// allocations returns how many a loop over the events of a scope takes, after the first.
func allocations(r *Reader, records plog.LogRecordSlice) (perLoop float64, yields int) {
	resource := pcommon.NewResource()
	perLoop = testing.AllocsPerRun(100, func() {
		yields = 0
		for _, e := range r.Events(resource, records) {
			if e.Problem == NoProblem {
				yields++
			}
		}
		r.Reset()
	})
	return perLoop, yields
}

func TestScopesWithoutEventsCostNoAllocation(t *testing.T) {
	reader := newReader(t, []string{"$impression"}, defaults...)
	perLoop, yields := allocations(reader, scopeOf(t,
		given{name: "page.view", attributes: raw{"a": "b"}},
		given{name: "page.viewed", attributes: raw{"a": "b"}},
		given{body: "line", attributes: raw{"event": "a", "type": "track", "context": raw{}}},
		given{body: raw{"event": "a", "type": "page", "context": raw{}}},
		given{body: raw{"event": "a", "userId": "u"}},
		given{body: "line", attributes: raw{"log.file.name": "a.log"}},
		given{body: `{"event": "Product Viewed", "userId": "u"}`},
		given{body: raw{"batch": []any{raw{"event": "b", "userId": "u"}}}},
		given{body: []any{"x"}},
		given{},
	))
	assert.Zero(t, perLoop)
	assert.Zero(t, yields)
}

func TestEventsOfAnyTypeCostNoAllocation(t *testing.T) {
	for name, in := range map[string]given{
		"in the EventName":  {name: "page.view", attributes: raw{"user.id": "u"}},
		"in the attributes": {body: "line", attributes: raw{"event": "a", "userId": "u", "context": raw{"ip": "203.0.113.7"}}},
		"in the body":       {body: raw{"event_type": "a", "user_id": "u", "event_properties": raw{}}},
	} {
		perLoop, yields := allocations(newReader(t, nil, defaults...), scopeOf(t, in))
		assert.Zero(t, perLoop, name)
		assert.Equal(t, 1, yields, name)
	}
}

func TestResetLetsGoOfTheEnvelope(t *testing.T) {
	reader := newReader(t, []string{"a"}, defaults...)
	readAll(reader, pcommon.NewResource(), mixedScope(t))
	reader.Reset()
	assert.Zero(t, reader.found.envelope)
	assert.Zero(t, reader.found.claim)

	line := `{"batch": [{"event": "a", "userId": "u"}]}`
	readAll(reader, pcommon.NewResource(), scopeOf(t, given{body: line, attributes: raw{"batch": []any{raw{"event": "a", "userId": "u"}}}}))
	require.NotEqual(t, pcommon.ValueTypeEmpty, reader.text.parsed.Type(), "the value of the line")
	reader.Reset()
	assert.Equal(t, pcommon.ValueTypeEmpty, reader.text.parsed.Type())
}
