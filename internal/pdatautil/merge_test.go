// SPDX-License-Identifier: Apache-2.0

package pdatautil

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
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

// TestAddMissingIsLinear does not end in the time of a test run if it is not.
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
}
