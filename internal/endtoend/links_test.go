// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// TestLinks follows every relative link in the repository's Markdown files, to the file and to the heading in it.
func TestLinks(t *testing.T) {
	t.Parallel()
	root, err := collectortest.Root()
	require.NoError(t, err)
	checked := 0
	for _, file := range markdownFiles(t, root) {
		for _, link := range relativeLinks(t, file) {
			checked++
			if err := follow(t, file, link); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	assert.NotZero(t, checked)
}

func TestBrokenLinksAreFound(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "a.md")
	text := "# One `two`, [three](b.md)\n\n## Again\n\n## Again\n\n```sh\n# No heading\n[no](link.md)\n```\n\n" +
		"[to](#one-two-three) [to](#again-1) [to](b.md#here) [out](https://example.com/nothing)\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "b.md"), []byte("## Here\n"), 0o600))

	links := relativeLinks(t, file)
	assert.Equal(t, []string{"b.md", "#one-two-three", "#again-1", "b.md#here"}, links)
	for _, link := range links {
		require.NoError(t, follow(t, file, link))
	}
	for _, link := range []string{"c.md", "c.md#here", "#here", "b.md#there", "#again-2", "#no-heading"} {
		require.Error(t, follow(t, file, link), link)
	}
}

// markdownFiles returns the Markdown files of a folder and its subfolders. Folders of what make builds and of tools begin
// with an underscore or a dot.
func markdownFiles(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && strings.ContainsAny(entry.Name()[:1], "._") {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return nil
	}))
	require.NotEmpty(t, files)
	return files
}

var (
	codeBlock = regexp.MustCompile("(?s)```.*?\n *```")
	linkTo    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ +(.*?) *$`)
	linkText  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// prose returns the text of a Markdown file without its code blocks.
func prose(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return codeBlock.ReplaceAllString(string(text), "")
}

func relativeLinks(t *testing.T, file string) []string {
	t.Helper()
	var links []string
	for _, match := range linkTo.FindAllStringSubmatch(prose(t, file), -1) {
		if !strings.Contains(match[1], "://") {
			links = append(links, match[1])
		}
	}
	return links
}

// follow returns an error if a link in a file leads to a file or a heading that doesn't exist.
func follow(t *testing.T, file, link string) error {
	t.Helper()
	path, anchor, hasAnchor := strings.Cut(link, "#")
	target := file
	if path != "" {
		target = filepath.Join(filepath.Dir(file), filepath.FromSlash(path))
	}
	if _, err := os.Stat(target); err != nil {
		return err
	}
	if hasAnchor && !anchors(t, target)[anchor] {
		return fmt.Errorf("%s has no heading #%s", target, anchor)
	}
	return nil
}

// anchors returns the anchors that GitHub gives to the headings of a Markdown file.
func anchors(t *testing.T, file string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(prose(t, file), -1) {
		slug := slugOf(linkText.ReplaceAllString(match[1], "$1"))
		anchor := slug
		for i := 1; all[anchor]; i++ {
			anchor = fmt.Sprintf("%s-%d", slug, i)
		}
		all[anchor] = true
	}
	return all
}

func slugOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, heading)
}
