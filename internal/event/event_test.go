// SPDX-License-Identifier: Apache-2.0

package event

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

func TestFieldsAreCompleteAndDistinct(t *testing.T) {
	keys, names := map[string]bool{}, map[string]bool{}
	for _, f := range Fields() {
		require.NotEmpty(t, f.Key())
		require.NotEmpty(t, f.APIName())
		assert.False(t, keys[f.Key()], f.Key())
		assert.False(t, names[f.APIName()], f.APIName())
		keys[f.Key()], names[f.APIName()] = true, true
		found, known := FieldOf(f.Key())
		assert.True(t, known)
		assert.Equal(t, f, found)
	}
	_, known := FieldOf("usr_id")
	assert.False(t, known)
}

func TestEventIsEmptyAfterReset(t *testing.T) {
	m := pcommon.NewMap()
	value := m.PutEmpty("k")
	var e Event
	e.SetText(UserID, "u")
	e.SetMap(Properties, m)
	e.SetInteger(Time, 1)
	e.MarkRead(value)
	assert.False(t, e.IsProperty(value))
	e.Reset()
	assert.Empty(t, e.Text(UserID))
	_, has := e.Map(Properties)
	assert.False(t, has)
	assert.Zero(t, e.Time(Time))
	assert.True(t, e.IsProperty(value))
}

// TestFieldsAreIndependent sets each field and looks at all others.
func TestFieldsAreIndependent(t *testing.T) {
	for _, f := range Fields() {
		var e Event
		m := pcommon.NewMap()
		e.SetText(f, "text")
		e.SetInteger(f, 7)
		e.SetMap(f, m)
		for _, other := range Fields() {
			set, has := e.Map(other)
			if other == f {
				assert.Equal(t, "text", e.Text(other))
				assert.Equal(t, int64(7), e.Integer(other))
				assert.Equal(t, pcommon.Timestamp(7), e.Time(other))
				assert.True(t, has)
				assert.Equal(t, m, set)
				continue
			}
			assert.Empty(t, e.Text(other))
			assert.Zero(t, e.Integer(other))
			assert.False(t, has)
		}
		e.SetNumber(f, -1.5)
		n, has := e.Number(f)
		assert.True(t, has)
		assert.InDelta(t, -1.5, n, 0)
		e.SetMap(f, pcommon.Map{})
		_, has = e.Map(f)
		assert.False(t, has)
		e.Remove(f)
		n, has = e.Number(f)
		assert.False(t, has)
		assert.Zero(t, n)
		assert.Empty(t, e.Text(f))
	}
}

func TestValuesThatWereReadAreNotProperties(t *testing.T) {
	m := pcommon.NewMap()
	require.NoError(t, m.FromRaw(map[string]any{"read": "same", "property": "same"}))
	read, _ := m.Get("read")
	var e Event
	e.MarkRead(read)
	for key, value := range m.All() {
		assert.Equal(t, key == "property", e.IsProperty(value), key)
	}
}

func TestResetKeepsTheMemory(t *testing.T) {
	value := pcommon.NewValueEmpty()
	var e Event
	e.MarkRead(value)
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		e.Reset()
		e.MarkRead(value)
	}))
}
