// SPDX-License-Identifier: Apache-2.0

package persistentqueue

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/verified"
)

// metadata returns what the queue writes: its sizes, its indexes, and the dispatched items.
func metadata(read, write uint64, items ...uint64) []byte {
	var text []byte
	for i, value := range []uint64{70, 7000, read, write} {
		text = protowire.AppendTag(text, protowire.Number(i+1), protowire.Fixed64Type)
		text = protowire.AppendFixed64(text, value)
	}
	if len(items) == 0 {
		return text
	}
	text = protowire.AppendTag(text, dispatched, protowire.BytesType)
	var packed []byte
	for _, index := range items {
		packed = protowire.AppendFixed64(packed, index)
	}
	return protowire.AppendBytes(text, packed)
}

// newDisk returns a disk with this metadata and these items, as an older version wrote them.
func newDisk(stored []byte, items ...uint64) *storagetest.Disk {
	state := map[string][]byte{}
	if stored != nil {
		state["/"+MetadataKey] = stored
	}
	for _, index := range items {
		// Valid logs without records.
		state["/"+itemKey(index)] = []byte{}
	}
	return storagetest.NewDisk(state)
}

// opened is a queue's storage as Resume sees it.
type opened struct {
	*verified.Client
	unreadable []string
}

func open(t *testing.T, d *storagetest.Disk) *opened {
	t.Helper()
	o := &opened{}
	client, err := verified.Open(verified.Settings{
		Name: "disk", Index: MetadataKey, IsItem: IsItem, Decode: Decode, OnError: func() {},
		OnUnreadable: func(key, _ string, _ error) { o.unreadable = append(o.unreadable, key) },
	}, func() (storage.Client, error) { return d.Client(""), nil })
	require.NoError(t, err)
	o.Client = client
	return o
}

func (o *opened) resume(t *testing.T) (rebuilt, err error) {
	t.Helper()
	keys, canList, err := o.Keys(t.Context())
	require.NoError(t, err)
	require.True(t, canList)
	return Resume(t.Context(), o, keys)
}

func (o *opened) progress(t *testing.T) progress {
	t.Helper()
	stored, err := o.Get(t.Context(), MetadataKey)
	require.NoError(t, err)
	p, isValid := parse(stored)
	require.True(t, isValid)
	return p
}

func TestTheFirstDispatchedItemIsReadNext(t *testing.T) {
	o := open(t, newDisk(metadata(9, 20, 7, 4, 8), 4, 7, 8))
	rebuilt, err := o.resume(t)
	require.NoError(t, err)
	require.NoError(t, rebuilt)
	p := o.progress(t)
	assert.Equal(t, uint64(4), p.read)
	assert.Empty(t, p.dispatched)
	whole, _ := parse(metadata(4, 20))
	assert.Equal(t, whole.others, p.others, "sizes and the write index stay")
	for _, finished := range []string{"5", "6"} {
		_, err := o.Get(t.Context(), finished)
		require.NoError(t, err)
	}
	assert.Empty(t, o.unreadable, "items that finished aren't missing")
	_, err = o.Get(t.Context(), "9")
	require.NoError(t, err)
	assert.Equal(t, []string{"9"}, o.unreadable)
}

// TestResumeWithoutRoom: the queue gets the new metadata although it can't be written.
func TestResumeWithoutRoom(t *testing.T) {
	d := newDisk(metadata(9, 20, 7, 4), 4, 7)
	d.FullIf(func() bool { return true })
	o := open(t, d)
	client := NewClient(o, zap.NewNop())
	rebuilt, err := Resume(t.Context(), client, nil)
	require.NoError(t, err)
	require.NoError(t, rebuilt)
	stored, err := client.Get(t.Context(), MetadataKey)
	require.NoError(t, err)
	p, isValid := parse(stored)
	assert.True(t, isValid)
	assert.Equal(t, uint64(4), p.read)
	finished := storage.GetOperation("5")
	require.NoError(t, client.Batch(t.Context(), finished))
	assert.Empty(t, finished.Value)
	assert.Empty(t, o.unreadable, "items that finished aren't missing")
	require.NoError(t, client.Close(t.Context()))
}

func TestOtherMetadataIsNotChanged(t *testing.T) {
	for name, stored := range map[string][]byte{
		"nothing stored":        nil,
		"nothing dispatched":    metadata(9, 20),
		"dispatched but unread": metadata(9, 20, 9),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(stored)
			rebuilt, err := open(t, d).resume(t)
			require.NoError(t, err)
			require.NoError(t, rebuilt)
			assert.Equal(t, stored, d.State()["/"+MetadataKey])
		})
	}
}

