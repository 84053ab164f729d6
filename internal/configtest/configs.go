// SPDX-License-Identifier: Apache-2.0

package configtest // import "github.com/impression-collector/impression-bridge/internal/configtest"

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Component selects the configurations of a type of component, such as "amplitude", in a section of the collector's
// configuration, such as "exporters".
type Component struct {
	Section, Type string
}

// Configs are configurations of a component. The keys name the file, the block in it if there are several, and the
// component's id.
type Configs map[string]any

// InFile returns the component's configurations in a file whose top-level keys are component ids, as confmaptest reads
// it.
func (c Component) InFile(tb testing.TB, path string) Configs {
	tb.Helper()
	found := Configs{}
	found.add(c, path, Parse(tb, read(tb, path)))
	return found
}

// InFolder returns the component's configurations in all collector configurations below a folder. It skips folders named
// "invalid", whose configurations show faults.
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

// InMarkdown returns the component's configurations in the YAML blocks of a Markdown file. A block may be a whole
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
	// In a builder manifest the section is a list, and is ignored.
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
