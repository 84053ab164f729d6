// SPDX-License-Identifier: Apache-2.0

// Package deferred keeps log records that must wait in a storage, while later ones are sent.
package deferred // import "github.com/impression-collector/impressionprocessor/amplitudeexporter/internal/deferred"

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
	// left is how many events of each are left, by its number.
	left map[uint64]int
}

// numbersKey is where the numbers of all chunks are kept, 8 bytes each.
const numbersKey = "chunks"

func chunkKey(number uint64) string {
	return "chunk-" + strconv.FormatUint(number, 10)
}

// Open reads which chunks the storage holds. The store owns the client from then on.
func Open(ctx context.Context, client storage.Client) (*Store, error) {
	s := &Store{client: client, left: map[uint64]int{}}
	stored, err := client.Get(ctx, numbersKey)
	if err != nil {
		return s, err
	}
	for ; len(stored) >= 8; stored = stored[8:] {
		s.numbers = append(s.numbers, binary.LittleEndian.Uint64(stored))
	}
	return s, nil
}

// Load hands over the records of each chunk, in order, and wants to know how many events they hold: a chunk without any is
// forgotten with the next write. The error tells of chunks that cannot be read, which stay in the storage.
func (s *Store) Load(ctx context.Context, events func(chunk uint64, records plog.Logs) int) error {
	var faults []error
	for _, number := range s.numbers {
		records, err := s.read(ctx, number)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", chunkKey(number), err))
			s.left[number] = 1
			continue
		}
		s.left[number] = events(number, records)
	}
	return errors.Join(faults...)
}

func (s *Store) read(ctx context.Context, number uint64) (plog.Logs, error) {
	content, err := s.client.Get(ctx, chunkKey(number))
	if err != nil {
		return plog.Logs{}, err
	}
	var unmarshaler plog.ProtoUnmarshaler
	return unmarshaler.UnmarshalLogs(content)
}

// Next is the number that the next chunk gets.
func (s *Store) Next() uint64 {
	if len(s.numbers) == 0 {
		return 0
	}
	return s.numbers[len(s.numbers)-1] + 1
}

// Add adds records that hold so many events as a chunk, and forgets the chunks of which no event is left, given the chunk
// of each event that is done, in one write. Where that fails, nothing is added.
func (s *Store) Add(ctx context.Context, records plog.Logs, events int, done []uint64) error {
	var marshaler plog.ProtoMarshaler
	content, err := marshaler.MarshalLogs(records)
	if err != nil {
		return err
	}
	s.left[s.Next()] = events
	return s.write(ctx, append(s.numbers, s.Next()), done, storage.SetOperation(chunkKey(s.Next()), content))
}

// Forget is Add without records.
func (s *Store) Forget(ctx context.Context, done []uint64) error {
	return s.write(ctx, s.numbers, done)
}

// write writes that there are chunks of these numbers, but for those of which no event is left.
func (s *Store) write(ctx context.Context, numbers, done []uint64, operations ...*storage.Operation) error {
	for _, number := range done {
		s.left[number]--
	}
	var kept []uint64
	for _, number := range numbers {
		if s.left[number] > 0 {
			kept = append(kept, number)
			continue
		}
		operations = append(operations, storage.DeleteOperation(chunkKey(number)))
	}
	if len(operations) == 0 {
		return nil
	}
	if err := s.client.Batch(ctx, append(operations, storage.SetOperation(numbersKey, encode(kept)))...); err != nil {
		return err
	}
	for _, number := range s.numbers {
		if s.left[number] <= 0 {
			delete(s.left, number)
		}
	}
	s.numbers = kept
	return nil
}

func encode(numbers []uint64) []byte {
	var encoded []byte
	for _, number := range numbers {
		encoded = binary.LittleEndian.AppendUint64(encoded, number)
	}
	return encoded
}

// Close closes the storage's client.
func (s *Store) Close(ctx context.Context) error {
	return s.client.Close(ctx)
}
