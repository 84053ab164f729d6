// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
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
				status, answer, err := request.Send(t.Context(), bridge.URL)
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, status, answer)
				require.JSONEq(t, `{"success":true}`, answer)
			}
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
