// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/configtest"
)

// TestREADMEFirstConfiguration follows README.md: it puts the first configuration beside the event that stands before it,
// starts the collector there, and looks for every printed line that the README shows, in order.
func TestREADMEFirstConfiguration(t *testing.T) {
	t.Parallel()
	readme := filepath.Join("..", "..", "README.md")
	folder := t.TempDir()
	config := configtest.YAMLBlocks(t, readme)[0]
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.yaml"), []byte(config), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "events.ndjson"), []byte(firstBlock(t, readme, "json")), 0o600))
	shown := strings.Split(strings.TrimSuffix(firstBlock(t, readme, "text"), "\n"), "\n")
	require.NotEmpty(t, shown)

	assert.Empty(t, runUntilPrinted(t, folder, shown), "the collector didn't print these lines")
}

// firstBlock returns the first code block of a language in a Markdown file.
func firstBlock(t *testing.T, path, language string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?\n)```").FindSubmatch(text)
	require.NotNil(t, block, "%s has no block of %s", path, language)
	return string(block[1])
}

// runUntilPrinted runs the default collector in a folder with a config.yaml until it has printed these texts in this
// order, each in a line of its own. It returns those that are missing when the collector has ended by itself
// or after a minute.
func runUntilPrinted(t *testing.T, folder string, lines []string) []string {
	t.Helper()
	root, err := collectortest.Root()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Tests run in parallel, and the port of the metrics is fixed.
	withoutMetrics := "yaml:service::telemetry::metrics::level: none"
	//nolint:gosec // the collector that make built
	command := exec.CommandContext(ctx, filepath.Join(root, "_build", collectortest.Default),
		"--config", "config.yaml", "--config", withoutMetrics, collectortest.FileGate)
	command.Dir = folder
	printed, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start(), "run make collector first")

	var all bytes.Buffer
	for scanner := bufio.NewScanner(printed); len(lines) > 0 && scanner.Scan(); {
		fmt.Fprintln(&all, scanner.Text())
		if strings.Contains(scanner.Text(), lines[0]) {
			lines = lines[1:]
		}
	}
	if len(lines) > 0 {
		t.Log(all.String())
	}
	_ = command.Process.Signal(syscall.SIGTERM)
	_, _ = bufio.NewReader(printed).WriteTo(&all)
	err = command.Wait()
	if status, is := command.ProcessState.Sys().(syscall.WaitStatus); is && status.Signal() == syscall.SIGTERM {
		// The collector prints the first records before it handles signals.
		err = nil
	}
	require.NoError(t, err, all.String())
	return lines
}

// TestREADMEConfigurations validates every complete configuration in the repository's Markdown files.
func TestREADMEConfigurations(t *testing.T) {
	t.Setenv("AMPLITUDE_API_KEY", "any")
	t.Setenv("STORAGE", t.TempDir())
	root, err := collectortest.Root()
	require.NoError(t, err)
	complete := 0
	for _, file := range markdownFiles(t, root) {
		for _, block := range configtest.YAMLBlocks(t, file) {
			if config, _ := configtest.Parse(t, block).(map[string]any); config["service"] == nil {
				continue
			}
			complete++
			path := filepath.Join(t.TempDir(), "config.yaml")
			require.NoError(t, os.WriteFile(path, []byte(block), 0o600))
			printed, err := collectortest.Run(t.Context(), collectortest.Default, "validate", "--config", path)
			require.NoError(t, err, "%s:\n%s", file, printed)
		}
	}
	assert.NotZero(t, complete)
}
