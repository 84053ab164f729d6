// SPDX-License-Identifier: Apache-2.0

// Package persistentqueue lets exporterhelper's persistent queue continue, after a shutdown or a crash, exactly where it was.
//
// The queue itself moves the items that were dispatched to its end, in any order: all items that waited overtake them. And
// it removes them from the storage before it adds them again, so that a second crash in between loses them
// (exporterhelper v0.161.0, persistent_queue.go, enqueueNotDispatchedReqs).
package persistentqueue // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/persistentqueue"

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/request"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/verified"
)

// MetadataKey is the key of the queue's PersistentMetadata. Another format will have another key.
const MetadataKey = "qmv0"

// Fields of PersistentMetadata: the index of the next item to be read, that of the next item to be written, both fixed64, and
// those of the items that were dispatched and not finished, packed fixed64s.
const (
	readIndex  protowire.Number = 3
	writeIndex protowire.Number = 4
	dispatched protowire.Number = 5
)

// IsItem reports whether a key is that of an item.
func IsItem(key string) bool {
	index, err := strconv.ParseUint(key, 10, 64)
	return err == nil && itemKey(index) == key
}

func itemKey(index uint64) string {
	return strconv.FormatUint(index, 10)
}

// Decode returns an error if an item or the metadata isn't valid.
func Decode(key string, value []byte) error {
	if key == MetadataKey {
		if _, isValid := parse(value); !isValid {
			return errNotMetadata
		}
		return nil
	}
	_, _, err := request.UnmarshalLogs(value)
	if errors.Is(err, request.ErrInvalidFormat) {
		_, err = (&plog.ProtoUnmarshaler{}).UnmarshalLogs(value)
	}
	return err
}

var errNotMetadata = errors.New("it is not the metadata of a queue")

// Resume makes the dispatched items the next ones to be read, in order. It must be called before the queue starts, with a
// client of the queue's storage. If the metadata is damaged or missing, the queue would start empty. Resume then makes new
// metadata from the keys of the items, and returns the reason as rebuilt, or an error if keys is nil, because the storage can't
// list them.
func Resume(ctx context.Context, client storage.Client, keys []string) (rebuilt, err error) {
	items, isLegacy, err := itemsOf(keys)
	if err != nil {
		return nil, err
	}
	stored, err := client.Get(ctx, MetadataKey)
	if err != nil && !errors.Is(err, verified.ErrDamaged) {
		return nil, err
	}
	p, isValid := parse(stored)
	switch {
	case err != nil:
		rebuilt = err
	case stored == nil && (isLegacy || len(items) == 0):
		// The queue is new, or reads the keys of an earlier format.
		return nil, nil
	case stored == nil:
		rebuilt = fmt.Errorf("key %s is missing", MetadataKey)
	case !isValid:
		rebuilt = fmt.Errorf("key %s: %w", MetadataKey, errNotMetadata)
	default:
		if rebuilt, err = p.checkItems(ctx, client, items); err != nil || rebuilt == nil {
			return nil, errors.Join(err, p.resume(ctx, client))
		}
	}
	if keys == nil {
		return nil, fmt.Errorf("the events in the queue can't be found, because of its metadata: %w; restore the storage, or empty it to start without them", rebuilt)
	}
	return rebuilt, client.Set(ctx, MetadataKey, metadataOf(items))
}

// progress is the part of the metadata that is about reading.
type progress struct {
	// read and write are the indexes of the next items to be read and written.
	read, write uint64
	dispatched  []uint64
	// others are all fields but those of read and dispatched, unchanged.
	others []byte
}