// unreadable is metadata that would make the queue start without its items.
var unreadable = map[string][]byte{
	"missing":                 nil,
	"cut short":               metadata(9, 20, 4)[:40],
	"a list cut short":        append(protowire.AppendTag(nil, dispatched, protowire.BytesType), 3, 1, 2, 3),
	"an index as a varint":    append(protowire.AppendTag(nil, readIndex, protowire.VarintType), 9),
	"dispatched as a varint":  append(protowire.AppendTag(nil, dispatched, protowire.VarintType), 9),
	"an end before items":     metadata(9, 11),
	"an end before the start": metadata(9, 8),
	"impossibly many":         metadata(1<<40, 1<<41, 4),
	"a broken seal":           sealed(MetadataKey, metadata(9, 20), 5),
}

// sealed returns a value with its seal and a flipped bit.
func sealed(key string, value []byte, flipped int) []byte {
	d := storagetest.NewDisk(nil)
	client, _ := verified.Open(verified.Settings{Index: key, OnError: func() {}}, func() (storage.Client, error) { return d.Client(""), nil })
	_ = client.Set(context.Background(), key, value)
	stored := bytes.Clone(d.State()["/"+key])
	stored[flipped] ^= 1
	return stored
}

func TestUnreadableMetadataIsMadeAnew(t *testing.T) {
	for name, stored := range unreadable {
		t.Run(name, func(t *testing.T) {
			o := open(t, newDisk(stored, 9, 10, 11, 14))
			rebuilt, err := o.resume(t)
			require.NoError(t, err)
			require.ErrorContains(t, rebuilt, MetadataKey)
			p := o.progress(t)
			assert.Equal(t, uint64(9), p.read)
			assert.Equal(t, uint64(15), p.write)
			rebuilt, err = o.resume(t)
			require.NoError(t, err)
			require.NoError(t, rebuilt)
		})
	}
}

// TestUnreadableMetadataIsRefused if the storage can't list its keys.
func TestUnreadableMetadataIsRefused(t *testing.T) {
	for name, stored := range unreadable {
		if stored == nil || name == "an end before items" {
			// Without a list of keys, this looks like a new queue and a shorter one.
			continue
		}
		t.Run(name, func(t *testing.T) {
			d := newDisk(stored, 9, 10, 11, 14)
			_, err := Resume(t.Context(), open(t, d), nil)
			require.ErrorContains(t, err, MetadataKey)
			require.ErrorContains(t, err, "restore the storage, or empty it")
			assert.Equal(t, stored, d.State()["/"+MetadataKey])
		})
	}
}

func TestUnknownKeysAreRefused(t *testing.T) {
	for key, want := range map[string]string{
		"qmv1": `unknown key "qmv1", `,
		// It may be part of an event.
		"jo@example.com": "unknown key of 14 bytes, ",
	} {
		d := newDisk(nil, 9, 10)
		require.NoError(t, d.Client("").Set(t.Context(), key, metadata(9, 11)))
		_, err := open(t, d).resume(t)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, d.State(), "/"+MetadataKey)
	}
}

func TestTheEarlierFormatIsLeftToTheQueue(t *testing.T) {
	d := newDisk(nil, 9, 10)
	require.NoError(t, d.Client("").Set(t.Context(), "ri", []byte{9, 0, 0, 0, 0, 0, 0, 0}))
	rebuilt, err := open(t, d).resume(t)
	require.NoError(t, err)
	require.NoError(t, rebuilt)
	assert.NotContains(t, d.State(), "/"+MetadataKey)
}

// TestAnItemUnderAnotherKeyIsKept: a flipped bit in a key moves an item.
func TestAnItemUnderAnotherKeyIsKept(t *testing.T) {
	d := newDisk(metadata(9, 11), 9)
	o := open(t, d)
	require.NoError(t, o.Set(t.Context(), "10", []byte{}))
	state := maps.Clone(d.State())
	state["/1000"] = state["/10"]
	delete(state, "/10")
	d = storagetest.NewDisk(state)
	o = open(t, d)
	rebuilt, err := o.resume(t)
	require.NoError(t, err)
	require.NoError(t, rebuilt)
	assert.Equal(t, []string{"1000"}, o.unreadable)
	assert.Equal(t, []string{"/9", "/" + MetadataKey, "/unreadable-1000"}, slices.Sorted(maps.Keys(d.State())))
}

func FuzzResume(f *testing.F) {
	f.Add(metadata(9, 20, 7, 4, 8, 5))
	f.Add(sealed(MetadataKey, metadata(9, 20), 5))
	f.Fuzz(func(t *testing.T, stored []byte) {
		o := open(t, newDisk(stored, 4, 5, 12))
		if _, err := o.resume(t); err != nil {
			t.Skip(err)
		}
		p := o.progress(t)
		assert.Empty(t, slices.DeleteFunc(p.dispatched, func(index uint64) bool { return index >= p.read }))
		assert.LessOrEqual(t, p.read, p.write)
		assert.Greater(t, p.write, uint64(12), "an item would never be read: "+strconv.Quote(string(stored)))
		rebuilt, err := o.resume(t)
		require.NoError(t, err)
		require.NoError(t, rebuilt)
	})
}
