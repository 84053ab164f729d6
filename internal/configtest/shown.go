// SPDX-License-Identifier: Apache-2.0

package configtest // import "github.com/impression-collector/impression-bridge/internal/configtest"

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// Schema reads the schema of a component's configuration.
func Schema(tb testing.TB, path string) *jsonschema.Schema {
	tb.Helper()
	schema, err := jsonschema.NewCompiler().Compile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return schema
}

// Parse reads a configuration as a schema wants it.
func Parse(tb testing.TB, text string) any {
	tb.Helper()
	var config any
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		tb.Fatalf("%v in:\n%s", err, text)
	}
	return config
}

// Component is what to look for: a type of component in one section of a collector's configuration.
type Component struct {
	Section, Type string
}

// Configs are configurations of a component, by where they stand.
type Configs map[string]any

// InFile returns the component's configurations in a file that has component ids at its top, as confmaptest reads it.
func (c Component) InFile(tb testing.TB, path string) Configs {
	tb.Helper()
	found := Configs{}
	found.add(c, path, Parse(tb, read(tb, path)))
	return found
}

// InFolder returns the component's configurations in all collector configurations of a folder and those in it, but for
// folders of those that are shown for their faults.
func (c Component) InFolder(tb testing.TB, folder string) Configs {
	tb.Helper()
	found := Configs{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && entry.Name() == "invalid" {
			return cmp.Or(err, fs.SkipDir)
		}
		if filepath.Ext(path) == ".yaml" {
			found.addSection(c, path, Parse(tb, read(tb, path)))
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

// Shipped returns the component's configurations in the repository's testdata and examples and in the component's
// testdata. The current folder must be the component's.
func (c Component) Shipped(tb testing.TB) Configs {
	tb.Helper()
	shipped := c.InFolder(tb, filepath.Join("..", "testdata"))
	maps.Copy(shipped, c.InFolder(tb, filepath.Join("..", "examples")))
	maps.Copy(shipped, c.InFile(tb, filepath.Join("testdata", "config.yaml")))
	return shipped
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?\n)```")

// YAMLBlocks returns the blocks of YAML in a Markdown file.
func YAMLBlocks(tb testing.TB, path string) []string {
	tb.Helper()
	var blocks []string
	for _, block := range yamlBlock.FindAllStringSubmatch(read(tb, path), -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

// InMarkdown returns the component's configurations in the blocks of YAML of a Markdown file, be a block a whole
// configuration or the section alone.
func (c Component) InMarkdown(tb testing.TB, path string) Configs {
	tb.Helper()
	found := Configs{}
	for i, block := range YAMLBlocks(tb, path) {
		found.addSection(c, fmt.Sprintf("%s, block %d", path, i+1), Parse(tb, block))
	}
	return found
}

func (found Configs) addSection(c Component, place string, collector any) {
	sections, _ := collector.(map[string]any)
	found.add(c, place, sections[c.Section])
}

func (found Configs) add(c Component, place string, components any) {
	// A section that is no map is that of a builder's manifest.
	byID, _ := components.(map[string]any)
	for id, config := range byID {
		if id == c.Type || strings.HasPrefix(id, c.Type+"/") {
			found[place+": "+id] = config
		}
	}
}

func read(tb testing.TB, path string) string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
