// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// entry is an entry of a map whose keys may be repeated.
type entry struct {
	key   string
	value any
}

func traitsOf(t *testing.T, entries ...entry) *event.Event {
	t.Helper()
	var builder xpdata.MapBuilder
	for _, e := range entries {
		require.NoError(t, builder.AppendEmpty(e.key).FromRaw(e.value))
	}
	m := pcommon.NewMap()
	builder.UnsafeIntoMap(m)
	e := with(given{event.UserProperties: m})
	e.UserTraits = true
	return e
}

func TestTraits(t *testing.T) {
	long := strings.Repeat("k", MaxStringLength)
	object := func(entries ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(entries); i += 2 {
			m[entries[i].(string)] = entries[i+1]
		}
		return m
	}
	for name, test := range map[string]struct {
		traits  []entry
		want    string
		changed [Changes]int64
	}{
		"none":     {nil, `{}`, changed()},
		"ids only": {[]entry{{"userId", "u"}, {"anonymousId", nil}}, `{}`, changed()},
		"set":      {[]entry{{"a", 1}, {"b", object("c", nil)}}, `{"user_properties":{"$set":{"a":1,"b":{"c":null}}}}`, changed()},
		"unset":    {[]entry{{"a", nil}}, `{"user_properties":{"$unset":{"a":"-"}}}`, changed()},
		"both":     {[]entry{{"a", nil}, {"b", 1}, {"c", nil}}, `{"user_properties":{"$set":{"b":1},"$unset":{"a":"-","c":"-"}}}`, changed()},
		"the first counts": {
			[]entry{{"a", 1}, {"a", nil}, {"b", nil}, {"b", 2}},
			`{"user_properties":{"$set":{"a":1},"$unset":{"b":"-"}}}`, changed(RepeatedKey, RepeatedKey),
		},
		"repeated, all null": {[]entry{{"a", nil}, {"a", nil}}, `{"user_properties":{"$unset":{"a":"-"}}}`, changed(RepeatedKey)},
		"keys that are cut to the same": {
			[]entry{{long + "1", nil}, {long + "2", nil}, {long, 1}}, `{"user_properties":{"$unset":{"` + long + `":"-"}}}`, changed(TooLong, RepeatedKey, RepeatedKey),
		},
		"operations": {
			[]entry{{"$add", object("n", 1)}, {"a", 1}, {"$set", object("b", nil)}, {"$remove", object("l", []any{1})}},
			`{"user_properties":{"$set":{"a":1},"$unset":{"b":"-"},"$add":{"n":1},"$remove":{"l":[1]}}}`, changed(),
		},
		"an unset of any value":      {[]entry{{"$unset", object("a", 5)}}, `{"user_properties":{"$unset":{"a":"-"}}}`, changed()},
		"two operations on one":      {[]entry{{"$add", object("n", 1)}, {"$setOnce", object("n", 2)}, {"x", 1}}, `{"user_properties":{"$set":{"x":1},"$add":{"n":1}}}`, changed(RepeatedKey)},
		"an operation without a map": {[]entry{{"$add", 1}, {"a", 1}}, `{"user_properties":{"$set":{"a":1}}}`, changed(NotOperation)},
		"empty operations":           {[]entry{{"$set", object()}, {"$add", nil}}, `{}`, changed()},
		"not an operation's name":    {[]entry{{"$city", "Lyon"}, {"", 1}}, `{"user_properties":{"$set":{"$city":"Lyon","":1}}}`, changed()},
	} {
		t.Run(name, func(t *testing.T) {
			e := traitsOf(t, test.traits...)
			got, changes := encoded(e)
			assertText(t, test.want, got)
			assert.Equal(t, test.changed, changes)
			m, _ := e.Map(event.UserProperties)
			assert.Equal(t, test.want != `{}`, HasTraits(m))
		})
	}
	assert.False(t, HasTraits(pcommon.Map{}))
}

func TestManyTraits(t *testing.T) {
	var entries []entry
	set, unset := map[string]any{}, map[string]any{}
	for i := range 3 * maxFiltered {
		key := fmt.Sprint("trait ", i)
		if i%3 == 0 {
			entries = append(entries, entry{key, nil}, entry{key, 1})
			unset[key] = "-"
		} else {
			entries = append(entries, entry{key, true})
			set[key] = true
		}
	}
	got, changes := encoded(traitsOf(t, entries...))
	var sent struct {
		UserProperties map[string]any `json:"user_properties"`
	}
	require.NoError(t, json.Unmarshal([]byte(got), &sent))
	assert.Equal(t, map[string]any{"$set": set, "$unset": unset}, sent.UserProperties)
	assert.Equal(t, int64(maxFiltered), changes[RepeatedKey])
}

func TestTraitsDoNotAllocate(t *testing.T) {
	e := traitsOf(t, entry{"plan", "pro"}, entry{"old", nil}, entry{"address", map[string]any{"city": "Lyon"}})
	var encoder Encoder
	to := encoder.Append(nil, e)
	assert.Zero(t, testing.AllocsPerRun(100, func() { to = encoder.Append(to[:0], e) }))
}
