// SPDX-License-Identifier: Apache-2.0

package storagefile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
)

// TestFolderOfFileStorage fails if a later file_storage keeps its settings elsewhere, or names its files in another way.
func TestFolderOfFileStorage(t *testing.T) {
	directory := t.TempDir()
	extension := newStorage(t, directory)
	folder, isKnown := FolderOf(extension)
	require.True(t, isKnown)
	for _, name := range []string{"", "eu", "eu west/2~", "Ärger"} {
		id := component.NewIDWithName(owner.Type(), name)
		client, err := extension.GetClient(t.Context(), component.KindExporter, id, "logs")
		require.NoError(t, err)
		require.NoError(t, client.Close(t.Context()))
		assert.FileExists(t, folder.File(id, "logs"))
	}
	assert.Equal(t, filepath.Join(directory, "exporter_amplitude__logs"), folder.File(owner, "logs"))
	assert.False(t, folder.replaces)
}

func TestFolderOfAnotherStorage(t *testing.T) {
	for _, other := range []storage.Extension{nil, storagetest.NewDisk(nil)} {
		_, isKnown := FolderOf(other)
		assert.False(t, isKnown)
	}
}

func TestOrphans(t *testing.T) {
	folder := Folder{path: t.TempDir()}
	for _, name := range []string{
		"exporter_amplitude__logs", "exporter_amplitude_eu_logs", "exporter_amplitude_eu_deferred", "exporter_amplitude_eu_logs.backup",
		"exporter_otlp_eu_logs", "receiver_amplitude_eu_logs", "tempdb1",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder.path, name), nil, 0o600))
	}
	var names []string
	for _, path := range folder.Orphans(owner.Type(), []component.ID{owner}, "logs", "deferred") {
		names = append(names, filepath.Base(path))
	}
	assert.Equal(t, "exporter_amplitude_eu_logs exporter_amplitude_eu_deferred", strings.Join(names, " "))
	assert.Empty(t, folder.Orphans(owner.Type(), []component.ID{owner, component.MustNewIDWithName("amplitude", "eu")}, "logs", "deferred"))
}

func TestWatch(t *testing.T) {
	for name, c := range map[string]struct {
		replaces bool
		do       func(path string) error
		want     string
	}{
		"nothing":             {do: func(string) error { return nil }},
		"written to":          {do: func(path string) error { return os.WriteFile(path, []byte("more"), 0o600) }},
		"removed":             {do: os.Remove, want: "was removed"},
		"folder removed":      {do: func(path string) error { return os.RemoveAll(filepath.Dir(path)) }, want: "was removed"},
		"replaced":            {do: replace, want: "was replaced"},
		"replaced, as it may": {replaces: true, do: replace},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			watch, err := Folder{replaces: c.replaces}.Watch(path)
			require.NoError(t, err)
			require.NoError(t, c.do(path))
			if c.want == "" {
				require.NoError(t, watch.Check())
			} else {
				require.ErrorContains(t, watch.Check(), path+" "+c.want)
			}
		})
	}
}

func replace(path string) error {
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
