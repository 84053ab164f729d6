// SPDX-License-Identifier: Apache-2.0

package storagefile

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

var owner = component.MustNewID("amplitude")

// newStorage returns a file_storage in this directory.
func newStorage(tb testing.TB, directory string) storage.Extension {
	tb.Helper()
	factory := filestorage.NewFactory()
	config := factory.CreateDefaultConfig().(*filestorage.Config)
	config.Directory = directory
	config.Timeout = time.Minute
	extension, err := factory.Create(context.Background(), extensiontest.NewNopSettings(factory.Type()), config)
	require.NoError(tb, err)
	return extension.(storage.Extension)
}

// write writes this many items, of which it deletes the first half, and returns the file and the keys in it.
func write(tb testing.TB, items, size int) (path string, keys []string) {
	tb.Helper()
	directory := tb.TempDir()
	client, err := newStorage(tb, directory).GetClient(context.Background(), component.KindExporter, owner, "logs")
	require.NoError(tb, err)
	for i := range items {
		key := strconv.Itoa(i)
		require.NoError(tb, client.Set(context.Background(), key, bytes.Repeat([]byte{byte(i)}, size+i%7*size/4)))
		if i < items/2 {
			require.NoError(tb, client.Delete(context.Background(), key))
			continue
		}
		keys = append(keys, key)
	}
	require.NoError(tb, client.Close(context.Background()))
	slices.Sort(keys)
	return filepath.Join(directory, "exporter_amplitude__logs"), keys
}

func keysIn(path string) (keys []string, lastWriteLost bool, err error) {
	lastWriteLost, err = Check(path, func(key []byte) { keys = append(keys, string(key)) })
	return keys, lastWriteLost, err
}

func TestCheckVisitsEachKey(t *testing.T) {
	for _, c := range []struct{ items, size int }{{0, 0}, {1, 10}, {2, 10}, {40, 10}, {300, 700}, {3000, 30}, {200, 9000}, {20, 100_000}} {
		t.Run(fmt.Sprintf("%d of %d bytes", c.items, c.size), func(t *testing.T) {
			path, want := write(t, c.items, c.size)
			found, lastWriteLost, err := keysIn(path)
			require.NoError(t, err)
			assert.False(t, lastWriteLost)
			assert.Equal(t, want, found)
		})
	}
}

// TestCheckAfterRandomWrites: no healthy file may be refused.
func TestCheckAfterRandomWrites(t *testing.T) {
	directory := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	want := map[string]bool{}
	for range 40 {
		client, err := newStorage(t, directory).GetClient(t.Context(), component.KindExporter, owner, "logs")
		require.NoError(t, err)
		for range random.IntN(100) {
			var operations []*storage.Operation
			for range 1 + random.IntN(20) {
				key := strconv.Itoa(random.IntN(2000))
				if want[key] = random.IntN(3) > 0; want[key] {
					operations = append(operations, storage.SetOperation(key, make([]byte, random.IntN(200)<<random.IntN(8))))
				} else {
					delete(want, key)
					operations = append(operations, storage.DeleteOperation(key))
				}
			}
			require.NoError(t, client.Batch(t.Context(), operations...))
		}
		require.NoError(t, client.Close(t.Context()))
		found, _, err := keysIn(filepath.Join(directory, "exporter_amplitude__logs"))
		require.NoError(t, err)
		assert.Equal(t, slices.Sorted(maps.Keys(want)), found)
	}
}

func TestCheckOfNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	_, err := Check(path, nil)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = Check(path, nil)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, make([]byte, 1<<15), 0o600))
	_, err = Check(path, nil)
	require.ErrorContains(t, err, path)
}

