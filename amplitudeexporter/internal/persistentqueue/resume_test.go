// SPDX-License-Identifier: Apache-2.0

package persistentqueue

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/protobuf/encoding/protowire"
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

func TestTheFirstDispatchedItemIsReadNext(t *testing.T) {
	resumed, changed := resume(metadata(9, 20, 7, 4, 8, 5))
	assert.True(t, changed)
	p, valid := parse(resumed)
	assert.True(t, valid)
	assert.Equal(t, uint64(4), p.read)
	assert.False(t, p.hasDispatched)
	whole, _ := parse(metadata(4, 20))
	assert.Equal(t, whole.others, p.others, "sizes and the write index stay")
}

func TestOtherMetadataIsNotChanged(t *testing.T) {
	for name, stored := range map[string][]byte{
		"nothing stored":         nil,
		"nothing dispatched":     metadata(9, 20),
		"dispatched but unread":  metadata(9, 20, 9),
		"cut short":              metadata(9, 20, 4)[:40],
		"a list cut short":       append(protowire.AppendTag(nil, dispatched, protowire.BytesType), 3, 1, 2, 3),
		"an index as a varint":   append(protowire.AppendTag(nil, readIndex, protowire.VarintType), 9),
		"dispatched as a varint": append(protowire.AppendTag(nil, dispatched, protowire.VarintType), 9),
	} {
		t.Run(name, func(t *testing.T) {
			_, changed := resume(stored)
			assert.False(t, changed)
		})
	}
}

func FuzzResume(f *testing.F) {
	f.Add(metadata(9, 20, 7, 4, 8, 5))
	f.Fuzz(func(t *testing.T, stored []byte) {
		resumed, changed := resume(stored)
		if !changed {
			return
		}
		before, _ := parse(stored)
		after, valid := parse(resumed)
		assert.True(t, valid)
		assert.Equal(t, before.first, after.read)
		_, again := resume(resumed)
		assert.False(t, again)
	})
}
