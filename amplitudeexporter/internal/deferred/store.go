// SPDX-License-Identifier: Apache-2.0

// Package deferred stores the log records of events that wait while later events are sent, so that a crash doesn't lose them.
package deferred // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/verified"
)

// Store keeps records in chunks. A chunk is deleted when all of its events are done. A Store is not safe for concurrent use.
type Store struct {
	client storage.Client
	// numbers identify the chunks, in the order in which they were added.
	numbers []uint64
	chunks  map[uint64]*chunk
	// failed reports whether the last write failed.
	failed bool
}

// Place is where an event is stored: the number of its chunk, and its index among the events of the chunk when that was
// added or loaded.
type Place struct {
	Chunk uint64
	Event int
}

// chunk describes stored records.
type chunk struct {
	// stored has the index of each stored record's event. It is nil if not every record is one event.
	stored []int
	// isDone reports whether an event, by its index, is done. left counts the others.
	isDone []bool
	left   int
}

func newChunk(events, records int) *chunk {
	c := &chunk{isDone: make([]bool, events), left: events}
	if events == records {
		for i := range records {
			c.stored = append(c.stored, i)
		}
	}
	return c
}

func (c *chunk) isPartlyDone() bool {
	return c.left > 0 && c.left < len(c.stored)
}

// isMostlyDone reports whether the chunk should be rewritten. Each record is then written about twice at most.
func (c *chunk) isMostlyDone() bool {
	return c.isPartlyDone() && c.left <= len(c.stored)/2
}

// IndexKey is the key of the chunk index: the number of each chunk, 8 bytes each.
const IndexKey = "chunks"

const chunkPrefix = "chunk-"

func chunkKey(number uint64) string {
	return chunkPrefix + strconv.FormatUint(number, 10)
}

// numberOf returns the number of the chunk that has this key.
func numberOf(key string) (number uint64, isChunk bool) {
	number, err := strconv.ParseUint(strings.TrimPrefix(key, chunkPrefix), 10, 64)
	return number, err == nil && key == chunkKey(number)
}

// IsItem reports whether a key is that of a chunk.
func IsItem(key string) bool {
	_, isChunk := numberOf(key)
	return isChunk
}

// Decode returns an error if a chunk or the chunk index isn't valid.
func Decode(key string, value []byte) error {
	if key != IndexKey {
		_, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(value)
		return err
	}
	if len(value)%8 != 0 {
		return fmt.Errorf("it has %d bytes, which is no multiple of 8", len(value))
	}
	return nil
}

// Open reads the chunk index, and adds the chunks that are among the keys in the storage, in case the index is damaged. If keys is
// nil, because the storage can't list them, a damaged index is an error. The store owns the client if Open succeeds.
func Open(ctx context.Context, client storage.Client, keys []string) (*Store, error) {
	stored, err := client.Get(ctx, IndexKey)
	if err != nil && (keys == nil || !errors.Is(err, verified.ErrDamaged)) {
		return nil, err
	}
	s := &Store{client: client, chunks: map[uint64]*chunk{}}
	for ; len(stored) >= 8; stored = stored[8:] {
		s.numbers = append(s.numbers, binary.LittleEndian.Uint64(stored))
	}
	for _, key := range keys {
		if number, isChunk := numberOf(key); isChunk {
			s.numbers = append(s.numbers, number)
		}
	}
	slices.Sort(s.numbers)
	s.numbers = slices.Compact(s.numbers)
	return s, nil
}

// Load calls read with the records of each chunk, in order. read returns how many events they have. A chunk without events
// is deleted by the next write.
func (s *Store) Load(ctx context.Context, read func(chunk uint64, records plog.Logs) (events int)) error {
	for _, number := range s.numbers {
		if err := s.LoadChunk(ctx, number, func(records plog.Logs) int { return read(number, records) }); err != nil {
			return err
		}
	}
	return nil
}

// LoadChunk is Load for one chunk. It may be called again for a chunk of which no event is done.
func (s *Store) LoadChunk(ctx context.Context, number uint64, read func(records plog.Logs) (events int)) error {
	records, err := s.read(ctx, number)
	if err != nil {
		return err
	}
	stored := records.LogRecordCount()
	s.chunks[number] = newChunk(read(records), stored)
	return nil
}

func (s *Store) read(ctx context.Context, number uint64) (plog.Logs, error) {
	content, err := s.client.Get(ctx, chunkKey(number))
	if err != nil {
		return plog.Logs{}, fmt.Errorf("%s: %w", chunkKey(number), err)
	}
	var unmarshaler plog.ProtoUnmarshaler
	records, err := unmarshaler.UnmarshalLogs(content)
	if err != nil {
		return plog.Logs{}, fmt.Errorf("%s: %w", chunkKey(number), err)
	}
	return records, nil
}

// Next returns the number of the next chunk.
func (s *Store) Next() uint64 {
	if len(s.numbers) == 0 {
		return 0
	}
	return s.numbers[len(s.numbers)-1] + 1
}

