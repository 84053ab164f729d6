// SPDX-License-Identifier: Apache-2.0

package deferred

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/verified"
)

func open(t *testing.T, d *storagetest.Disk) *Store {
	t.Helper()
	s, err := tryOpen(t, d, func(string, string, error) {})
	require.NoError(t, err)
	return s
}

func tryOpen(t *testing.T, d *storagetest.Disk, onUnreadable func(key, keptAs string, reason error)) (*Store, error) {
	t.Helper()
	client, err := verified.Open(verified.Settings{
		Index: IndexKey, IsItem: IsItem, Decode: Decode, OnUnreadable: onUnreadable, OnError: func() {},
	}, func() (storage.Client, error) { return d.Client("x"), nil })
	require.NoError(t, err)
	keys, _, err := client.Keys(t.Context())
	require.NoError(t, err)
	return Open(t.Context(), client, keys)
}

// loaded returns a new store and the EventNames that it loads, by chunk. Each record is one event.
func loaded(t *testing.T, d *storagetest.Disk) (*Store, []string) {
	t.Helper()
	s := open(t, d)
	var chunks []string
	err := s.Load(t.Context(), func(_ uint64, records plog.Logs) int {
		chunks = append(chunks, strings.Join(namesOf(records), " "))
		return records.LogRecordCount()
	})
	require.NoError(t, err)
	return s, chunks
}

func namesOf(records plog.Logs) []string {
	var names []string
	for _, resource := range records.ResourceLogs().All() {
		for _, record := range resource.ScopeLogs().At(0).LogRecords().All() {
			names = append(names, record.EventName())
		}
	}
	return names
}

// add adds a chunk of records with these EventNames, and returns the places of their events.
func add(t *testing.T, s *Store, names ...string) []Place {
	t.Helper()
	var places []Place
	for i := range names {
		places = append(places, Place{Chunk: s.Next(), Event: i})
	}
	require.NoError(t, s.Add(t.Context(), nil, Addition{Records: recordsOf(names...)}))
	return places
}

// recordsOf returns records with these EventNames.
func recordsOf(names ...string) plog.Logs {
	logs := plog.NewLogs()
	for _, name := range names {
		logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().SetEventName(name)
	}
	return logs
}

func TestChunksComeBackInOrderUntilTheirEventsAreDone(t *testing.T) {
	d := storagetest.NewDisk(nil)
	s := open(t, d)
	a, b := add(t, s, "a1", "a2", "a3"), add(t, s, "b")
	require.NoError(t, s.Forget(t.Context(), a[:1]))
	_, chunks := loaded(t, d)
	assert.Equal(t, []string{"a1 a2 a3", "b"}, chunks, "a chunk that is mostly left is not rewritten")

	require.NoError(t, s.Forget(t.Context(), a[1:2]))
	_, chunks = loaded(t, d)
	assert.Equal(t, []string{"a3", "b"}, chunks, "a chunk that is mostly done is rewritten")

	require.NoError(t, s.Add(t.Context(), append(a[2:], b...), Addition{Records: plog.NewLogs()}))
	_, chunks = loaded(t, d)
	assert.Empty(t, strings.Join(chunks, ""))
	require.NoError(t, s.Forget(t.Context(), nil))
	assert.Equal(t, []string{"x/" + IndexKey}, slices.Collect(maps.Keys(d.State())), "nothing is left behind")
}

// TestChunksOfOneWrite are numbered in order, and can be loaded one by one and again.
func TestChunksOfOneWrite(t *testing.T) {
	d := storagetest.NewDisk(nil)
	s := open(t, d)
	first := s.Next()
	before := len(d.History())
	require.NoError(t, s.Add(t.Context(), nil, Addition{Records: recordsOf("a")}, Addition{Records: recordsOf("b")}))
	assert.Len(t, d.History(), before+1)
	for range 2 {
		require.NoError(t, s.LoadChunk(t.Context(), first+1, func(records plog.Logs) int {
			assert.Equal(t, []string{"b"}, namesOf(records))
			return records.LogRecordCount()
		}))
	}
	require.NoError(t, s.Forget(t.Context(), []Place{{Chunk: first + 1}}))
	_, left := loaded(t, d)
	assert.Equal(t, []string{"a"}, left)
}

// TestAnAdditionBehindAChunk makes one chunk of both, the last one. If it fails, the first chunk stays.
func TestAnAdditionBehindAChunk(t *testing.T) {
	d := storagetest.NewDisk(nil)
	s := open(t, d)
	add(t, s, "a1", "a2")
	add(t, s, "b")
	behind := uint64(0)
	d.FailIf(func(key string) bool { return key == "x/"+chunkKey(2) })
	require.ErrorIs(t, s.Add(t.Context(), nil, Addition{Records: recordsOf("a3"), Behind: &behind}), storagetest.ErrFails)
	d.Fail(false)
	require.NoError(t, s.Forget(t.Context(), nil))
	_, chunks := loaded(t, d)
	assert.Equal(t, []string{"a1 a2", "b"}, chunks)

	require.NoError(t, s.Add(t.Context(), nil, Addition{Records: recordsOf("a3"), Behind: &behind}))
	_, chunks = loaded(t, d)
	assert.Equal(t, []string{"b", "a1 a2 a3"}, chunks)
	require.NoError(t, s.Forget(t.Context(), []Place{{Chunk: 2, Event: 0}, {Chunk: 2, Event: 1}}))
	_, chunks = loaded(t, d)
	assert.Equal(t, []string{"b", "a3"}, chunks)
}

