// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/sdktest"
)

// TestSDKs replays what the CDPs' SDKs sent when make sdks ran, and compares what Amplitude then knows with the file beside the
// recording.
func TestSDKs(t *testing.T) {
	paths, err := sdktest.Find(testdata("sdks"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		name := filepath.Base(filepath.Dir(path)) + "/" + strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recording, err := sdktest.Read(path)
			require.NoError(t, err)
			require.NotEmpty(t, recording.Requests)
			bridge, err := sdktest.Start(t.Context(), recording.Preset)
			require.NoError(t, err)
			for _, request := range recording.Requests {
				status, answer, err := request.Send(t.Context(), bridge.Server(request.Target).String())
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, status, answer)
				require.Contains(t, []string{`{"success":true,"code":200}`, `{"partialSuccess":{}}`}, answer)
			}
			// The collector handles signals only some time after it is ready.
			waitForIngested(t, bridge.Collector, bridge.Amplitude, 1)
			require.NoError(t, bridge.Stop())

			expected := sdktest.ExpectedPath(path)
			if *update {
				require.NoError(t, os.WriteFile(expected, []byte(bridge.Known()), 0o644))
			}
			want, err := os.ReadFile(expected)
			require.NoError(t, err)
			assert.Equal(t, string(want), bridge.Known())
		})
	}
}

// TestTableOfSDKs compares the table of SDKs in the receiver's README with the recordings.
func TestTableOfSDKs(t *testing.T) {
	t.Parallel()
	rows := tableAfter(t, filepath.Join("..", "..", "cdpwebhookreceiver", "README.md"), "With a source whose path is `/cdp`, on `host`:")
	paths, err := sdktest.Find(testdata("sdks"))
	require.NoError(t, err)
	recorded := map[string]bool{}
	for _, path := range paths {
		recording, err := sdktest.Read(path)
		require.NoError(t, err)
		if recording.Preset == "otel" {
			// It sends OTLP, which another receiver takes.
			continue
		}
		recorded[recording.SDK] = true
		assert.Equal(t, []string{recording.Version, "`" + recording.Preset + "`"}, rowOf(t, rows, recording.SDK)[1:3], recording.SDK)
	}
	assert.Len(t, recorded, len(rows)-1)
}

// TestForgedSegmentWebhooks changes what Segment's own sender signed.
func TestForgedSegmentWebhooks(t *testing.T) {
	t.Parallel()
	bridge, err := sdktest.Start(t.Context(), "segment")
	require.NoError(t, err)
	for _, mode := range []string{"single", "batch"} {
		recording, err := sdktest.Read(testdata("sdks", "segment-webhook", mode+".json"))
		require.NoError(t, err)
		for name, forge := range map[string]func(*sdktest.Request){
			"body":         func(r *sdktest.Request) { r.Body = strings.Replace(r.Body, `sku-1`, `sku-2`, 1) },
			"signature":    func(r *sdktest.Request) { r.Headers["X-Signature"] = strings.Repeat("0", 40) },
			"no signature": func(r *sdktest.Request) { delete(r.Headers, "X-Signature") },
			"header":       func(r *sdktest.Request) { r.Headers["Authorization"] = "Bearer other" },
		} {
			forged := recording.Requests[0]
			forged.Headers = maps.Clone(forged.Headers)
			forge(&forged)
			require.NotEqual(t, recording.Requests[0], forged)
			status, answer, err := forged.Send(t.Context(), bridge.Server(forged.Target).String())
			require.NoError(t, err)
			assert.Equal(t, http.StatusUnauthorized, status, "%s, %s: %s", mode, name, answer)
		}
	}
	require.NoError(t, bridge.Stop())
	assert.Empty(t, bridge.Amplitude.Users())
}