// Addition is records to add, each of them one event.
type Addition struct {
	Records plog.Logs
	// Behind is the number of a chunk of which no event is done, if there is one: its records and these become one chunk.
	Behind *uint64
}

// Add adds a chunk for each addition, and forgets the events that are done, in one write. The first of these chunks has the
// number Next. If the write fails, nothing is added.
func (s *Store) Add(ctx context.Context, done []Place, additions ...Addition) error {
	var operations []*storage.Operation
	var replaced, added []uint64
	for i, addition := range additions {
		number := s.Next() + uint64(i)
		content, records, err := s.contentOf(ctx, addition)
		if err != nil {
			return err
		}
		s.chunks[number] = newChunk(records, records)
		added = append(added, number)
		operations = append(operations, storage.SetOperation(chunkKey(number), content))
		if addition.Behind != nil {
			replaced = append(replaced, *addition.Behind)
			operations = append(operations, storage.DeleteOperation(chunkKey(*addition.Behind)))
		}
	}
	s.note(done)
	kept := slices.DeleteFunc(slices.Clone(s.numbers), func(number uint64) bool { return slices.Contains(replaced, number) })
	if err := s.write(ctx, append(kept, added...), (*chunk).isMostlyDone, operations...); err != nil {
		return err
	}
	for _, number := range replaced {
		delete(s.chunks, number)
	}
	return nil
}

// contentOf returns the content of an addition's chunk, and how many records it has.
func (s *Store) contentOf(ctx context.Context, addition Addition) (content []byte, records int, err error) {
	logs := addition.Records
	if addition.Behind != nil {
		before, err := s.read(ctx, *addition.Behind)
		if err != nil {
			return nil, 0, err
		}
		for _, resource := range logs.ResourceLogs().All() {
			resource.CopyTo(before.ResourceLogs().AppendEmpty())
		}
		logs = before
	}
	var marshaler plog.ProtoMarshaler
	content, err = marshaler.MarshalLogs(logs)
	return content, logs.LogRecordCount(), err
}

// Failed reports whether the last write failed, so that events that are done may still be stored.
func (s *Store) Failed() bool { return s.failed }

// Forget forgets the events that are done, including those for which an earlier write failed.
func (s *Store) Forget(ctx context.Context, done []Place) error {
	s.note(done)
	return s.write(ctx, s.numbers, (*chunk).isMostlyDone)
}

// Close removes the events that are done from the storage, and closes the client.
func (s *Store) Close(ctx context.Context) error {
	return errors.Join(s.write(ctx, s.numbers, (*chunk).isPartlyDone), s.client.Close(ctx))
}

func (s *Store) note(done []Place) {
	for _, place := range done {
		c := s.chunks[place.Chunk]
		if c.isDone[place.Event] {
			// An earlier write failed.
			continue
		}
		c.isDone[place.Event] = true
		c.left--
	}
}

// write saves the chunk index, deletes finished chunks, and rewrites some partly finished ones.
func (s *Store) write(ctx context.Context, numbers []uint64, rewrite func(*chunk) bool, operations ...*storage.Operation) (err error) {
	defer func() { s.failed = err != nil }()
	var kept []uint64
	rest := map[uint64][]int{}
	for _, number := range numbers {
		c := s.chunks[number]
		if c.left == 0 {
			operations = append(operations, storage.DeleteOperation(chunkKey(number)))
			continue
		}
		kept = append(kept, number)
		if rewrite(c) {
			content, stored, err := s.rest(ctx, number)
			if err != nil {
				return err
			}
			rest[number] = stored
			operations = append(operations, storage.SetOperation(chunkKey(number), content))
		}
	}
	if len(operations) == 0 {
		return nil
	}
	var index []byte
	for _, number := range kept {
		index = binary.LittleEndian.AppendUint64(index, number)
	}
	if err := s.client.Batch(ctx, append(operations, storage.SetOperation(IndexKey, index))...); err != nil {
		return err
	}
	for _, number := range s.numbers {
		if s.chunks[number].left == 0 {
			delete(s.chunks, number)
		}
	}
	for number, stored := range rest {
		s.chunks[number].stored = stored
	}
	s.numbers = kept
	return nil
}

// rest returns a chunk's content without the events that are done, and the indexes of the others.
func (s *Store) rest(ctx context.Context, number uint64) (content []byte, left []int, err error) {
	records, err := s.read(ctx, number)
	if err != nil {
		return nil, nil, err
	}
	c := s.chunks[number]
	index := -1
	for _, resource := range records.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			scope.LogRecords().RemoveIf(func(plog.LogRecord) bool {
				index++
				if c.isDone[c.stored[index]] {
					return true
				}
				left = append(left, c.stored[index])
				return false
			})
		}
	}
	var marshaler plog.ProtoMarshaler
	content, err = marshaler.MarshalLogs(records)
	return content, left, err
}
