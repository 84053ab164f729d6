// SPDX-License-Identifier: Apache-2.0

package storagefile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"go.opentelemetry.io/collector/component"
)

// newFile returns a file that bbolt has created, cut to this many pages.
func newFile(t *testing.T, pages int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exporter_amplitude__logs")
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.NoError(t, os.Truncate(path, int64(pages*os.Getpagesize())))
	return path
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Size()
}

// TestUnfinishedFilesCanBeOpenedAgain for each number of pages for which there was room.
func TestUnfinishedFilesCanBeOpenedAgain(t *testing.T) {
	for pages := range initialPages {
		path := newFile(t, pages)
		require.NoError(t, EmptyUnfinished(path))
		client, err := newStorage(t, filepath.Dir(path)).GetClient(t.Context(), component.KindExporter, owner, "logs")
		require.NoError(t, err, "%d pages", pages)
		require.NoError(t, client.Close(t.Context()))
	}
}

func TestOtherFilesStay(t *testing.T) {
	written, _ := write(t, 1, 10)
	cut, _ := write(t, 1, 10)
	require.NoError(t, os.Truncate(cut, int64(os.Getpagesize())))
	foreign := filepath.Join(t.TempDir(), "foreign")
	require.NoError(t, os.WriteFile(foreign, []byte("not a database"), 0o600))
	for name, path := range map[string]string{
		"new": newFile(t, initialPages), "written": written, "damaged": cut, "foreign": foreign,
	} {
		before := sizeOf(t, path)
		require.NoError(t, EmptyUnfinished(path), name)
		assert.Equal(t, before, sizeOf(t, path), name)
	}
	require.NoError(t, EmptyUnfinished(filepath.Join(t.TempDir(), "missing")))
}
