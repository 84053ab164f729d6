// SPDX-License-Identifier: Apache-2.0

// Package persistentqueue has exporterhelper's persistent queue go on after a stop or a crash exactly where it was.
//
// By itself, the queue moves what was under way to its end, so that it overtakes nothing but is overtaken by all that
// waited, and in an order of its own. It takes these items out of the storage before it puts them back: a second crash in
// between loses them (exporterhelper v0.161.0, persistent_queue.go, enqueueNotDispatchedReqs).
package persistentqueue // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/persistentqueue"

import (
	"context"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"google.golang.org/protobuf/encoding/protowire"
)

// metadataKey is that under which the queue keeps its PersistentMetadata. One that is written in another form will have
// another key.
const metadataKey = "qmv0"

// Fields of PersistentMetadata: a fixed64, and packed ones.
const (
	readIndex  protowire.Number = 3
	dispatched protowire.Number = 5
)

// Resume makes the items that were under way the next to be read, in their order, in one write. It must be called before
// the queue starts, with a client of the queue's own storage. What it does not understand it leaves to the queue. Items
// between those under way that are done are gone from the storage: the queue reads them as empty.
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

// resume returns metadata with the read index at the first item under way, and with no item under way.
func resume(metadata []byte) (resumed []byte, changed bool) {
	p, understood := parse(metadata)
	if !understood || !p.isUnderWay || p.first >= p.read {
		return nil, false
	}
	resumed = protowire.AppendTag(p.others, readIndex, protowire.Fixed64Type)
	return protowire.AppendFixed64(resumed, p.first), true
}

// progress is what metadata says of reading.
type progress struct {
	// read is the index of the next item to be read, first that of the first item under way.
	read, first uint64
	isUnderWay  bool
	// others are the other fields as they are.
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

// add says whether it understands a field, which comes with its tag.
func (p *progress) add(number protowire.Number, kind protowire.Type, field []byte) bool {
	value := field[protowire.SizeTag(number):]
	switch number {
	case readIndex:
		index, length := protowire.ConsumeFixed64(value)
		p.read = index
		return kind == protowire.Fixed64Type && length > 0
	case dispatched:
		indexes, length := protowire.ConsumeBytes(value)
		return kind == protowire.BytesType && length > 0 && p.addUnderWay(indexes)
	default:
		p.others = append(p.others, field...)
		return true
	}
}

func (p *progress) addUnderWay(indexes []byte) bool {
	for len(indexes) > 0 {
		index, length := protowire.ConsumeFixed64(indexes)
		if length < 0 {
			return false
		}
		if !p.isUnderWay || index < p.first {
			p.first, p.isUnderWay = index, true
		}
		indexes = indexes[length:]
	}
	return true
}
