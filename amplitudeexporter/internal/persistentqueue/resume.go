// SPDX-License-Identifier: Apache-2.0

// Package persistentqueue lets exporterhelper's persistent queue continue, after a shutdown or a crash, exactly where it was.
//
// The queue itself moves the items that were dispatched to its end, in any order: all items that waited overtake them. And
// it removes them from the storage before it adds them again, so that a second crash in between loses them
// (exporterhelper v0.161.0, persistent_queue.go, enqueueNotDispatchedReqs).
package persistentqueue // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/persistentqueue"

import (
	"context"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"google.golang.org/protobuf/encoding/protowire"
)

// metadataKey is the key of the queue's PersistentMetadata. Another format will have another key.
const metadataKey = "qmv0"

// Fields of PersistentMetadata: the index of the next item to be read, a fixed64, and those of the items that were
// dispatched and not finished, packed fixed64s.
const (
	readIndex  protowire.Number = 3
	dispatched protowire.Number = 5
)

// Resume makes the dispatched items the next ones to be read, in order, in one write. It must be called before the queue
// starts, with a client of the queue's storage. It doesn't change metadata that it can't parse. Items that finished between
// dispatched ones are no longer in the storage, and the queue reads them as empty.
func Resume(ctx context.Context, client storage.Client) error {
	stored, err := client.Get(ctx, metadataKey)
	if err != nil {
		return err
	}
	resumed, changed := resume(stored)
	if !changed {
		return nil
	}
	return client.Set(ctx, metadataKey, resumed)
}

// resume returns metadata whose read index is at the first dispatched item, and that has no dispatched items.
func resume(metadata []byte) (resumed []byte, changed bool) {
	p, valid := parse(metadata)
	if !valid || !p.hasDispatched || p.first >= p.read {
		return nil, false
	}
	resumed = protowire.AppendTag(p.others, readIndex, protowire.Fixed64Type)
	return protowire.AppendFixed64(resumed, p.first), true
}

// progress is the part of the metadata that is about reading.
type progress struct {
	// read is the index of the next item to be read, first that of the first dispatched item.
	read, first   uint64
	hasDispatched bool
	// others are the other fields, unchanged.
	others []byte
}

func parse(metadata []byte) (progress, bool) {
	var p progress
	for len(metadata) > 0 {
		number, kind, length := protowire.ConsumeField(metadata)
		if length < 0 || !p.add(number, kind, metadata[:length]) {
			return progress{}, false
		}
		metadata = metadata[length:]
	}
	return p, true
}

// add adds a field, given with its tag, and reports whether the field is valid.
func (p *progress) add(number protowire.Number, kind protowire.Type, field []byte) bool {
	value := field[protowire.SizeTag(number):]
	switch number {
	case readIndex:
		index, length := protowire.ConsumeFixed64(value)
		p.read = index
		return kind == protowire.Fixed64Type && length > 0
	case dispatched:
		indexes, length := protowire.ConsumeBytes(value)
		return kind == protowire.BytesType && length > 0 && p.addDispatched(indexes)
	default:
		p.others = append(p.others, field...)
		return true
	}
}

func (p *progress) addDispatched(indexes []byte) bool {
	for len(indexes) > 0 {
		index, length := protowire.ConsumeFixed64(indexes)
		if length < 0 {
			return false
		}
		if !p.hasDispatched || index < p.first {
			p.first, p.hasDispatched = index, true
		}
		indexes = indexes[length:]
	}
	return true
}
