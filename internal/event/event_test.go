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
