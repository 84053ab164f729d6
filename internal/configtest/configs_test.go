// SPDX-License-Identifier: Apache-2.0

package configtest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var ours = Component{Section: "exporters", Type: "ours"}

// folder writes files to a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

// places returns the keys of the configurations without the folder.
func places(root string, found Configs) []string {
	var relative []string
	for _, place := range slices.Sorted(maps.Keys(found)) {
		relative = append(relative, filepath.ToSlash(place[len(root)+1:]))
	}
	return relative
}

func TestInFolder(t *testing.T) {
	root := folder(t, map[string]string{
		"a.yaml":           "exporters:\n  ours: {a: 1}\n  ours/two: {a: 2}\n  ourselves: {}\n  debug:\n",
		"deep/b.yaml":      "exporters:\n  ours:\n",
		"manifest.yaml":    "exporters:\n  - gomod: ours\n",
		"list.yaml":        "- ours\n",
		"notes.txt":        "exporters:\n  ours:\n",
		"invalid/bad.yaml": "exporters:\n  ours: {a: x}\n",
	})
	found := ours.InFolder(t, root)
	assert.Equal(t, []string{"a.yaml: ours", "a.yaml: ours/two", "deep/b.yaml: ours"}, places(root, found))
	assert.Equal(t, map[string]any{"a": 2}, found[filepath.Join(root, "a.yaml")+": ours/two"])
}

func TestInFile(t *testing.T) {
	root := folder(t, map[string]string{"config.yaml": "ours: {a: 1}\nours/two:\ndebug:\n"})
	found := ours.InFile(t, filepath.Join(root, "config.yaml"))
	assert.Equal(t, []string{"config.yaml: ours", "config.yaml: ours/two"}, places(root, found))
}

func TestInMarkdown(t *testing.T) {
	root := folder(t, map[string]string{"README.md": "# Ours\n\n```yaml\nexporters:\n  ours: {a: 1}\nservice: {}\n```\n" +
		"```sh\nexporters:\n```\n\n```yaml\nprocessors:\n  ours:\n```\n\n```yaml\nexporters:\n  ours: {a: 2}\n```\n"})
	path := filepath.Join(root, "README.md")
	assert.Len(t, YAMLBlocks(t, path), 3)
	found := ours.InMarkdown(t, path)
	assert.Equal(t, []string{"README.md, block 1: ours", "README.md, block 3: ours"}, places(root, found))
}

func TestSchema(t *testing.T) {
	root := folder(t, map[string]string{"config.schema.json": `{"type": "object", "properties": {"a": {"type": "integer"}}}`})
	schema := Schema(t, filepath.Join(root, "config.schema.json"))
	require.NoError(t, schema.Validate(Parse(t, "a: 1")))
	assert.Error(t, schema.Validate(Parse(t, "a: x")))
}
