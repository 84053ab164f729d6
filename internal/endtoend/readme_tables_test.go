// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// TestTablesOfLayouts compares the tables in docs/layouts.md with the presets. Their columns are named by the fields' keys.
func TestTablesOfLayouts(t *testing.T) {
	t.Parallel()
	document, all := filepath.Join("..", "..", "docs", "layouts.md"), presets(t)
	var tables [][][]string
	for _, text := range []string{"Both components read", "The exporter also reads", "about the device", "about its location", "about revenue"} {
		tables = append(tables, tableAfter(t, document, text))
	}
	for _, f := range event.Fields() {
		if f == event.UserProperties {
			// It has no column, because the text says that it is the same in every preset.
			for name, preset := range all {
				assert.Equal(t, []string{f.Key()}, written(preset.Paths[f]), name)
			}
			continue
		}
		rows, column := columnOf(t, tables, f.Key())
		for name, preset := range all {
			cell := rowOf(t, rows, name)[column]
			switch {
			case strings.HasPrefix(cell, "as `segment`"):
				assert.Equal(t, all["segment"].Paths[f], preset.Paths[f], "%s, %s", name, f.Key())
			case strings.HasPrefix(cell, "you set it"):
				assert.Equal(t, []string{"given"}, written(preset.Paths[f]), "%s, %s", name, f.Key())
			case f == event.Type || f == event.Properties:
				// These cells also have conditions.
				assert.Subset(t, codeIn(cell), written(preset.Paths[f]), "%s, %s", name, f.Key())
			default:
				assert.Equal(t, written(preset.Paths[f]), codeIn(cell), "%s, %s", name, f.Key())
			}
		}
	}
}

// columnOf returns the table with a column of this name, and the column's index.
func columnOf(t *testing.T, tables [][][]string, name string) (rows [][]string, column int) {
	t.Helper()
	for _, rows := range tables {
		if column := slices.Index(rows[0], "`"+name+"`"); column >= 0 {
			return rows, column
		}
	}
	require.Fail(t, "no column", name)
	return nil, 0
}

// TestREADMENamesEveryPreset looks in the processor's README, which is where users look first.
func TestREADMENamesEveryPreset(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "impressionprocessor", "README.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## Layouts\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	for _, name := range layout.Presets() {
		assert.Contains(t, section, "`"+name+"`")
	}
}

// presets returns the compiled presets, with a path of the test's own for fields that have to be given.
func presets(t *testing.T) map[string]layout.Layout {
	t.Helper()
	all := map[string]layout.Layout{}
	for _, name := range layout.Presets() {
		config := layout.Config{Preset: name}
		switch name {
		case "snowplow":
			config.Paths = map[string][]string{event.Properties.Key(): {`event["given"]`}}
		case "tealium":
			config.Paths = map[string][]string{event.UserID.Key(): {`event["given"]`}}
		}
		compiled, err := layout.Compile([]layout.Config{config})
		require.NoError(t, err)
		all[name] = compiled[0]
	}
	return all
}

// written returns paths as the documentation writes them: their keys, without where they start.
func written(paths []layout.Path) []string {
	var all []string
	for _, p := range paths {
		var keys []string
		for _, key := range p.Keys {
			if strings.Contains(key, " ") {
				key = `["` + key + `"]`
			}
			keys = append(keys, key)
		}
		// An attribute of the record and of the resource is written once.
		text := strings.ReplaceAll(strings.Join(keys, "."), ".[", "[")
		if text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

var code = regexp.MustCompile("`([^`]*)`")

func codeIn(cell string) []string {
	var all []string
	for _, match := range code.FindAllStringSubmatch(cell, -1) {
		all = append(all, match[1])
	}
	return all
}

// tableAfter returns the cells of the first table after a text in a Markdown file.
func tableAfter(t *testing.T, path, text string) [][]string {
	t.Helper()
	markdown, err := os.ReadFile(path)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(markdown), text)
	require.True(t, found, "%s has no %q", path, text)
	var rows [][]string
	for line := range strings.Lines(rest) {
		if strings.HasPrefix(line, "| ") {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		} else if len(rows) > 0 && !strings.HasPrefix(line, "|") {
			break
		}
	}
	require.NotEmpty(t, rows)
	return rows
}

func rowOf(t *testing.T, rows [][]string, name string) []string {
	t.Helper()
	for _, row := range rows {
		if slices.Contains(codeIn(row[0]), name) {
			return row
		}
	}
	require.Fail(t, "no row", name)
	return nil
}

// TestREADMEsNameEveryLabel looks in each component's README for all values of the labels outcome, operation, and reason,
// which documentation.md lists.
func TestREADMEsNameEveryLabel(t *testing.T) {
	t.Parallel()
	values := regexp.MustCompile(`(?m)^\| (?:outcome|operation|reason) \|.*Str: (.*?) \|`)
	for _, component := range []string{"impressionprocessor", "amplitudeexporter"} {
		folder := filepath.Join("..", "..", component)
		listed, err := os.ReadFile(filepath.Join(folder, "documentation.md"))
		require.NoError(t, err)
		readme, err := os.ReadFile(filepath.Join(folder, "README.md"))
		require.NoError(t, err)
		labels := values.FindAllStringSubmatch(string(listed), -1)
		require.NotEmpty(t, labels)
		for _, label := range labels {
			for value := range strings.SplitSeq(label[1], ", ") {
				assert.Contains(t, string(readme), strings.ReplaceAll(value, "``", "`"), component)
			}
		}
	}
}