// TestCloseKeepsOnlyWhatIsLeft: unlike after a crash, no event that was sent comes again after a shutdown.
func TestCloseKeepsOnlyWhatIsLeft(t *testing.T) {
	d := storagetest.NewDisk(nil)
	s := open(t, d)
	a, b := add(t, s, "a1", "a2", "a3", "a4", "a5"), add(t, s, "b1", "b2")
	require.NoError(t, s.Forget(t.Context(), []Place{a[1], a[3], a[4]}))
	require.NoError(t, s.Forget(t.Context(), a[:1]))
	d.Fail(true)
	require.Error(t, s.Forget(t.Context(), b[:1]))
	d.Fail(false)
	require.NoError(t, s.Close(t.Context()))
	_, chunks := loaded(t, d)
	assert.Equal(t, []string{"a3", "b2"}, chunks)
}

// TestChunksOfOtherRecordsStayWhole: after a change of the configuration, a record may be several events or none.
func TestChunksOfOtherRecordsStayWhole(t *testing.T) {
	d := storagetest.NewDisk(nil)
	add(t, open(t, d), "several", "none")
	s := open(t, d)
	err := s.Load(t.Context(), func(uint64, plog.Logs) int { return 3 })
	require.NoError(t, err)
	require.NoError(t, s.Forget(t.Context(), []Place{{Event: 0}, {Event: 2}}))
	require.NoError(t, s.Close(t.Context()))
	_, chunks := loaded(t, d)
	assert.Equal(t, []string{"several none"}, chunks)
}

func TestAChunkWithoutEventsIsDeleted(t *testing.T) {
	d := storagetest.NewDisk(nil)
	add(t, open(t, d), "no event any more")
	s := open(t, d)
	err := s.Load(t.Context(), func(uint64, plog.Logs) int { return 0 })
	require.NoError(t, err)
	require.NoError(t, s.Forget(t.Context(), nil))
	_, chunks := loaded(t, d)
	assert.Empty(t, chunks)
}

func TestAFailedWriteAddsNothingAndIsRepeated(t *testing.T) {
	d := storagetest.NewDisk(nil)
	s := open(t, d)
	a, b := add(t, s, "a"), add(t, s, "b1", "b2", "b3")
	other := open(t, d)
	d.Fail(true)
	done := []Place{a[0], b[0], b[1]}
	require.ErrorIs(t, s.Add(t.Context(), done, Addition{Records: plog.NewLogs()}), storagetest.ErrFails)
	require.ErrorIs(t, s.Forget(t.Context(), done), storagetest.ErrFails)
	err := other.Load(t.Context(), nil)
	require.ErrorIs(t, err, storagetest.ErrFails, "events that aren't read must not be overtaken")
	_, err = Open(t.Context(), d.Client("x"), nil)
	require.ErrorIs(t, err, storagetest.ErrFails)

	d.Fail(false)
	require.NoError(t, s.Forget(t.Context(), nil))
	_, chunks := loaded(t, d)
	assert.Equal(t, []string{"b3"}, chunks, "an event may be forgotten twice")
}

// TestDamageLosesOnlyWhatIsDamaged damages each value of a store, and deletes it.
func TestDamageLosesOnlyWhatIsDamaged(t *testing.T) {
	whole := storagetest.NewDisk(nil)
	s := open(t, whole)
	add(t, s, "a")
	add(t, s, "b")
	for name, c := range map[string]struct {
		key        string
		change     func(value []byte) []byte
		want       []string
		unreadable string
	}{
		"a damaged chunk":  {chunkKey(0), flip, []string{"", "b"}, "chunk-0 unreadable-chunk-0"},
		"a missing chunk":  {chunkKey(0), nil, []string{"", "b"}, "chunk-0 "},
		"another encoding": {chunkKey(1), func([]byte) []byte { return []byte("\xff") }, []string{"a", ""}, "chunk-1 unreadable-chunk-1"},
		"a damaged index":  {IndexKey, flip, []string{"a", "b"}, ""},
		"a missing index":  {IndexKey, nil, []string{"a", "b"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			state := maps.Clone(whole.State())
			if c.change == nil {
				delete(state, "x/"+c.key)
			} else {
				state["x/"+c.key] = c.change(bytes.Clone(state["x/"+c.key]))
			}
			damaged := state["x/"+c.key]
			d := storagetest.NewDisk(state)
			var unreadable string
			s, err := tryOpen(t, d, func(key, keptAs string, _ error) { unreadable += key + " " + keptAs })
			require.NoError(t, err)
			var chunks []string
			require.NoError(t, s.Load(t.Context(), func(_ uint64, records plog.Logs) int {
				chunks = append(chunks, strings.Join(namesOf(records), " "))
				return records.LogRecordCount()
			}))
			assert.Equal(t, c.want, chunks)
			assert.Equal(t, c.unreadable, unreadable)
			require.NoError(t, s.Close(t.Context()))
			if c.key != IndexKey {
				assert.NotContains(t, d.State(), "x/"+c.key)
				assert.Equal(t, damaged, d.State()["x/unreadable-"+c.key])
			}
			_, chunks = loaded(t, d)
			assert.Equal(t, strings.TrimSpace(strings.Join(c.want, " ")), strings.Join(chunks, " "))
		})
	}
}

func flip(value []byte) []byte {
	value[len(value)/2] ^= 4
	return value
}

// TestADamagedIndexIsRefused if the storage can't list its keys.
func TestADamagedIndexIsRefused(t *testing.T) {
	d := storagetest.NewDisk(map[string][]byte{"x/" + IndexKey: []byte("short")})
	client, err := verified.Open(verified.Settings{Name: "disk", Index: IndexKey, IsItem: IsItem, Decode: Decode, OnError: func() {}},
		func() (storage.Client, error) { return d.Client("x"), nil })
	require.NoError(t, err)
	_, err = Open(t.Context(), client, nil)
	require.ErrorIs(t, err, verified.ErrDamaged)
}
