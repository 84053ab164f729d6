// SPDX-License-Identifier: Apache-2.0

package deferred

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
)

// client is a storage in memory.
type client struct {
	values map[string][]byte
	broken error
}

func newClient() *client {
	return &client{values: map[string][]byte{}}
}

func (c *client) Get(ctx context.Context, key string) ([]byte, error) {
	get := storage.GetOperation(key)
	err := c.Batch(ctx, get)
	return get.Value, err
}

func (c *client) Set(ctx context.Context, key string, value []byte) error {
	return c.Batch(ctx, storage.SetOperation(key, value))
}

func (c *client) Delete(ctx context.Context, key string) error {
	return c.Batch(ctx, storage.DeleteOperation(key))
}

func (c *client) Batch(_ context.Context, operations ...*storage.Operation) error {
	if c.broken != nil {
		return c.broken
	}
	for _, operation := range operations {
		switch operation.Type {
		case storage.Get:
			operation.Value = c.values[operation.Key]
		case storage.Set:
			c.values[operation.Key] = operation.Value
		case storage.Delete:
			delete(c.values, operation.Key)
		}
	}
	return nil
}

func (c *client) Close(context.Context) error { return nil }

// records makes one record with an EventName.
func records(name string) plog.Logs {
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().SetEventName(name)
	return logs
}

func open(t *testing.T, c *client) *Store {
	t.Helper()
	s, err := Open(t.Context(), c)
	require.NoError(t, err)
	return s
}

// loaded are the EventNames that a new store finds, by chunk, each chunk taken for one of so many events.
func loaded(t *testing.T, c *client, events int) (*Store, []string) {
	t.Helper()
	s := open(t, c)
	var names []string
	require.NoError(t, s.Load(t.Context(), func(_ uint64, records plog.Logs) int {
		names = append(names, records.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).EventName())
		return events
	}))
	return s, names
}

func add(t *testing.T, s *Store, name string, events int) (chunk uint64) {
	t.Helper()
	chunk = s.Next()
	require.NoError(t, s.Add(t.Context(), records(name), events, nil))
	return chunk
}

func TestChunksComeBackInOrderUntilTheirEventsAreDone(t *testing.T) {
	c := newClient()
	s := open(t, c)
	a, b := add(t, s, "a", 2), add(t, s, "b", 1)
	require.NoError(t, s.Forget(t.Context(), []uint64{a}))
	_, names := loaded(t, c, 1)
	assert.Equal(t, []string{"a", "b"}, names, "an event of a is left")

	require.NoError(t, s.Add(t.Context(), records("c"), 1, []uint64{a}))
	s, names = loaded(t, c, 1)
	assert.Equal(t, []string{"b", "c"}, names)

	require.NoError(t, s.Forget(t.Context(), []uint64{b, b + 1}))
	_, names = loaded(t, c, 1)
	assert.Empty(t, names)
	assert.Equal(t, []string{numbersKey}, slices.Collect(maps.Keys(c.values)), "nothing is left behind")
}

func TestAChunkWithoutEventsIsForgotten(t *testing.T) {
	c := newClient()
	add(t, open(t, c), "no event any more", 1)
	s, _ := loaded(t, c, 0)
	require.NoError(t, s.Forget(t.Context(), nil))
	_, names := loaded(t, c, 1)
	assert.Empty(t, names)
}

func TestABrokenStorageAddsNothingAndIsTriedAgain(t *testing.T) {
	c := newClient()
	s := open(t, c)
	a := add(t, s, "a", 1)
	other := open(t, c)
	c.broken = errors.New("full")
	require.ErrorIs(t, s.Add(t.Context(), records("b"), 1, []uint64{a}), c.broken)
	require.ErrorIs(t, other.Load(t.Context(), nil), c.broken)
	_, err := Open(t.Context(), c)
	require.ErrorIs(t, err, c.broken)

	c.broken = nil
	require.NoError(t, s.Forget(t.Context(), nil))
	_, names := loaded(t, c, 1)
	assert.Empty(t, names, "a is done")
}

func TestAnUnreadableChunkStays(t *testing.T) {
	c := newClient()
	s := open(t, c)
	a, b := add(t, s, "a", 1), add(t, s, "b", 1)
	c.values[chunkKey(a)] = []byte("\xff")
	s = open(t, c)
	require.ErrorContains(t, s.Load(t.Context(), func(uint64, plog.Logs) int { return 1 }), chunkKey(a))
	require.NoError(t, s.Forget(t.Context(), []uint64{b}))
	assert.Contains(t, c.values, chunkKey(a))
	assert.NotContains(t, c.values, chunkKey(b))
	assert.Greater(t, s.Next(), a)
}
