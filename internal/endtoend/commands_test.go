// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// TestShownCommandsKeepFiles checks that every command in the repository's Markdown files that starts a collector has the
// flag without which a crash loses lines of files, if its configuration reads files. Of the reader's own configuration, that
// isn't known.
func TestShownCommandsKeepFiles(t *testing.T) {
	t.Parallel()
	root, err := collectortest.Root()
	require.NoError(t, err)
	withGate := 0
	for _, file := range markdownFiles(t, root) {
		for _, command := range shownCommands(t, root, file) {
			wanted := command.config == "" || readsFiles(t, command.config)
			has := strings.Contains(command.line, " "+collectortest.FileGate)
			assert.Equal(t, wanted, has, "%s: has %s: %s", file, collectortest.FileGate, command.line)
			if has {
				withGate++
			}
		}
	}
	assert.NotZero(t, withGate)
}

// shownCommand is a command line that starts a collector.
type shownCommand struct {
	line string
	// config is the path of the configuration, "" if it isn't in the repository.
	config string
}

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)\n```")
	startLine  = regexp.MustCompile(`otelcol-impression .*--config[= ](\S+)`)
)

// shownCommands returns the commands in the code blocks of a Markdown file that start a collector. Blocks begin in the
// repository's root folder.
func shownCommands(t *testing.T, root, markdown string) []shownCommand {
	t.Helper()
	text, err := os.ReadFile(markdown)
	require.NoError(t, err)
	var commands []shownCommand
	for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		folder := root
		for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", "")) {
			if target, isChange := strings.CutPrefix(line, "cd "); isChange {
				folder = filepath.Join(folder, strings.TrimSpace(target))
			}
			start := startLine.FindStringSubmatch(line)
			if start == nil || strings.Contains(line, " validate ") {
				continue
			}
			command := shownCommand{line: line, config: filepath.Join(folder, start[1])}
			if _, err := os.Stat(command.config); err != nil {
				command.config = ""
			}
			commands = append(commands, command)
		}
	}
	return commands
}
