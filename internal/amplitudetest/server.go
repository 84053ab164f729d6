// SPDX-License-Identifier: Apache-2.0

// Package amplitudetest provides a fake Amplitude for tests, soak runs and demos: a server that behaves as Amplitude
// documents its ingestion APIs HTTP V2 and Batch. It refuses what Amplitude refuses, de-duplicates events, applies updates of
// user properties and group properties in order of arrival, adds up revenue, records everything, and fails on demand.
//
// It follows Amplitude's documentation as of 2026-11-23. Where the documentation is silent, the server is strict:
//
//   - One event that is refused, or whose user or device is throttled, fails the whole request.
//   - Both lists and objects, including the outermost object, count toward the depth.
//   - An id that isn't a string is invalid, and so is a quantity that isn't an integer.
//   - User properties and group properties that mix operators with plain properties are invalid.
//   - A $groupidentify event without groups lacks a required field.
//   - An event with $skip_user_properties_sync doesn't change the groups of its user either. Its user properties may be
//     operations, as in other events.
//   - The events of a request are ingested before a delayed, slow or cut response begins.
package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// The paths of the APIs, and of the pages that show the users.
const (
	httpV2Path    = "/2/httpapi"
	batchPath     = "/batch"
	knownPath     = "/known"
	knownJSONPath = "/known.json"
)

// Server is a fake Amplitude with one project. It is safe for concurrent use.
type Server struct {
	settings settings

	// mutex guards all fields below. Requests are decoded before it is locked, so that they wait only for bookkeeping.
	mutex        sync.Mutex
	script       script
	restrictions restrictions
	rates        rates
	store        store
	limits       Limits
	latency      time.Duration
	keyRefused   bool
	// changed is closed and replaced after each request.
	changed chan struct{}

	server  *http.Server
	address string
	// closed is closed to end delayed responses.
	closed chan struct{}
}

// New returns a server that doesn't listen yet. It can be used as an http.Handler.
func New(options ...Option) *Server {
	s := &Server{settings: settings{now: time.Now, seed: 1}, changed: make(chan struct{}), closed: make(chan struct{})}
	for _, option := range options {
		option(&s.settings)
	}
	s.script.random = rand.New(rand.NewPCG(s.settings.seed, 0)) //nolint:gosec // must be reproducible
	s.limits = s.settings.limits
	s.rates.limit = s.settings.rateLimit
	s.store = newStore(&s.settings)
	return s
}

// Start starts a server on loopback that runs until the test ends.
func Start(tb testing.TB, options ...Option) *Server {
	tb.Helper()
	s := New(options...)
	if err := s.Listen(tb.Context(), "127.0.0.1:0"); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Listen starts to serve on an address, in the background. After Close, a server may listen again, for example on its
// old Address. It keeps everything that it has recorded.
func (s *Server) Listen(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.server != nil {
		return errors.Join(errors.New("the server is already listening"), listener.Close())
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	s.address, s.closed = listener.Addr().String(), make(chan struct{})
	go func(server *http.Server) {
		// Serve returns when the server is closed. If it fails for another reason, the clients notice.
		_ = server.Serve(listener)
	}(s.server)
	return nil
}

// Close stops listening and closes all connections at once.
func (s *Server) Close() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.server == nil {
		return nil
	}
	close(s.closed)
	err := s.server.Close()
	s.server = nil
	return err
}

// Address returns the host and port that the server listens on, or last listened on.
func (s *Server) Address() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.address
}

// URL returns the URL of an API.
func (s *Server) URL(api amplitude.API) string {
	path := httpV2Path
	if api == amplitude.Batch {
		path = batchPath
	}
	return "http://" + s.Address() + path
}

// KnownURL returns the URL of the page with the output of WriteKnown.
func (s *Server) KnownURL() string {
	return "http://" + s.Address() + knownPath
}

// ServeHTTP serves POST requests to both APIs and GET requests for the pages that show the users.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := http.MethodPost
	var serve func()
	switch r.URL.Path {
	case httpV2Path:
		serve = func() { s.serveUpload(w, r, amplitude.HTTPV2) }
	case batchPath:
		serve = func() { s.serveUpload(w, r, amplitude.Batch) }
	case knownPath:
		method, serve = http.MethodGet, func() { s.serveKnown(w) }
	case knownJSONPath:
		method, serve = http.MethodGet, func() { s.serveKnownJSON(w) }
	default:
		http.NotFound(w, r)
		return
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
		return
	}
	serve()
}

func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request, api amplitude.API) {
	request, sent, err := s.read(r, api)
	if err != nil {
		// The client went away before the end of the body, or sent invalid HTTP.
		panic(http.ErrAbortHandler)
	}
	answer, closed := s.take(request, sent)
	answer.send(w, r, closed)
}

// take decides how to answer a request, and records it.
func (s *Server) take(request *Request, sent *upload) (Answer, <-chan struct{}) {
	scripted, isScripted := s.script.byFunc(request)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !isScripted {
		scripted, isScripted = s.script.next()
	}
	answer := scripted
	if !isScripted || scripted.usual() {
		usual := s.judge(request, sent)
		answer.Status, answer.Header, answer.Body = usual.Status, usual.Header, usual.Body
	} else if scripted.Ingest {
		s.judge(request, sent)
	}
	request.Status, request.Reset = answer.Status, answer.Reset
	answer.Delay += s.latency
	s.store.remember(request)
	close(s.changed)
	s.changed = make(chan struct{})
	return answer, s.closed
}

// judge answers a request as Amplitude does, and ingests its events if nothing is wrong with it.
func (s *Server) judge(request *Request, sent *upload) Answer {
	if refused, isRefused := s.refuse(request, sent); isRefused {
		return refused
	}
	if restricted, isRestricted := s.restrict(request, sent.events); isRestricted {
		return restricted
	}
	s.store.ingest(request, sent.events)
	return answerJSON(http.StatusOK, map[string]any{
		"events_ingested":    request.EventCount,
		"payload_size_bytes": request.Bytes,
		"server_upload_time": request.At.UnixMilli(),
	})
}
