// SPDX-License-Identifier: Apache-2.0

package persistentqueue // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/persistentqueue"

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
)

// Client is the storage client of exporterhelper's queue. It loses nothing while the storage can't be written, for instance
// because the disk is full.
//
// The queue writes its metadata whenever it reads or finishes an item, and if that fails, it drops the item (exporterhelper
// v0.161.0, persistent_queue.go, getNextItem). So here, only writing a new item can fail. Other writes are kept in memory
// and become part of the next write that succeeds. If the process ends before that, the items that finished meanwhile are
// read again by the next one.
type Client struct {
	client storage.Client
	logger *zap.Logger
	// interrupt closes interrupted, before the queue shuts down.
	interrupt   func()
	interrupted chan struct{}

	// mutex guards the fields below.
	mutex sync.Mutex
	// metadata is the queue's newest metadata, nil if unknown.
	metadata []byte
	// pending are the operations, by key, that are still to be written: metadata, empty items, and deletions.
	pending map[string]*storage.Operation
	// failure says why the storage failed last. It is nil after a success.
	failure error
	// scarce reports whether the storage failed within the last scarcePeriod.
	scarce bool
	// timer calls tick, after a failure to write again, and then to end the scarcity.
	timer *time.Timer
	// abandoned reports whether an item that couldn't be read was given up. From then on nothing is written, so that the next
	// process reads it again.
	abandoned bool
	closed    bool
}

const (
	// retryInterval is how long a storage that failed is left alone, at least. It is retryFactor times as long as the failed
	// write took, because file_storage then reads its whole file.
	retryInterval = time.Second
	retryFactor   = 10
	// scarcePeriod is how long after a failure each item's room is tested.
	scarcePeriod = 10 * time.Second
	// testKey is the key under which the room is tested, testMargin how much more than the item's size is written.
	testKey    = "room"
	testMargin = 8 << 10
)

var errAbandoned = errors.New("an item of the queue could not be read before the exporter stopped")

// NewClient returns a client that uses another one, which it owns.
func NewClient(client storage.Client, logger *zap.Logger) *Client {
	c := &Client{
		client: client, logger: logger, interrupted: make(chan struct{}),
		// A crash during a test leaves it.
		pending: map[string]*storage.Operation{testKey: storage.DeleteOperation(testKey)},
	}
	c.interrupt = sync.OnceFunc(func() { close(c.interrupted) })
	c.timer = time.AfterFunc(retryInterval, c.tick)
	c.timer.Stop()
	return c
}

// refusal holds the reason why an item couldn't be written.
type refusal struct{ err error }

type refusalKey struct{}

// Offer calls offer, which offers an item of this size to the queue. It fails if offer fails, or if the item can't be written.
//
// The queue counts an item before it writes it. If the write fails, it counts it until the queue is empty, and senders wait
// for room that is there. That is why, after a failure, Offer tests whether there is room for the item; it must be called for one
// item at a time. And the queue isn't told of the failure, because then it wouldn't wake its reader, and those senders would wait forever.
func (c *Client) Offer(ctx context.Context, size func() int, offer func(context.Context) error) error {
	if c.isScarce() {
		if err := c.testRoom(ctx, size); err != nil {
			return refusedBecause(err)
		}
	}
	var r refusal
	if err := offer(context.WithValue(ctx, refusalKey{}, &r)); err != nil {
		return err
	}
	if r.err != nil {
		return refusedBecause(r.err)
	}
	return nil
}

func refusedBecause(err error) error {
	return fmt.Errorf("the queue's storage fails, and events are refused until it works again; if the disk is full, make room: %w", err)
}

func (c *Client) isScarce() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.scarce
}

// testRoom writes as much as an item of this size needs, and deletes it again.
func (c *Client) testRoom(ctx context.Context, size func() int) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.scarce || c.failure != nil {
		return c.failure
	}
	if err := c.write(ctx, storage.SetOperation(testKey, make([]byte, size()+testMargin))); err != nil {
		return err
	}
	c.pending[testKey] = storage.DeleteOperation(testKey)
	return c.write(ctx)
}

// Batch implements storage.Client. Of the queue's writes, only those of new items fail.
func (c *Client) Batch(ctx context.Context, operations ...*storage.Operation) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	gets, items := c.note(operations)
	switch {
	case c.abandoned && len(gets)+len(items) > 0:
		return errAbandoned
	case c.abandoned:
		return nil
	case len(items) > 0:
		return c.writeItems(ctx, items)
	case len(gets) == len(operations):
		return c.read(ctx, gets)
	case c.failure == nil && c.write(ctx, gets...) == nil:
		return nil
	default:
		return c.mustRead(ctx, gets)
	}
}