func TestCheckNoticesDamage(t *testing.T) {
	path, _ := write(t, 300, 700)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	m, _, err := newestMeta(bytes.NewReader(whole))
	require.NoError(t, err)
	size := int(m.pageSize)
	root := int(m.root) * size
	older := int((m.transaction+1)%2) * size
	for name, damage := range map[string]func(file []byte) []byte{
		"cut short":      func(file []byte) []byte { return file[:len(file)/2] },
		"another page":   func(file []byte) []byte { file[root] ^= 1; return file },
		"another type":   func(file []byte) []byte { file[root+8] ^= 8; return file },
		"no entry":       func(file []byte) []byte { file[root+10] = 0; return file },
		"overflow":       func(file []byte) []byte { file[root+15] ^= 64; return file },
		"no bucket":      func(file []byte) []byte { file[root+16] = 0; return file },
		"a far key":      func(file []byte) []byte { file[root+16+7] ^= 64; return file },
		"another bucket": func(file []byte) []byte { return bytes.ReplaceAll(file, bucketName, []byte("defauld")) },
		"both metas":     func(file []byte) []byte { file[40] ^= 1; file[size+40] ^= 1; return file },
	} {
		t.Run(name, func(t *testing.T) {
			damaged := filepath.Join(t.TempDir(), "damaged")
			require.NoError(t, os.WriteFile(damaged, damage(bytes.Clone(whole)), 0o600))
			_, err := Check(damaged, func([]byte) {})
			require.ErrorContains(t, err, damaged+" is damaged: ")
		})
	}
	for name, page := range map[string]int{"the newest meta": size - older, "the older meta": older} {
		t.Run(name, func(t *testing.T) {
			damaged := bytes.Clone(whole)
			damaged[page+40] ^= 1
			require.NoError(t, os.WriteFile(path, damaged, 0o600))
			lastWriteLost, err := Check(path, func([]byte) {})
			require.NoError(t, err)
			assert.True(t, lastWriteLost)
		})
	}
}

// TestAFileThatPassesDoesNotPanic flips bits in files. What passes is opened and read by file_storage, whose panic in another
// goroutine would end the test.
func TestAFileThatPassesDoesNotPanic(t *testing.T) {
	passed, refused := 0, 0
	for _, c := range []struct{ items, size int }{{20, 10}, {120, 300}, {40, 6000}} {
		path, _ := write(t, c.items, c.size)
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		for seed := range uint64(100) {
			damaged := bytes.Clone(whole)
			random := rand.New(rand.NewPCG(seed, uint64(c.items)))
			for range random.IntN(40) {
				damaged[random.IntN(len(damaged))] ^= 1 << random.IntN(8)
			}
			require.NoError(t, os.WriteFile(path, damaged, 0o600))
			if _, err := Check(path, func([]byte) {}); err != nil {
				refused++
				assert.NotContains(t, strings.ReplaceAll(err.Error(), strconv.Quote(string(bucketName)), ""), `"`, "a key may be part of an event")
				continue
			}
			passed++
			use(t, filepath.Dir(path))
		}
	}
	t.Logf("%d passed, %d refused", passed, refused)
	assert.Positive(t, passed)
	assert.Positive(t, refused)
}

func FuzzCheck(f *testing.F) {
	path, _ := write(f, 60, 200)
	whole, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 16, 8, 1})
	f.Fuzz(func(t *testing.T, flips []byte) {
		damaged := bytes.Clone(whole)
		// Three bytes are a place and a mask.
		for ; len(flips) >= 3; flips = flips[3:] {
			damaged[(int(flips[0])<<8|int(flips[1]))%len(damaged)] ^= flips[2]
		}
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		if _, err := Check(path, func([]byte) {}); err == nil {
			use(t, filepath.Dir(path))
		}
	})
}

// use opens a storage, and reads, writes and deletes every key.
func use(tb testing.TB, directory string) {
	tb.Helper()
	client, err := newStorage(tb, directory).GetClient(context.Background(), component.KindExporter, owner, "logs")
	require.NoError(tb, err)
	sum := 0
	err = client.(storage.Walker).Walk(context.Background(), func(key string, value []byte) ([]*storage.Operation, error) {
		for _, b := range value {
			sum += int(b)
		}
		return []*storage.Operation{storage.SetOperation(key, value[:len(value)/2]), storage.DeleteOperation(key)}, nil
	})
	require.NoError(tb, err)
	require.NoError(tb, client.Set(context.Background(), "new", make([]byte, 5000)))
	require.NoError(tb, client.Close(context.Background()))
}
