// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// sink stands in for Amplitude. It accepts every request at once and counts the events.
type sink struct {
	events  atomic.Int64
	changed chan struct{}
}

func newSink() *sink {
	return &sink{changed: make(chan struct{}, 1)}
}

// eventMark occurs once in each event, because quotes inside a JSON text are escaped.
var eventMark = []byte(`"event_type":`)

// ServeHTTP implements http.Handler.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		// The client has disconnected.
		panic(http.ErrAbortHandler)
	}
	s.events.Add(int64(bytes.Count(body, eventMark)))
	select {
	case s.changed <- struct{}{}:
	default:
	}
	// A client that doesn't get the answer notices by itself.
	_, _ = io.WriteString(w, `{"code":200}`)
}

// maxWait is how long a sink waits for events.
const maxWait = time.Minute

// await waits until this many events have arrived since the start, or for maxWait. It returns how many have.
func (s *sink) await(events int64) int64 {
	timeout := time.After(maxWait)
	for s.events.Load() < events {
		select {
		case <-s.changed:
		case <-timeout:
			return s.events.Load()
		}
	}
	return s.events.Load()
}

// serveSink runs a sink until the input ends. It first writes the sink's URL. Then it reads lines with a number of events,
// waits until that many have arrived since the start, and answers each line with the number that has.
func serveSink(in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := newSink()
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	_, err = fmt.Fprintf(out, "http://%s\n", listener.Addr())
	numbers := bufio.NewReader(in)
	for err == nil {
		var events int64
		if _, err = fmt.Fscanln(numbers, &events); err == nil {
			_, err = fmt.Fprintln(out, s.await(events))
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	err = errors.Join(err, server.Close())
	if serving := <-served; !errors.Is(serving, http.ErrServerClosed) {
		err = errors.Join(err, serving)
	}
	return err
}

// sinkProcess is a sink in a process of its own.
type sinkProcess struct {
	*helper
	url string
	// sent is the number of events sent to it since the start.
	sent int
}

func startSink() (*sinkProcess, error) {
	h, err := startHelper("-sink")
	if err != nil {
		return nil, err
	}
	s := &sinkProcess{helper: h}
	if _, err := fmt.Fscanln(s.out, &s.url); err != nil {
		return nil, errors.Join(fmt.Errorf("the sink process did not print its URL: %w", err), s.close())
	}
	return s, nil
}

// await waits until this many more events have arrived, and returns an error if more or fewer did.
func (s *sinkProcess) await(events int) error {
	s.sent += events
	if _, err := fmt.Fprintln(s.in, s.sent); err != nil {
		return err
	}
	var arrived int
	if _, err := fmt.Fscanln(s.out, &arrived); err != nil {
		return err
	}
	if arrived != s.sent {
		return fmt.Errorf("%d events arrived, but %d were sent", arrived, s.sent)
	}
	return nil
}