// note adds the queue's bookkeeping to what is pending, and returns the other operations. No batch of the queue both reads and
// adds items.
func (c *Client) note(operations []*storage.Operation) (gets, items []*storage.Operation) {
	for _, operation := range operations {
		switch {
		case operation.Type == storage.Get:
			gets = append(gets, operation)
			continue
		case operation.Type == storage.Set && operation.Key != MetadataKey && len(operation.Value) > 0:
			items = append(items, operation)
			continue
		case operation.Key == MetadataKey:
			c.metadata = operation.Value
		}
		c.pending[operation.Key] = operation
	}
	return gets, items
}

// writeItems writes new items. If it can't, it makes them empty, because the queue will read them, and passes the error to Offer,
// or to the queue if they aren't from Offer.
func (c *Client) writeItems(ctx context.Context, items []*storage.Operation) error {
	err := c.write(ctx, items...)
	if err == nil {
		return nil
	}
	for _, item := range items {
		c.pending[item.Key] = storage.SetOperation(item.Key, nil)
	}
	if r, isOffered := ctx.Value(refusalKey{}).(*refusal); isOffered {
		r.err = err
		return nil
	}
	return err
}

// write writes what is pending, and more operations.
func (c *Client) write(ctx context.Context, more ...*storage.Operation) error {
	operations := append(slices.Collect(maps.Values(c.pending)), more...)
	began := time.Now()
	if err := c.client.Batch(ctx, operations...); err != nil {
		if ctx.Err() == nil {
			c.fail(err)
			c.timer.Reset(max(retryInterval, retryFactor*time.Since(began)))
		}
		return err
	}
	clear(c.pending)
	if c.failure != nil {
		c.failure = nil
		c.timer.Reset(scarcePeriod)
	}
	return nil
}

func (c *Client) fail(err error) {
	if !c.scarce {
		c.logger.Warn("the queue's storage fails; events are refused until it works again, and what was accepted is kept", zap.Error(err))
	}
	c.failure, c.scarce = err, true
}

func (c *Client) tick() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	switch {
	case c.closed:
	case c.failure != nil:
		// It sets the timer again.
		_ = c.write(context.Background())
	default:
		c.scarce = false
		c.logger.Info("the queue's storage works again")
	}
}

// read reads items.
func (c *Client) read(ctx context.Context, gets []*storage.Operation) error {
	var stored []*storage.Operation
	for _, get := range gets {
		if operation, isPending := c.pending[get.Key]; isPending {
			get.Value = operation.Value
		} else {
			stored = append(stored, get)
		}
	}
	if len(stored) == 0 {
		return nil
	}
	return c.client.Batch(ctx, stored...)
}

// mustRead reads items as soon as they can be read, because the queue drops an item that it can't read. It gives up only if
// the queue is about to shut down.
func (c *Client) mustRead(ctx context.Context, gets []*storage.Operation) error {
	for failed := false; ; failed = true {
		err := c.read(ctx, gets)
		if err == nil {
			if failed {
				c.timer.Reset(retryInterval)
			}
			return nil
		}
		c.fail(err)
		c.timer.Stop()
		if c.isInterrupted() {
			c.abandoned = true
			return err
		}
	}
}

// isInterrupted waits for retryInterval, and reports whether the queue is about to shut down.
func (c *Client) isInterrupted() bool {
	c.mutex.Unlock()
	defer c.mutex.Lock()
	select {
	case <-time.After(retryInterval):
		return false
	case <-c.interrupted:
		return true
	}
}

// Get implements storage.Client.
func (c *Client) Get(ctx context.Context, key string) ([]byte, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if key == MetadataKey && c.metadata != nil {
		return c.metadata, nil
	}
	value, err := c.client.Get(ctx, key)
	if key == MetadataKey {
		// If a second attempt failed, the queue would start empty.
		c.metadata = value
	}
	return value, err
}

// Set implements storage.Client.
func (c *Client) Set(ctx context.Context, key string, value []byte) error {
	return c.Batch(ctx, storage.SetOperation(key, value))
}

// Delete implements storage.Client.
func (c *Client) Delete(ctx context.Context, key string) error {
	return c.Batch(ctx, storage.DeleteOperation(key))
}

// Interrupt ends the wait for an item that can't be read. It must be called before the queue shuts down.
func (c *Client) Interrupt() {
	c.interrupt()
}

// Close implements storage.Client. A second call has no effect.
func (c *Client) Close(ctx context.Context) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	c.timer.Stop()
	if c.pending[MetadataKey] != nil && !c.abandoned {
		if err := c.write(ctx); err != nil {
			c.logger.Warn("the queue's storage still fails; events delivered since it began to are sent again at the next start", zap.Error(err))
		}
	}
	return c.client.Close(ctx)
}
