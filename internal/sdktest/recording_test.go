// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRequestsAreSentAsRecorded records a request, keeps it in a file, and records it again when it is sent.
func TestRequestsAreSentAsRecorded(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"text": `{"a":"<ü>"}`, "binary": "\x1f\x8b\xff", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Request{}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				got = NewRequest(r, body)
				w.WriteHeader(http.StatusAccepted)
				_, _ = io.WriteString(w, "answer")
			}))
			defer server.Close()
			sent := httptest.NewRequest(http.MethodPost, "/v1/track?a=b", http.NoBody)
			for header, value := range map[string]string{"Content-Type": "text/plain", "X-Signature": "s", "User-Agent": "sdk", "Accept-Language": "en"} {
				sent.Header.Set(header, value)
			}
			folder := t.TempDir()
			path := filepath.Join(folder, "sdk", "single.json")
			require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
			written := Recording{SDK: "sdk", Version: "1.0.0", Preset: "segment", Requests: []Request{NewRequest(sent, []byte(body))}}
			require.NoError(t, written.Write(path))
			require.NoError(t, os.WriteFile(ExpectedPath(path), nil, 0o644))

			paths, err := Find(folder)
			require.NoError(t, err)
			assert.Equal(t, []string{path}, paths)
			read, err := Read(path)
			require.NoError(t, err)
			assert.Equal(t, written, read)
			status, answer, err := read.Requests[0].Send(t.Context(), server.URL)
			require.NoError(t, err)
			assert.Equal(t, http.StatusAccepted, status)
			assert.Equal(t, "answer", answer)
			assert.Equal(t, written.Requests[0], got)
			assert.Equal(t, "/v1/track?a=b", got.Target)
			assert.Equal(t, map[string]string{"Content-Type": "text/plain", "X-Signature": "s", "User-Agent": "sdk"}, got.Headers)
		})
	}
}