// checkItems returns a reason to make new metadata if an item is beyond the queue's end. A damaged item may have a key that isn't
// its own; the client then reads it as nil, and it is deleted.
func (p *progress) checkItems(ctx context.Context, client storage.Client, items []uint64) (reason, err error) {
	for _, index := range items {
		if index < p.write {
			continue
		}
		item, err := client.Get(ctx, itemKey(index))
		switch {
		case err != nil:
			return nil, err
		case item != nil:
			return fmt.Errorf("key %s does not know the item %d", MetadataKey, index), nil
		}
		if err := client.Delete(ctx, itemKey(index)); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// itemsOf returns the indexes of the items among the keys, in order, and whether there is metadata in an earlier format.
func itemsOf(keys []string) (items []uint64, isLegacy bool, err error) {
	for _, key := range keys {
		if IsItem(key) {
			index, _ := strconv.ParseUint(key, 10, 64)
			items = append(items, index)
			continue
		}
		switch key {
		case MetadataKey, testKey:
		case "ri", "wi", "di":
			isLegacy = true
		default:
			return nil, false, fmt.Errorf("the queue has the unknown key %s, so its events can't be found; "+
				"a later version wrote them, or the storage is damaged: use the version that wrote them, or restore the storage", quoted(key))
		}
	}
	slices.Sort(items)
	return items, isLegacy, nil
}

var nameOfKey = regexp.MustCompile(`^[a-z]{1,8}\d{0,3}$`)

// quoted returns a key for an error, but not one that may be part of an event, because the storage is damaged.
func quoted(key string) string {
	if nameOfKey.MatchString(key) {
		return strconv.Quote(key)
	}
	return fmt.Sprintf("of %d bytes", len(key))
}

// metadataOf returns the metadata of a queue that has these items. It counts from there on, and not how large they are.
func metadataOf(items []uint64) []byte {
	var read, write uint64
	if len(items) > 0 {
		read, write = items[0], items[len(items)-1]+1
	}
	metadata := protowire.AppendTag(nil, readIndex, protowire.Fixed64Type)
	metadata = protowire.AppendFixed64(metadata, read)
	metadata = protowire.AppendTag(metadata, writeIndex, protowire.Fixed64Type)
	return protowire.AppendFixed64(metadata, write)
}

// resume writes metadata whose read index is at the first dispatched item, and that has no dispatched items. Items that finished
// between dispatched ones are no longer in the storage, so it makes them empty.
func (p *progress) resume(ctx context.Context, client storage.Client) error {
	if len(p.dispatched) == 0 {
		return nil
	}
	first := slices.Min(p.dispatched)
	if first >= p.read {
		return nil
	}
	metadata := protowire.AppendTag(p.others, readIndex, protowire.Fixed64Type)
	operations := []*storage.Operation{storage.SetOperation(MetadataKey, protowire.AppendFixed64(metadata, first))}
	isDispatched := make(map[uint64]bool, len(p.dispatched))
	for _, index := range p.dispatched {
		isDispatched[index] = true
	}
	for index := first; index < p.read; index++ {
		if !isDispatched[index] {
			operations = append(operations, storage.SetOperation(itemKey(index), nil))
		}
	}
	return client.Batch(ctx, operations...)
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
	isPossible := p.isPossible()
	return p, isPossible
}

// maxFinished is more than the queue ever finishes between dispatched items.
const maxFinished = 1 << 16

func (p *progress) isPossible() bool {
	if len(p.dispatched) > 0 && slices.Min(p.dispatched)+uint64(len(p.dispatched))+maxFinished < p.read {
		return false
	}
	return p.read <= p.write
}

// add adds a field, given with its tag, and reports whether the field is valid.
func (p *progress) add(number protowire.Number, kind protowire.Type, field []byte) bool {
	value := field[protowire.SizeTag(number):]
	switch number {
	case readIndex:
		index, length := protowire.ConsumeFixed64(value)
		p.read = index
		return kind == protowire.Fixed64Type && length > 0
	case writeIndex:
		index, length := protowire.ConsumeFixed64(value)
		p.write = index
		p.others = append(p.others, field...)
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
		p.dispatched = append(p.dispatched, index)
		indexes = indexes[length:]
	}
	return true
}
