// SPDX-License-Identifier: Apache-2.0

package deferred

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
)

func open(t *testing.T, d *storagetest.Disk) *Store {
	t.Helper()
	s, err := Open(t.Context(), d.Client("x"))
	require.NoError(t, err)
	return s
}

// loaded returns a new store and the EventNames that it loads, by chunk. Each record is one event.
func loaded(t *testing.T, d *storagetest.Disk) (*Store, []string) {
	t.Helper()
	s := open(t, d)
	var chunks []string
	unreadable, err := s.Load(t.Context(), func(_ uint64, records plog.Logs) int {
		chunks = append(chunks, strings.Join(namesOf(records), " "))
		return records.LogRecordCount()
	})
	require.NoError(t, errors.Join(unreadable, err))
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
	logs := plog.NewLogs()
	var places []Place
	for i, name := range names {
		logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().SetEventName(name)
		places = append(places, Place{Chunk: s.Next(), Event: i})
	}
	require.NoError(t, s.Add(t.Context(), logs, nil))
	return places
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

	require.NoError(t, s.Add(t.Context(), plog.NewLogs(), append(a[2:], b...)))
	_, chunks = loaded(t, d)
	assert.Empty(t, strings.Join(chunks, ""))
	require.NoError(t, s.Forget(t.Context(), nil))
	assert.Equal(t, []string{"x/" + numbersKey}, slices.Collect(maps.Keys(d.State())), "nothing is left behind")
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
	_, err := s.Load(t.Context(), func(uint64, plog.Logs) int { return 3 })
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
	_, err := s.Load(t.Context(), func(uint64, plog.Logs) int { return 0 })
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
	require.ErrorIs(t, s.Add(t.Context(), plog.NewLogs(), done), storagetest.ErrFails)
	require.ErrorIs(t, s.Forget(t.Context(), done), storagetest.ErrFails)
	_, err := other.Load(t.Context(), nil)
	require.ErrorIs(t, err, storagetest.ErrFails, "events that aren't read must not be overtaken")
	_, err = Open(t.Context(), d.Client("x"))
	require.ErrorIs(t, err, storagetest.ErrFails)

	d.Fail(false)
	require.NoError(t, s.Forget(t.Context(), nil))
	_, chunks := loaded(t, d)
	assert.Equal(t, []string{"b3"}, chunks, "an event may be forgotten twice")
}

func TestAnUnreadableChunkStays(t *testing.T) {
	d := storagetest.NewDisk(nil)
	s := open(t, d)
	add(t, s, "a")
	add(t, s, "b")
	require.NoError(t, d.Client("x").Set(t.Context(), chunkKey(0), []byte("\xff")))
	s = open(t, d)
	unreadable, err := s.Load(t.Context(), func(uint64, plog.Logs) int { return 1 })
	require.NoError(t, err)
	require.ErrorContains(t, unreadable, chunkKey(0))
	require.NoError(t, s.Forget(t.Context(), []Place{{Chunk: 1}}))
	require.NoError(t, s.Close(t.Context()))
	assert.Contains(t, d.State(), "x/"+chunkKey(0))
	assert.NotContains(t, d.State(), "x/"+chunkKey(1))
	assert.Positive(t, s.Next())
}
