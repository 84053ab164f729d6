// SPDX-License-Identifier: Apache-2.0

package deferred // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"

import (
	"context"

	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// Memory is a storage client for exporters whose queue is in memory too. The zero Memory is empty.
type Memory map[string][]byte

var _ storage.Client = Memory{}

// Get implements storage.Client.
func (m Memory) Get(_ context.Context, key string) ([]byte, error) {
	return m[key], nil
}

// Set implements storage.Client.
func (m Memory) Set(_ context.Context, key string, value []byte) error {
	m[key] = value
	return nil
}

// Delete implements storage.Client.
func (m Memory) Delete(_ context.Context, key string) error {
	delete(m, key)
	return nil
}

// Batch implements storage.Client.
func (m Memory) Batch(_ context.Context, operations ...*storage.Operation) error {
	for _, o := range operations {
		switch o.Type {
		case storage.Get:
			o.Value = m[o.Key]
		case storage.Set:
			m[o.Key] = o.Value
		case storage.Delete:
			delete(m, o.Key)
		}
	}
	return nil
}

// Close implements storage.Client.
func (m Memory) Close(context.Context) error {
	return nil
}
