// SPDX-License-Identifier: Apache-2.0

package pdatautil

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

func mapOf(t *testing.T, raw map[string]any) pcommon.Map {
	t.Helper()
	m := pcommon.NewMap()
	require.NoError(t, m.FromRaw(raw))
	return m
}

func TestAddMissing(t *testing.T) {
	to := mapOf(t, map[string]any{"both": "own", "null": nil, "map": map[string]any{"a": int64(1)}})
	from := mapOf(t, map[string]any{"both": "other", "null": "other", "more": []any{"b"}})
	AddMissing(to, from, nil)
	assert.Equal(t, map[string]any{
		"both": "own", "null": "other", "map": map[string]any{"a": int64(1)}, "more": []any{"b"},
	}, to.AsRaw())
	assert.Equal(t, map[string]any{"both": "other", "null": "other", "more": []any{"b"}}, from.AsRaw())
}

// TestAddMissingToMapsOfAnySize merges small maps, which are searched, and large ones, for which there is a hash table.
func TestAddMissingToMapsOfAnySize(t *testing.T) {
	for _, size := range []int{1, 2, 16, 31, 33, 100} {
		toRaw, fromRaw, want := map[string]any{}, map[string]any{}, map[string]any{}
		for i := range size {
			own, both, null, other, skipped := fmt.Sprint("own ", i), fmt.Sprint("both ", i), fmt.Sprint("null ", i), fmt.Sprint("other ", i), fmt.Sprint("skipped ", i)
			toRaw[own], toRaw[both], toRaw[null] = "to", map[string]any{"a": "to"}, nil
			fromRaw[both], fromRaw[null], fromRaw[other], fromRaw[skipped] = "from", "from", nil, "from"
			want[own], want[both], want[null], want[other] = "to", map[string]any{"a": "to"}, "from", nil
		}
		to, from := mapOf(t, toRaw), mapOf(t, fromRaw)
		AddMissing(to, from, func(key string) bool { return strings.HasPrefix(key, "skipped") })
		assert.Equal(t, want, to.AsRaw(), size)
		assert.Equal(t, fromRaw, from.AsRaw(), size)
		assert.Equal(t, len(want), to.Len(), size)
	}
}

// TestFirstOfDuplicateKeysCounts has keys more than once, as a sender may write them on the wire.
func TestFirstOfDuplicateKeysCounts(t *testing.T) {
	for _, filler := range []int{0, 2000} {
		var twice xpdata.MapBuilder
		twice.AppendEmpty("k").SetStr("first")
		twice.AppendEmpty("k").SetStr("second")
		for i := range filler {
			twice.AppendEmpty(strconv.Itoa(i)).SetStr("filler")
		}
		from := pcommon.NewMap()
		twice.UnsafeIntoMap(from)
		to := mapOf(t, map[string]any{"own": true})
		AddMissing(to, from, nil)
		v, present := to.Get("k")
		require.True(t, present)
		assert.Equal(t, "first", v.Str())
		assert.Equal(t, 2+filler, to.Len())
	}
}

func TestAddMissingOfNothingChangesNothing(t *testing.T) {
	to := mapOf(t, map[string]any{"null": nil})
	AddMissing(to, pcommon.NewMap(), nil)
	assert.Equal(t, map[string]any{"null": nil}, to.AsRaw())
}

// TestAddMissingIsLinear doesn't end in the time of a test run if it isn't.
func TestAddMissingIsLinear(t *testing.T) {
	const size = 500_000
	numbered := func(first int) pcommon.Map {
		raw := make(map[string]any, size)
		for i := range size {
			raw[strconv.Itoa(first+i)] = nil
		}
		return mapOf(t, raw)
	}
	to, from := numbered(0), numbered(size/2)
	AddMissing(to, from, nil)
	assert.Equal(t, size+size/2, to.Len())
	empty := pcommon.NewMap()
	AddMissing(empty, from, nil)
	assert.Equal(t, size, empty.Len())
}
