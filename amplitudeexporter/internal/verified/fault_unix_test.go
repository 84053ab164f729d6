// SPDX-License-Identifier: Apache-2.0

//go:build unix

package verified

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// mapped is a storage that reads from a mapped file, as bbolt does.
type mapped struct {
	storage.Client
	memory []byte
}

func (m mapped) Batch(_ context.Context, operations ...*storage.Operation) error {
	operations[0].Value = []byte{m.memory[0]}
	return nil
}

// TestAFaultIsAnError: reading beyond the end of a mapped file ends the process, unless that was asked to be a panic.
func TestAFaultIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	memory, err := syscall.Mmap(int(file.Fd()), 0, os.Getpagesize(), syscall.PROT_READ, syscall.MAP_SHARED)
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Munmap(memory)) }()
	require.NoError(t, file.Truncate(0))
	require.NoError(t, file.Close())
	o, err := openWith(t, func() (storage.Client, error) { return mapped{memory: memory}, nil })
	require.NoError(t, err)
	_, err = o.Get(t.Context(), "1")
	require.ErrorContains(t, err, "the disk is probably damaged: runtime error")
	assert.Equal(t, 1, o.errors)
}
