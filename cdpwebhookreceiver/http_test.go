// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
)

// TestTricksWithHTTP sends requests that servers and proxies have read in different ways. The header X-Key protects the source.
func TestTricksWithHTTP(t *testing.T) {
	const right = "X-Key: right\r\n"
	chunk := func(extension string) string { return fmt.Sprintf("%x%s\r\n%s\r\n0\r\n", len(event), extension, event) }
	length := fmt.Sprintf("Content-Length: %d\r\n", len(event))
	const chunked = "Transfer-Encoding: chunked\r\n"
	sink := new(consumertest.LogsSink)
	r := start(t, `{sources: {cdp: {path: /cdp, header: {name: X-Key, values: [right]}}}}`, sink)
	for name, test := range map[string]struct {
		headers, body string
		want          int
	}{
		"length":              {right + length, event, http.StatusOK},
		"chunks":              {right + chunked, chunk("") + "\r\n", http.StatusOK},
		"chunk's extension":   {right + chunked, chunk(";a=b") + "\r\n", http.StatusOK},
		"long extension":      {right + chunked, chunk(";a="+strings.Repeat("b", 5000)) + "\r\n", http.StatusBadRequest},
		"both":                {right + "Content-Length: 4\r\n" + chunked, chunk("") + "\r\n", http.StatusOK},
		"both, empty chunk":   {right + length + chunked, "0\r\n\r\n" + event, http.StatusBadRequest},
		"two lengths":         {right + length + "Content-Length: 4\r\n", event, http.StatusBadRequest},
		"signed length":       {right + strings.Replace(length, ": ", ": +", 1), event, http.StatusBadRequest},
		"negative length":     {right + "Content-Length: -1\r\n", event, http.StatusBadRequest},
		"unknown coding":      {right + "Transfer-Encoding: xchunked\r\n", chunk(""), http.StatusNotImplemented},
		"two codings":         {right + chunked + "Transfer-Encoding: identity\r\n", chunk(""), http.StatusNotImplemented},
		"not a chunk":         {right + chunked, "zz\r\n" + event, http.StatusBadRequest},
		"endless chunk":       {right + chunked, "ffffffffffffffffff\r\n" + event, http.StatusBadRequest},
		"key in a trailer":    {"Trailer: X-Key\r\n" + chunked, chunk("") + right + "\r\n", http.StatusUnauthorized},
		"key behind the body": {length, event + right, http.StatusUnauthorized},
		"folded key":          {"X-Key: ri\r\n ght\r\n" + length, event, http.StatusUnauthorized},
		"space in the name":   {"X-Key : right\r\n" + length, event, http.StatusBadRequest},
		"zero in the value":   {"X-Key: right\x00\r\n" + length, event, http.StatusBadRequest},
		"underscore":          {"X_Key: right\r\n" + length, event, http.StatusUnauthorized},
		"second key":          {"X-Key: wrong\r\n" + right + length, event, http.StatusUnauthorized},
		"large header":        {"X-Key: " + strings.Repeat("r", 1<<20+8<<10) + "\r\n" + length, event, http.StatusRequestHeaderFieldsTooLarge},
		"another method":      {right + "X-HTTP-Method-Override: GET\r\n" + length, event, http.StatusOK},
		"HTTP/2 in the clear": {right + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n" + length, event, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			sink.Reset()
			connection := r.dial(t, "")
			// The receiver may answer before all of it is written.
			_, _ = connection.Write([]byte("POST /cdp HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + test.headers + "\r\n" + test.body))
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, test.want, response.StatusCode)
			if test.want == http.StatusOK {
				assert.Equal(t, []any{eventBody}, bodiesOf(sink.AllLogs()))
			} else {
				assert.Zero(t, sink.LogRecordCount())
			}
		})
	}
}
