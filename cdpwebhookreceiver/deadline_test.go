// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumertest"
)

// hesitant is a host with an authenticator that answers no earlier than it must, and one that panics.
type hesitant struct{ host }

func (hesitant) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{
		component.MustNewID("slow"): slowAuthenticator{}, component.MustNewID("broken"): panickingAuthenticator{},
	}
}

type slowAuthenticator struct {
	component.StartFunc
	component.ShutdownFunc
}

func (slowAuthenticator) Authenticate(ctx context.Context, _ map[string][]string) (context.Context, error) {
	<-ctx.Done()
	return ctx, ctx.Err()
}

// TestAnswersDoNotWaitForBodies sends the first byte of a body and then nothing, to sources that refuse the request because of its
// header, and with encodings that begin to read a body early.
func TestAnswersDoNotWaitForBodies(t *testing.T) {
	const keys = `{max_wait: 200ms, cors: {allowed_origins: ["https://shop.example"]}, sources: {
		open: {path: /open}, closed: {path: /closed, header: {name: X-Key, values: [right]}}, slow: {path: /slow, auth: {authenticator: slow}}}}`
	r := startIn(t, keys, consumertest.NewNop(), hesitant{})
	busy := newBlocked()
	full := start(t, `{max_wait: 200ms, max_concurrent_requests: 1, sources: {open: {path: /open}}}`, busy)
	require.Equal(t, timedOut.String(), full.post(t, "/open", event).Reason)
	t.Cleanup(func() { close(busy.release) })
	behindAuth := startIn(t, `{max_wait: 200ms, auth: {authenticator: slow}, sources: {open: {path: /open}}}`, consumertest.NewNop(), hesitant{})

	for name, test := range map[string]struct {
		to      *running
		request string
		want    reason
	}{
		"another path":         {r, "POST /other HTTP/1.1\r\n", unknownPath},
		"PUT":                  {r, "PUT /open HTTP/1.1\r\n", wrongMethod},
		"wrong header":         {r, "POST /closed HTTP/1.1\r\nX-Key: wrong\r\n", wrongHeader},
		"unknown encoding":     {r, "POST /open HTTP/1.1\r\nContent-Encoding: br\r\n", unsupportedEncoding},
		"zlib":                 {r, "POST /open HTTP/1.1\r\nContent-Encoding: zlib\r\n", slowBody},
		"deflate":              {r, "POST /open HTTP/1.1\r\nContent-Encoding: deflate\r\n", slowBody},
		"snappy":               {r, "POST /open HTTP/1.1\r\nContent-Encoding: snappy\r\n", slowBody},
		"source's auth":        {r, "POST /slow HTTP/1.1\r\n", timedOut},
		"receiver's auth":      {behindAuth, "POST /open HTTP/1.1\r\n", timedOut},
		"too many requests":    {full, "POST /open HTTP/1.1\r\n", tooManyRequests},
		"too many, compressed": {full, "POST /open HTTP/1.1\r\nContent-Encoding: zlib\r\n", tooManyRequests},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connection := test.to.dial(t, test.request+"Host: x\r\nContent-Length: 1000\r\n\r\nx")
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			require.NoError(t, err)
			defer func() { _ = response.Body.Close() }()
			var a answered
			require.NoError(t, json.NewDecoder(response.Body).Decode(&a))
			assert.Equal(t, test.want.String(), a.Reason)
			assert.Equal(t, answers[test.want].status, response.StatusCode)
		})
	}
	t.Run("preflight", func(t *testing.T) {
		t.Parallel()
		connection := r.dial(t, "OPTIONS /open HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\n"+
			"Access-Control-Request-Method: POST\r\nContent-Length: 1000\r\n\r\nx")
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, http.StatusNoContent, response.StatusCode)
	})
}

type panickingAuthenticator struct{ slowAuthenticator }

func (panickingAuthenticator) Authenticate(context.Context, map[string][]string) (context.Context, error) {
	panic("canary")
}

// TestPanicsFreeTheirSlots has as many requests that panic as there may be requests.
func TestPanicsFreeTheirSlots(t *testing.T) {
	r := startIn(t, `{max_concurrent_requests: 1, sources: {open: {path: /open}, broken: {path: /broken, auth: {authenticator: broken}}}}`,
		consumertest.NewNop(), hesitant{})
	_, err := r.try(t, http.MethodPost, "/broken", []byte(event))
	require.Error(t, err)
	assert.Equal(t, http.StatusOK, r.post(t, "/open", event).status)
}
