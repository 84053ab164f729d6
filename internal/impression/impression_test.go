// SPDX-License-Identifier: Apache-2.0

package impression

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

var limits = jsonvalue.Limits{MaxBytes: 1 << 20, MaxDepth: 40, MaxValues: 1000}

func properties(t *testing.T, raw map[string]any) pcommon.Map {
	t.Helper()
	m := pcommon.NewMap()
	require.NoError(t, m.FromRaw(raw))
	return m
}

// repeated makes attributes in which a key is repeated, which only the wire can: pdata's own methods do not.
func repeated(t *testing.T, pairs ...[2]string) pcommon.Map {
	t.Helper()
	value := func(pair [2]string) []byte {
		text := append([]byte{0x0a, byte(len(pair[1]))}, pair[1]...)
		keyValue := append([]byte{0x0a, byte(len(pair[0]))}, pair[0]...)
		keyValue = append(append(keyValue, 0x12, byte(len(text))), text...)
		return append([]byte{0x32, byte(len(keyValue))}, keyValue...)
	}
	var message []byte
	for _, pair := range pairs {
		message = append(message, value(pair)...)
	}
	// LogRecord in ScopeLogs in ResourceLogs in LogsData.
	for _, field := range []byte{0x12, 0x12, 0x0a} {
		message = append([]byte{field, byte(len(message))}, message...)
	}
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(message)
	require.NoError(t, err)
	return logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes()
}

func pairsOf(m pcommon.Map) [][2]string {
	var pairs [][2]string
	for key, value := range m.All() {
		pairs = append(pairs, [2]string{key, value.AsString()})
	}
	return pairs
}

// rename reads an impression and renames its properties.
func rename(t *testing.T, m pcommon.Map) Impression {
	t.Helper()
	shown, fault := NewReader(limits).Read(m)
	require.Equal(t, NoFault, fault)
	NewRenamer().Rename(&shown, m)
	return shown
}

func TestRenameKeepsAllElse(t *testing.T) {
	m := properties(t, map[string]any{
		"flag_key": "checkout", "variant": nil, "experiment_key": int64(3), "time": 1.5, "metadata": map[string]any{"flag_key": "inner"},
	})
	rename(t, m)
	assert.Equal(t, map[string]any{
		"[Experiment] Flag Key": "checkout", "[Experiment] Variant": nil, "[Experiment] Experiment Key": int64(3),
		"time": 1.5, "metadata": map[string]any{"flag_key": "inner"},
	}, m.AsRaw())
}

func TestRenameReplacesWhatHasTheName(t *testing.T) {
	m := properties(t, map[string]any{"flag_key": "new", "[Experiment] Flag Key": "old"})
	rename(t, m)
	assert.Equal(t, [][2]string{{"[Experiment] Flag Key", "new"}}, pairsOf(m))
}

func TestRepeatedPropertiesAreKept(t *testing.T) {
	m := repeated(t, [2]string{"flag_key", "first"}, [2]string{"z", "1"}, [2]string{"variant", "on"}, [2]string{"flag_key", "second"}, [2]string{"z", "2"})
	assert.Equal(t, "first", rename(t, m).FlagKey)
	assert.Equal(t, [][2]string{
		{"z", "1"}, {"flag_key", "second"}, {"z", "2"}, {"[Experiment] Flag Key", "first"}, {"[Experiment] Variant", "on"},
	}, pairsOf(m))
}

func TestInsertIDsOfABatchStandBesideEachOther(t *testing.T) {
	set := Update{Identity: Identity{UserID: "user-17"}, Operation: Set, Variant: "on", Time: 7}
	ids := set.AppendInsertID(nil, "checkout", "message-1")
	assert.Equal(t, "message-1-user-property", string(ids))

	alone := set.AppendInsertID(nil, "checkout", "")
	assert.Equal(t, "message-1-user-property"+string(alone), string(set.AppendInsertID(ids, "checkout", "")))
	assert.Regexp(t, "^[0-9a-f]{32}-user-property$", string(alone))
}

func TestLongInsertIDsAreHashed(t *testing.T) {
	update := Update{Operation: Set, Variant: "on", Time: 7}
	ids := map[string]bool{}
	for _, id := range []string{strings.Repeat("x", 1011), strings.Repeat("x", 1024), strings.Repeat("x", 1024) + "y"} {
		got := string(update.AppendInsertID(nil, "checkout", id))
		assert.Regexp(t, "^[0-9a-f]{32}-user-property$", got)
		assert.Equal(t, got, string(update.AppendInsertID(nil, "checkout", id)))
		ids[got] = true
	}
	assert.Len(t, ids, 3)
	long := strings.Repeat("x", 1024)
	update.InsertID = string(update.AppendInsertID(nil, "checkout", long))
	assert.True(t, update.HasIDOf(long))
	assert.False(t, update.HasIDOf(long+"y"))
	fits := strings.Repeat("x", 1010)
	assert.Equal(t, fits+"-user-property", string(update.AppendInsertID(nil, "checkout", fits)))
}

func TestHashedInsertIDsDifferByWhatTheUpdateDoes(t *testing.T) {
	set := Update{Identity: Identity{UserID: "user-17"}, Operation: Set, Variant: "off", Time: 7}
	unset, later, other := set, set, set
	unset.Operation, later.Time, other.Identity.DeviceID = Unset, 8, "d"
	ids := map[string]bool{}
	for _, update := range []Update{set, unset, later, other} {
		ids[string(update.AppendInsertID(nil, "checkout", ""))] = true
	}
	assert.Len(t, ids, 4)
}

func TestRenamerAllocatesNothing(t *testing.T) {
	m := properties(t, map[string]any{"flag_key": "checkout", "variant": "on", "experiment_key": "exp-1", "time": 1.5})
	reader, renamer := NewReader(limits), NewRenamer()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		shown, _ := reader.Read(m)
		renamer.Rename(&shown, m)
		for n, pre := range [...]string{flagKey, variant, experimentKey} {
			value, _ := m.Get(postForms[n])
			value.MoveTo(m.PutEmpty(pre))
			m.Remove(postForms[n])
		}
	}))
}

func TestResetDropsMetadata(t *testing.T) {
	r := NewReader(limits)
	shown, fault := r.Read(properties(t, map[string]any{"flag_key": "checkout", "metadata": `{"default": true}`}))
	require.Equal(t, NoFault, fault)
	require.True(t, shown.Default)
	require.Equal(t, pcommon.ValueTypeMap, r.metadata.Type())
	r.Reset()
	assert.Equal(t, pcommon.ValueTypeEmpty, r.metadata.Type())
}
