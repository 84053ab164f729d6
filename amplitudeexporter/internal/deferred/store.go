// SPDX-License-Identifier: Apache-2.0

// Package deferred keeps log records that must wait in a storage, while later ones are sent.
package deferred // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Store keeps records in chunks, each until none of its events is left. It is not safe for concurrent use.
type Store struct {
	client storage.Client
	// numbers are those of the chunks, in the order in which they came.
	numbers []uint64
	chunks  map[uint64]*chunk
}

// Place is where an event is stored: the number of a chunk, and that of the event among those that the chunk was added or
// loaded with.
type Place struct {
	Chunk uint64
	Event int
}

// chunk is what is known of stored records.
type chunk struct {
	// stored are the numbers of the events of each record, in order, nil where a record is not an event each.
	stored []int
	// isDone says of each event, by its number, that there is nothing left to do with it. Left counts the others.
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

// isMostlyDone says whether it is worth while to store the rest anew: then each record is written twice at most.
func (c *chunk) isMostlyDone() bool {
	return c.isPartlyDone() && c.left <= len(c.stored)/2
}

// numbersKey is where the numbers of all chunks are kept, 8 bytes each.
const numbersKey = "chunks"

func chunkKey(number uint64) string {
	return "chunk-" + strconv.FormatUint(number, 10)
}

// Open reads which chunks the storage holds. The store owns the client from then on.
func Open(ctx context.Context, client storage.Client) (*Store, error) {
	stored, err := client.Get(ctx, numbersKey)
	if err != nil {
		return nil, err
	}
	s := &Store{client: client, chunks: map[uint64]*chunk{}}
	for ; len(stored) >= 8; stored = stored[8:] {
		s.numbers = append(s.numbers, binary.LittleEndian.Uint64(stored))
	}
	return s, nil
}

// Load hands over the records of each chunk, in order, and wants to know how many events they hold: a chunk without any is
// forgotten with the next write. What is no log records stays in the storage, and is told of as unreadable.
func (s *Store) Load(ctx context.Context, events func(chunk uint64, records plog.Logs) int) (unreadable, err error) {
	var unmarshaler plog.ProtoUnmarshaler
	for _, number := range s.numbers {
		content, err := s.client.Get(ctx, chunkKey(number))
		if err != nil {
			return unreadable, fmt.Errorf("%s: %w", chunkKey(number), err)
		}
		records, err := unmarshaler.UnmarshalLogs(content)
		if err != nil {
			unreadable = errors.Join(unreadable, fmt.Errorf("%s: %w", chunkKey(number), err))
			s.chunks[number] = newChunk(1, 0)
			continue
		}
		stored := records.LogRecordCount()
		s.chunks[number] = newChunk(events(number, records), stored)
	}
	return unreadable, nil
}

// Next is the number that the next chunk gets.
func (s *Store) Next() uint64 {
	if len(s.numbers) == 0 {
		return 0
	}
	return s.numbers[len(s.numbers)-1] + 1
}

// Add adds records, each of them an event, as a chunk, and forgets the events that are done, in one write. Where that
// fails, nothing is added.
func (s *Store) Add(ctx context.Context, records plog.Logs, done []Place) error {
	var marshaler plog.ProtoMarshaler
	content, err := marshaler.MarshalLogs(records)
	if err != nil {
		return err
	}
	number := s.Next()
	s.chunks[number] = newChunk(records.LogRecordCount(), records.LogRecordCount())
	s.note(done)
	return s.write(ctx, append(s.numbers, number), (*chunk).isMostlyDone, storage.SetOperation(chunkKey(number), content))
}

// Forget forgets the events that are done.
func (s *Store) Forget(ctx context.Context, done []Place) error {
	s.note(done)
	return s.write(ctx, s.numbers, (*chunk).isMostlyDone)
}

// Close leaves nothing in the storage but events that are left, and closes its client.
func (s *Store) Close(ctx context.Context) error {
	return errors.Join(s.write(ctx, s.numbers, (*chunk).isPartlyDone), s.client.Close(ctx))
}

func (s *Store) note(done []Place) {
	for _, place := range done {
		c := s.chunks[place.Chunk]
		if c.isDone[place.Event] {
			// Told of before, in vain.
			continue
		}
		c.isDone[place.Event] = true
		c.left--
	}
}

// write writes that there are chunks of these numbers, but for those of which no event is left, and stores the rest of
// others anew.
func (s *Store) write(ctx context.Context, numbers []uint64, anew func(*chunk) bool, operations ...*storage.Operation) error {
	var kept []uint64
	rest := map[uint64][]int{}
	for _, number := range numbers {
		c := s.chunks[number]
		if c.left == 0 {
			operations = append(operations, storage.DeleteOperation(chunkKey(number)))
			continue
		}
		kept = append(kept, number)
		if anew(c) {
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
	if err := s.client.Batch(ctx, append(operations, storage.SetOperation(numbersKey, encode(kept)))...); err != nil {
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

// rest returns a chunk's content without the events that are done, and the numbers of those that are left.
func (s *Store) rest(ctx context.Context, number uint64) (content []byte, left []int, err error) {
	if content, err = s.client.Get(ctx, chunkKey(number)); err != nil {
		return nil, nil, err
	}
	var unmarshaler plog.ProtoUnmarshaler
	records, err := unmarshaler.UnmarshalLogs(content)
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

func encode(numbers []uint64) []byte {
	var encoded []byte
	for _, number := range numbers {
		encoded = binary.LittleEndian.AppendUint64(encoded, number)
	}
	return encoded
}
