// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

// redacted replaces the API key in the requests of a dry run.
const redacted = "[REDACTED]"

// dryRun is a transport that sends nothing. It accepts each request, and appends it to a file.
type dryRun struct {
	mutex sync.Mutex
	file  *os.File
}

func newDryRun(path string) (*dryRun, error) {
	if path == "" {
		path = os.DevNull
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &dryRun{file: file}, nil
}

// RoundTrip implements http.RoundTripper.
func (d *dryRun) RoundTrip(request *http.Request) (*http.Response, error) {
	body, readErr := io.ReadAll(request.Body)
	// Lanes send concurrently.
	d.mutex.Lock()
	defer d.mutex.Unlock()
	_, writeErr := d.file.Write(append(body, '\n'))
	if err := errors.Join(readErr, request.Body.Close(), writeErr); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{},
		Body:       io.NopCloser(strings.NewReader(`{"code":200}`)),
		Request:    request,
	}, nil
}
