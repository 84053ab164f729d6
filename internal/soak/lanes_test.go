// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lanesScenario measures how fast a queue is emptied into a server that takes 20 ms for each request, by one lane and by
// eight. That is what lanes are for: they wait side by side. The server takes requests of at most 128 KiB, as behind a
// proxy, and does nothing but count: with the megabyte that Amplitude takes, two cores work for about as long on a request
// as the server does, and what is measured is the machine. In the short form much of the time goes by until the lanes know
// what the server takes.
func lanesScenario(t *testing.T, size size) {
	t.Helper()
	one := drain(t, size.records, "1")
	eight := drain(t, size.records, "8")
	tell(t, "a server that takes 20 ms: %.0f events/s by 1 lane, %.0f by 8, %.1f times as many", one, eight, eight/one)
	assert.GreaterOrEqual(t, eight/one, size.ratio)
}

// drain returns how many events a second a collector sends once it is allowed to.
func drain(t *testing.T, records int, lanes string) float64 {
	t.Helper()
	sink := startSink(t)
	b := startCollector(t, "bridge.yaml", "AMPLITUDE_ENDPOINT=http://"+sink.address, "LANES="+lanes)
	people := newPeople("laden", 1000)
	require.NoError(t, newSender(b).sendInTurn(t.Context(), people, records, 50, 8000))
	want := int64(0)
	for _, p := range people {
		want += int64(p.sent + p.updates)
	}
	began := time.Now()
	close(sink.open)
	require.NoError(t, b.WaitUntil(t.Context(), "done", func() (bool, error) { return sink.events.Load() >= want, nil }))
	took := time.Since(began)
	require.NoError(t, b.Stop())
	return float64(want) / took.Seconds()
}

// sink takes all events, and answers each request 20 ms later, but none before it is open.
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
	server := &http.Server{Handler: s, ReadHeaderTimeout: patience}
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
	w.WriteHeader(http.StatusOK)
	s.events.Add(int64(bytes.Count(body.Bytes(), []byte(`"event_type"`))))
}
