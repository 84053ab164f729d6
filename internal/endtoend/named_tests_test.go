// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// namedTest finds the names of tests in Markdown, such as `TestSoak/kill` and `FuzzOracle`.
var namedTest = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)(?:/([a-z-]+))?`")

// TestNamedTestsExist looks for each test that a Markdown file says holds a promise.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	root, err := collectortest.Root()
	require.NoError(t, err)
	tests := testSources(t, root)
	checked := 0
	for _, file := range markdownFiles(t, root) {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range namedTest.FindAllStringSubmatch(string(content), -1) {
			checked++
			isFound := strings.Contains(tests, "func "+name[1]+"(")
			isFound = isFound && (name[2] == "" || strings.Contains(tests, `{"`+name[2]+`", `))
			assert.True(t, isFound, "%s names %s, which doesn't exist", file, name[0])
		}
	}
	assert.NotZero(t, checked)
}

// testSources returns the text of all tests.
func testSources(t *testing.T, root string) string {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		all.Write(content)
		return err
	}))
	return all.String()
}
