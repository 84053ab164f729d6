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

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// TestVersion checks that the collector and the events that it sends name the version that make was given.
func TestVersion(t *testing.T) {
	t.Parallel()
	root, err := collectortest.Root()
	require.NoError(t, err)
	version := strings.TrimSpace(readText(t, filepath.Join(root, "_build", "version")))
	printed, err := collectortest.Run(t.Context(), collectortest.Default, "--version")
	require.NoError(t, err, printed)
	assert.Equal(t, "otelcol-impression version "+version+"\n", printed)

	if !strings.HasSuffix(version, "-dev") {
		heading := `(?m)^## \[?` + regexp.QuoteMeta(version) + `\]?( |$)`
		assert.Regexp(t, heading, readText(t, filepath.Join(root, "CHANGELOG.md")), "a release needs its heading")
		for _, readme := range []string{"README.md", filepath.Join("deploy", "README.md")} {
			assert.NotContains(t, readText(t, filepath.Join(root, readme)), "No release is tagged yet", readme)
		}
	}

	server := amplitudetest.Start(t)
	c := startBridge(t, "bridge/production", server)
	users := trackedUsers(1)
	send(t, c, users, 0, 1)
	waitForIngested(t, c, server, 1)
	require.NoError(t, c.Stop())
	assert.Equal(t, "impression-bridge/"+version, server.User(users[0]).Events[0].Fields["library"])
}

// TestVersionsAgree checks that the files that repeat a version have the same one: of the collector's core, of this module, and of
// Go.
func TestVersionsAgree(t *testing.T) {
	t.Parallel()
	root, err := collectortest.Root()
	require.NoError(t, err)
	readme := readText(t, filepath.Join(root, "README.md"))
	core := regexp.MustCompile(`go\.opentelemetry\.io/collector/(?:cmd/builder@|otelcol |service |receiver/otlpreceiver |exporter/debugexporter )(v0\.\S+)`)
	ours := regexp.MustCompile(`github\.com/impression-collector/impression-bridge (v\S+)`)
	want := core.FindStringSubmatch(readText(t, filepath.Join(root, "builder-config.yaml")))[1]
	for _, file := range []string{"README.md", "builder-config.yaml", "testdata/builder-ottl.yaml"} {
		text := readText(t, filepath.Join(root, file))
		found := core.FindAllStringSubmatch(text, -1)
		assert.NotEmpty(t, found, file)
		for _, match := range found {
			assert.Equal(t, want, match[1], "%s: %s", file, match[0])
		}
		for _, match := range ours.FindAllStringSubmatch(text, -1) {
			assert.Equal(t, "v0.0.0", match[1], "%s names a release; versions come from tags", file)
		}
	}
	tools := readText(t, filepath.Join(root, "internal", "tools", "go.mod"))
	assert.Contains(t, tools, "go.opentelemetry.io/collector/cmd/builder "+want+" ", "ocb must have the version of the core")
	assert.Contains(t, readme, "builds this manifest with collector "+want+", the oldest")
	goLine := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readText(t, filepath.Join(root, "go.mod")))
	assert.Contains(t, readme, "It needs Go "+goLine[1]+".")
}

// TestReadmeManifest checks that the README's manifest has the components of this repository that ours has.
func TestReadmeManifest(t *testing.T) {
	t.Parallel()
	root, err := collectortest.Root()
	require.NoError(t, err)
	components := func(file string) []string {
		lines := regexp.MustCompile(`import: (github\.com/impression-collector/\S+)`).FindAllString(readText(t, filepath.Join(root, file)), -1)
		slices.Sort(lines)
		return lines
	}
	assert.Equal(t, components("builder-config.yaml"), components("README.md"))
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
