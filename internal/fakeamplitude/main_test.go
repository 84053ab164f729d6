// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServesUntilInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error)
	go func() {
		err := run(ctx, writer, []string{"-listen", "127.0.0.1:0", "-limit", "150", "-latency", "1ms"})
		ended <- writer.CloseWithError(err)
	}()
	greeting := make([]byte, 4096)
	n, err := reader.Read(greeting)
	require.NoError(t, err)
	urls := regexp.MustCompile(`http://127\.0\.0\.1:\d+\S+`).FindAllString(string(greeting[:n]), -1)
	require.Len(t, urls, 4)

	const event = `{"event_type":"$impression","user_id":"alice","event_properties":{"flag_key":"checkout"}}`
	assert.Equal(t, http.StatusOK, post(t, urls[0], `{"api_key":"k","events":[`+event+`]}`))
	assert.Equal(t, http.StatusRequestEntityTooLarge, post(t, urls[1], `{"api_key":"k","events":[`+event+","+event+`]}`))

	interrupt()
	printed, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.NoError(t, <-ended)
	assert.Contains(t, string(printed), "events: 1, requests: 2")
	assert.Contains(t, string(printed), "user alice\n")
}

func post(t *testing.T, url, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

func TestFlags(t *testing.T) {
	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), &out, []string{"-fail", "1.5"}), "must be from 0 to 1")
	require.ErrorContains(t, run(t.Context(), &out, []string{"-listen", "nowhere"}), "nowhere")
	require.ErrorIs(t, run(t.Context(), &out, []string{"-h"}), flag.ErrHelp)
	ended, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, run(ended, &out, []string{"-fail", "0.3", "-listen", "127.0.0.1:0"}))
	assert.Contains(t, out.String(), "events: 0, requests: 0")
}
