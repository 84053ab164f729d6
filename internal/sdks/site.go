// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/impression-collector/impression-bridge/internal/sdktest"
)

// site is the server that the SDKs and the Experiment client call. It serves the flags, and records what it hands on to the bridge.
type site struct {
	server *httptest.Server
	// script is the script of the page.
	script []byte

	// underway is read-locked by each request until it is answered.
	underway sync.RWMutex
	mutex    sync.Mutex
	requests []sdktest.Request
}

// newSite starts a site in front of a bridge.
func newSite(bridge *sdktest.Bridge, scripts string, withTLS bool) *site {
	s := &site{}
	mux := http.NewServeMux()
	for _, path := range []string{"/sdk/", "/segment", "/v1/logs"} {
		mux.Handle(path, s.record(httputil.NewSingleHostReverseProxy(bridge.Server(path))))
	}
	mux.HandleFunc("/flags/", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(scripts, "flags.json"))
	})
	mux.HandleFunc("/mparticle/", identify)
	// The answer means that everything sent so far has been answered.
	mux.HandleFunc("/settled", func(http.ResponseWriter, *http.Request) {
		s.underway.Lock()
		defer s.underway.Unlock()
	})
	mux.HandleFunc("/products", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `<!doctype html><title>Products</title><script src="/script.js"></script>`)
	})
	mux.HandleFunc("/script.js", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.script) })
	s.server = httptest.NewUnstartedServer(mux)
	if withTLS {
		s.server.StartTLS()
	} else {
		s.server.Start()
	}
	return s
}

// identify answers mParticle's SDK, which asks who the user is. Someone who logs in was known before, under another id.
func identify(w http.ResponseWriter, r *http.Request) {
	mpid := "7346244611012968789"
	if strings.HasSuffix(r.URL.Path, "/login") {
		mpid = "-1292861137011214512"
	}
	_, _ = fmt.Fprintf(w, `{"mpid":%q}`, mpid)
}

// record keeps the requests that are handed on to next.
func (s *site) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.underway.RLock()
		defer s.underway.RUnlock()
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			s.mutex.Lock()
			s.requests = append(s.requests, sdktest.NewRequest(r, body))
			s.mutex.Unlock()
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	})
}

// recorded returns the requests so far.
func (s *site) recorded() []sdktest.Request {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.requests)
}
