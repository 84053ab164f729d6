// SPDX-License-Identifier: Apache-2.0

// Package verified provides a storage client that notices damage: no value that isn't what was written reaches its user, and
// no panic of the storage ends the collector.
package verified // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/verified"

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// Settings are the settings of a Client.
type Settings struct {
	// Name names the storage in errors.
	Name string
	// IsItem reports whether a key is that of an item. An item is never read after it was deleted.
	IsItem func(key string) bool
	// Index is a key whose value tells which items there are.
	Index string
	// Decode returns an error if an item or an index that an older version wrote isn't valid.
	Decode func(key string, value []byte) error
	// OnUnreadable is called when an item can't be read, with the reason and with the key under which its bytes are kept.
	// That is "" for an item that isn't there.
	OnUnreadable func(key, keptAs string, reason error)
	// OnError is called when the storage fails.
	OnError func()
}

// Client is a storage client whose items and index are sealed with a checksum.
//
// A damaged item is moved to another key and then reads as nil, like an item that is missing. A damaged index is an error,
// ErrDamaged. Values without a seal are those of an older version.
type Client struct {
	Settings
	client storage.Client
}

// ErrDamaged means that the index isn't what was written.
var ErrDamaged = errors.New("it is damaged")

var (
	errChecksum = errors.New("its checksum is wrong")
	errMissing  = errors.New("it is missing")
)

// keptPrefix begins the keys under which unreadable items are kept.
const keptPrefix = "unreadable-"

// Open calls open, which opens a storage, and returns a client that uses it and owns it.
func Open(settings Settings, open func() (storage.Client, error)) (c *Client, err error) {
	c = &Client{Settings: settings}
	err = c.try(func() error {
		c.client, err = open()
		return err
	})
	return c, err
}

// try calls a function of the storage. A panic, or reading from an address that a damaged file led to, becomes an error.
func (c *Client) try(call func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%s is probably damaged: %v", c.Name, reason)
		}
		if err != nil {
			c.OnError()
		}
	}()
	return call()
}

// Batch implements storage.Client.
func (c *Client) Batch(ctx context.Context, operations ...*storage.Operation) error {
	sealed := make([]*storage.Operation, len(operations))
	for i, operation := range operations {
		sealed[i] = operation
		if operation.Type == storage.Set && c.isSealed(operation.Key) {
			sealed[i] = storage.SetOperation(operation.Key, seal(operation.Key, operation.Value))
		}
	}
	if err := c.try(func() error { return c.client.Batch(ctx, sealed...) }); err != nil {
		return err
	}
	for _, operation := range operations {
		if operation.Type == storage.Get && c.isSealed(operation.Key) {
			if err := c.verify(ctx, operation); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Client) isSealed(key string) bool {
	return key == c.Index || c.IsItem(key)
}

// verify removes the seal of a value that was read, or the value if it is damaged.
func (c *Client) verify(ctx context.Context, get *storage.Operation) error {
	stored := get.Value
	value, reason := c.unseal(get.Key, stored)
	get.Value = value
	switch {
	case reason == nil:
		return nil
	case get.Key == c.Index:
		return fmt.Errorf("%s, key %s: %w: %w", c.Name, get.Key, ErrDamaged, reason)
	case stored == nil:
		c.OnUnreadable(get.Key, "", reason)
		return nil
	}
	kept := keptPrefix + get.Key
	// Until then, the item must not be passed over, because its user would delete it.
	if err := c.try(func() error { return c.client.Set(ctx, kept, stored) }); err != nil {
		return err
	}
	c.OnUnreadable(get.Key, kept, reason)
	return nil
}

func (c *Client) unseal(key string, stored []byte) (value []byte, reason error) {
	if stored == nil {
		if key == c.Index {
			return nil, nil
		}
		return nil, errMissing
	}
	value, isSealed, isIntact := unseal(key, stored)
	switch {
	case isIntact:
		return value, nil
	case isSealed:
		return nil, errChecksum
	}
	if err := c.decode(key, value); err != nil {
		return nil, err
	}
	return value, nil
}

func (c *Client) decode(key string, value []byte) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%v", reason)
		}
	}()
	return c.Decode(key, value)
}

// Get implements storage.Client.
func (c *Client) Get(ctx context.Context, key string) ([]byte, error) {
	get := storage.GetOperation(key)
	err := c.Batch(ctx, get)
	return get.Value, err
}

// Set implements storage.Client.
func (c *Client) Set(ctx context.Context, key string, value []byte) error {
	return c.Batch(ctx, storage.SetOperation(key, value))
}

// Delete implements storage.Client.
func (c *Client) Delete(ctx context.Context, key string) error {
	return c.Batch(ctx, storage.DeleteOperation(key))
}

// Close implements storage.Client.
func (c *Client) Close(ctx context.Context) error {
	return c.try(func() error { return c.client.Close(ctx) })
}

// Keys returns all keys except those of unreadable items that are kept. canList reports whether the storage can list keys.
func (c *Client) Keys(ctx context.Context) (keys []string, canList bool, err error) {
	walker, canList := c.client.(storage.Walker)
	if !canList {
		return nil, false, nil
	}
	err = c.try(func() error {
		return walker.Walk(ctx, func(key string, _ []byte) ([]*storage.Operation, error) {
			if !strings.HasPrefix(key, keptPrefix) {
				keys = append(keys, key)
			}
			return nil, nil
		})
	})
	return keys, true, err
}
