// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

const (
	rulesFile = "deploy/prometheus/impression-bridge.rules.yml"
	runbook   = "docs/runbook.md"
	// runbookURL is where an alert links to.
	runbookURL = "https://github.com/impression-collector/impression-bridge/blob/main/" + runbook + "#"
)

// rule is a rule of Prometheus.
type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

// path returns the path of a file of the repository.
func path(t *testing.T, name string) string {
	t.Helper()
	root, err := collectortest.Root()
	require.NoError(t, err)
	return filepath.Join(root, filepath.FromSlash(name))
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(path(t, name))
	require.NoError(t, err)
	return string(text)
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, yaml.Unmarshal([]byte(read(t, rulesFile)), &file))
	var all []rule
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			if r.Alert != "" {
				all = append(all, r)
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}

// testFiles returns the files with tests of the rules.
func testFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path(t, rulesFile)), "*.test.yml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// TestRules runs promtool, which checks the rules and runs their tests.
func TestRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("there is no promtool; install Debian's package prometheus to test the rules")
	}
	for _, arguments := range [][]string{
		{"check", "rules", "--lint-fatal", path(t, rulesFile)},
		append([]string{"test", "rules"}, testFiles(t)...),
	} {
		printed, err := exec.CommandContext(t.Context(), promtool, arguments...).CombinedOutput()
		require.NoError(t, err, "%s", printed)
	}
}

// TestAlertsAreTested requires a test in which each alert fires. Whether it passes is what TestRules sees.
func TestAlertsAreTested(t *testing.T) {
	var tests strings.Builder
	for _, file := range testFiles(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		tests.Write(text)
	}
	for _, r := range alerts(t) {
		firing := regexp.MustCompile(`alertname="` + r.Alert + `"(,alertstate="firing"|,job="\w+"\}', value: 1)|alertname: ` + r.Alert + `\n(?s:.{0,60})exp_alerts:\n`)
		assert.Regexp(t, firing, tests.String(), r.Alert)
	}
}

// TestRunbook requires a section for each alert, to which the alert links, and no other sections.
func TestRunbook(t *testing.T) {
	var names, headings []string
	for _, r := range alerts(t) {
		names = append(names, r.Alert)
		assert.Equal(t, runbookURL+strings.ToLower(r.Alert), r.Annotations["runbook_url"], r.Alert)
		assert.NotEmpty(t, r.Annotations["summary"], r.Alert)
		assert.NotEmpty(t, r.Annotations["description"], r.Alert)
		assert.Contains(t, []string{"page", "ticket"}, r.Labels["severity"], r.Alert)
	}
	sections := strings.Split(read(t, runbook), "\n## ")
	for _, section := range sections[1:] {
		heading, text, _ := strings.Cut(section, "\n")
		headings = append(headings, heading)
		for _, part := range []string{"**It means**", "**Look at**", "**Do**"} {
			assert.Contains(t, text, part, heading)
		}
	}
	assert.Equal(t, names, headings)
}
