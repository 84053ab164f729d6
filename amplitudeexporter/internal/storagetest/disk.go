// SPDX-License-Identifier: Apache-2.0

// Package storagetest provides an in-memory storage extension for tests. It keeps each state that a crash would leave, and
// fails on demand.
package storagetest // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// ID is the id of the disk of a host that HostWith returns.
var ID = component.MustNewID("disk")

// ErrFails is the error of a failing disk, ErrFull that of a full one.
var (
	ErrFails = errors.New("the disk fails")
	ErrFull  = errors.New("the disk is full")
)

// Disk is a storage extension for one component.
type Disk struct {
	component.StartFunc
	component.ShutdownFunc

	mutex  sync.Mutex
	states []map[string][]byte
	fails  func(key string) bool
	isFull func() bool
}

// NewDisk returns a disk in this state, nil for an empty one. A key is a client's name, a slash, and the client's key.
func NewDisk(state map[string][]byte) *Disk {
	if state == nil {
		state = map[string][]byte{}
	}
	return &Disk{states: []map[string][]byte{state}, fails: func(string) bool { return false }, isFull: func() bool { return false }}
}

// FailIf makes reading and writing some keys fail, from now on. Deleting never fails.
func (d *Disk) FailIf(fails func(key string) bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.fails = fails
}

// FullIf makes a batch of operations fail, from now on, if one of them writes or deletes and isFull reports true.
func (d *Disk) FullIf(isFull func() bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.isFull = isFull
}

// Fail makes reading and writing all keys fail, or none, from now on.
func (d *Disk) Fail(fails bool) {
	d.FailIf(func(string) bool { return fails })
}

// History returns all states that the disk was in. A crash may leave any of them.
func (d *Disk) History() []map[string][]byte {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.states
}

// State returns the current state.
func (d *Disk) State() map[string][]byte {
	history := d.History()
	return history[len(history)-1]
}

// GetClient implements storage.Extension.
func (d *Disk) GetClient(_ context.Context, _ component.Kind, _ component.ID, name string) (storage.Client, error) {
	return d.Client(name), nil
}

// Client returns the client of this name.
func (d *Disk) Client(name string) storage.Client {
	return &client{disk: d, prefix: name + "/"}
}

func (d *Disk) apply(prefix string, operations []*storage.Operation) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	writes := slices.ContainsFunc(operations, func(o *storage.Operation) bool { return o.Type != storage.Get })
	if writes && d.isFull() {
		return ErrFull
	}
	state := maps.Clone(d.states[len(d.states)-1])
	for _, operation := range operations {
		key := prefix + operation.Key
		if operation.Type != storage.Delete && d.fails(key) {
			return ErrFails
		}
		switch operation.Type {
		case storage.Get:
			operation.Value = state[key]
		case storage.Set:
			state[key] = operation.Value
		case storage.Delete:
			delete(state, key)
		}
	}
	d.states = append(d.states, state)
	return nil
}

// client is the disk as one client sees it.
type client struct {
	disk   *Disk
	prefix string
}

func (c *client) Get(ctx context.Context, key string) ([]byte, error) {
	get := storage.GetOperation(key)
	err := c.Batch(ctx, get)
	return get.Value, err
}

func (c *client) Set(ctx context.Context, key string, value []byte) error {
	return c.Batch(ctx, storage.SetOperation(key, value))
}

func (c *client) Delete(ctx context.Context, key string) error {
	return c.Batch(ctx, storage.DeleteOperation(key))
}

func (c *client) Batch(_ context.Context, operations ...*storage.Operation) error {
	return c.disk.apply(c.prefix, operations)
}

// Walk implements storage.Walker.
func (c *client) Walk(ctx context.Context, visit storage.WalkFunc) error {
	var operations []*storage.Operation
	for key, value := range c.disk.State() {
		name, isOurs := strings.CutPrefix(key, c.prefix)
		if !isOurs {
			continue
		}
		more, err := visit(name, value)
		if err != nil {
			return err
		}
		operations = append(operations, more...)
	}
	return c.Batch(ctx, operations...)
}

func (c *client) Close(context.Context) error { return nil }

// HostWith returns a host that has the disk as its only extension.
func HostWith(host component.Host, d *Disk) component.Host {
	return diskHost{Host: host, disk: d}
}

type diskHost struct {
	component.Host
	disk *Disk
}

func (h diskHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{ID: h.disk}
}
