// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lanesScenario measures how fast one lane and eight lanes empty a queue into a server that takes 20 ms per request. That
// is the purpose of lanes: they wait concurrently. The server only counts events, and it accepts at most 128 KiB per
// request, as a proxy might. With Amplitude's limit of 1 MB, two cores would work on a request about as long as the server
// does, and the test would measure the machine. In the short form, the lanes spend much of the time finding that limit.
func lanesScenario(t *testing.T, size size) {
	t.Helper()
	one := drain(t, size.records, "1")
	eight := drain(t, size.records, "8")
	reportf(t, "server that takes 20 ms per request: %.0f events/s with 1 lane, %.0f with 8 lanes, %.1f times as many", one, eight, eight/one)
	assert.GreaterOrEqual(t, eight/one, size.minRatio)
}

// drain fills a queue while the server blocks, and returns how many events per second the collector sends afterwards.
func drain(t *testing.T, records int, lanes string) float64 {
	t.Helper()
	sink := startSink(t)
	b := startCollector(t, "bridge.yaml", "AMPLITUDE_ENDPOINT=http://"+sink.address, "LANES="+lanes)
	people := newPeople("many", 1000)
	require.NoError(t, newSender(b).sendInTurn(t.Context(), people, records, 50, 8000))
	want := int64(0)
	for _, p := range people {
		want += int64(p.sent + p.updates)
	}
	began := time.Now()
	close(sink.open)
	require.NoError(t, b.WaitUntil(t.Context(), "all events at the server", func() (bool, error) { return sink.events.Load() >= want, nil }))
	took := time.Since(began)
	require.NoError(t, b.Stop())
	return float64(want) / took.Seconds()
}

// sink is a server that counts events. It blocks all requests until it is open, and then answers each after 20 ms.
type sink struct {
	address string
	open    chan struct{}
	events  atomic.Int64
}

func startSink(t *testing.T) *sink {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &sink{address: listener.Addr().String(), open: make(chan struct{})}
	server := &http.Server{Handler: s, ReadHeaderTimeout: maxWait}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { assert.NoError(t, server.Shutdown(context.WithoutCancel(t.Context()))) })
	return s
}

// ServeHTTP implements http.Handler.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	body.Grow(int(r.ContentLength) + bytes.MinRead)
	if _, err := body.ReadFrom(r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	<-s.open
	if body.Len() > 128<<10 {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	<-time.After(20 * time.Millisecond)
	if _, err := io.WriteString(w, `{"code":200}`); err != nil {
		panic(http.ErrAbortHandler)
	}
	s.events.Add(int64(bytes.Count(body.Bytes(), []byte(`"event_type"`))))
}
