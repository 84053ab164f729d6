// SPDX-License-Identifier: Apache-2.0

// Package amplitudetest is a server that behaves as Amplitude documents its ingestion APIs HTTP V2 and Batch, for tests,
// soak runs and demos. It refuses what Amplitude refuses, de-duplicates, applies user properties in order of arrival,
// remembers all of it, and fails on request.
//
// The facts are those of Amplitude's documentation, read 2026-11-23. Where that says nothing, the server takes the
// strictest reading:
//
//   - An event that is refused, or whose user or device is throttled, fails its request as a whole.
//   - Lists count as layers of depth, and so does the outermost object.
//   - Ids that are no strings are invalid, and so are user properties that mix operators with plain properties.
//   - A request that is delayed, slow or cut short has been ingested before.
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

// The paths of the APIs, and of what the server knows.
const (
	httpV2Path    = "/2/httpapi"
	batchPath     = "/batch"
	knownPath     = "/known"
	knownJSONPath = "/known.json"
)

// Server is a fake Amplitude with one project. All its methods may be called while it serves.
type Server struct {
	settings settings

	// mutex guards all below. Requests are decoded before it is taken, so that they wait for bookkeeping only.
	mutex        sync.Mutex
	script       script
	restrictions restrictions
	rates        rates
	store        store
	limits       Limits
	latency      time.Duration
	keyRefused   bool
	// changed is closed, and replaced, with each request.
	changed chan struct{}

	server  *http.Server
	address string
	// closed ends what is delayed.
	closed chan struct{}
}

// New returns a server that does not listen yet: a handler.
func New(options ...Option) *Server {
	s := &Server{settings: settings{now: time.Now, seed: 1}, changed: make(chan struct{}), closed: make(chan struct{})}
	for _, option := range options {
		option(&s.settings)
	}
	s.script.random = rand.New(rand.NewPCG(s.settings.seed, 0)) //nolint:gosec // reproducible is what it has to be
	s.limits = s.settings.limits
	s.rates.limit = s.settings.rateLimit
	s.store = newStore(&s.settings)
	return s
}

// Start returns a server that listens on loopback until the test ends.
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

// Listen has the server serve on an address, in the background. A server that was closed may listen again, for example
// on its Address: it knows what it knew.
func (s *Server) Listen(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.server != nil {
		return errors.Join(errors.New("the server listens already"), listener.Close())
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	s.address, s.closed = listener.Addr().String(), make(chan struct{})
	go func(server *http.Server) {
		// It ends when the server is closed; there is nobody to tell of any other end but the clients, who notice.
		_ = server.Serve(listener)
	}(s.server)
	return nil
}

// Close closes all connections at once. Afterwards connections are refused.
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

// Address returns the host and port on which the server listens, or did until it was closed.
func (s *Server) Address() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.address
}

// URL returns where an API takes requests.
func (s *Server) URL(api amplitude.API) string {
	path := httpV2Path
	if api == amplitude.Batch {
		path = batchPath
	}
	return "http://" + s.Address() + path
}

// KnownURL returns where the server shows what WriteKnown writes.
func (s *Server) KnownURL() string {
	return "http://" + s.Address() + knownPath
}

// ServeHTTP serves both APIs by POST, and what is known of each user by GET.
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
		// The client went away before it had said all, or does not speak HTTP.
		panic(http.ErrAbortHandler)
	}
	answer, closed := s.take(request, sent)
	answer.send(w, r, closed)
}

// take decides on a request and remembers it.
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

// judge answers a request as Amplitude does, and ingests its events if nothing is wrong with them.
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
