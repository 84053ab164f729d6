// SPDX-License-Identifier: Apache-2.0

// Package sdktest keeps what the CDPs' SDKs send, and sends it again to a bridge.
package sdktest // import "github.com/impression-collector/impression-bridge/internal/sdktest"

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Recording is what an SDK sent in one case.
type Recording struct {
	// SDK is the name of the package, and Version the version of it that sent the requests.
	SDK     string `json:"sdk"`
	Version string `json:"version"`
	// Preset is that of the SDK's layout.
	Preset   string    `json:"preset"`
	Requests []Request `json:"requests"`
}

// Request is a recorded request.
type Request struct {
	Method  string            `json:"method"`
	Target  string            `json:"target"`
	Headers map[string]string `json:"headers"`
	// Body is the body if it is UTF-8, and BodyBase64 if it isn't, for example because it is compressed.
	Body       string `json:"body,omitempty"`
	BodyBase64 []byte `json:"body_base64,omitempty"`
}

// keptHeaders are the headers that are recorded, besides those that start with X-. Others depend on the machine, or belong to
// the connection.
var keptHeaders = []string{"Authorization", "Content-Encoding", "Content-Type", "Origin", "User-Agent"}

// NewRequest returns the recorded form of a request with a body.
func NewRequest(r *http.Request, body []byte) Request {
	recorded := Request{Method: r.Method, Target: r.URL.RequestURI(), Headers: map[string]string{}}
	for name := range r.Header {
		if slices.Contains(keptHeaders, name) || strings.HasPrefix(name, "X-") {
			recorded.Headers[name] = r.Header.Get(name)
		}
	}
	if utf8.Valid(body) {
		recorded.Body = string(body)
	} else {
		recorded.BodyBase64 = body
	}
	return recorded
}

// Bytes returns the body.
func (r *Request) Bytes() []byte {
	if r.BodyBase64 != nil {
		return r.BodyBase64
	}
	return []byte(r.Body)
}

// Send sends the request to a server, given as http://host:port, and returns the status and the body of the answer.
func (r *Request) Send(ctx context.Context, server string) (status int, answer string, err error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, server+r.Target, bytes.NewReader(r.Bytes()))
	if err != nil {
		return 0, "", err
	}
	for name, value := range r.Headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// expectedSuffix is what the name of a file ends with that has what Amplitude knows after a recording.
const expectedSuffix = ".expected.json"

// Find returns the paths of the recordings in the folders below a folder.
func Find(folder string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*", "*.json"))
	return slices.DeleteFunc(paths, func(path string) bool { return strings.HasSuffix(path, expectedSuffix) }), err
}

// ExpectedPath returns the path of the file with what Amplitude must know after the recording at a path.
func ExpectedPath(recording string) string {
	return strings.TrimSuffix(recording, ".json") + expectedSuffix
}

// Read reads a recording.
func Read(path string) (Recording, error) {
	var r Recording
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Write writes the recording to a file.
func (r *Recording) Write(path string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}
