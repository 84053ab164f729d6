// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// TestWebhookCommands runs the commands that the READMEs of examples/webhook give for trying a bridge, in a shell that has none of
// the collector's variables.
func TestWebhookCommands(t *testing.T) {
	for _, program := range []string{"bash", "curl", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	readmes := map[string]string{}
	for _, folder := range webhooks(t) {
		readmes[filepath.Join(folder, "README.md")] = folder
	}
	readmes["README.md"] = "rudderstack"
	for readme, folder := range readmes {
		t.Run(readme, func(t *testing.T) {
			t.Parallel()
			server := amplitudetest.Start(t)
			c, sender := startWebhook(t, folder, server, "WEBHOOK_AUTHORIZATION=Bearer try", "WEBHOOK_SECRET=try")
			host, _, _ := strings.Cut(strings.TrimPrefix(sender.url, "http://"), "/")

			shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail")
			shell.Stdin = strings.NewReader(strings.ReplaceAll(postingBlock(t, examples("webhook", readme)), "localhost:8088", host))
			shell.Env = []string{"PATH=" + os.Getenv("PATH")}
			answer, err := shell.CombinedOutput()
			require.NoError(t, err, string(answer))
			require.Equal(t, `{"success":true,"code":200}`, string(answer))

			waitForIngested(t, c, server, 2)
			require.NoError(t, c.Stop())
			users := server.Users()
			require.Len(t, users, 1)
			assert.Equal(t, "user-17", users[0].ID)
			assert.Equal(t, map[string]any{"[Experiment] checkout": "treatment"}, users[0].Properties)
		})
	}
}

// postingBlock returns the only code block of a Markdown file that posts something.
func postingBlock(t *testing.T, markdown string) string {
	t.Helper()
	text, err := os.ReadFile(markdown)
	require.NoError(t, err)
	var posting []string
	for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(block[1], "curl ") {
			posting = append(posting, block[1])
		}
	}
	require.Len(t, posting, 1, markdown)
	return posting[0]
}
