// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"time"
)

//go:embed page
var page embed.FS

func (i *inspector) handler() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		// The folder is embedded.
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /state", i.serveState)
	mux.HandleFunc("GET /stream", i.serveStream)
	mux.HandleFunc("GET /pairs/{number}", i.servePair)
	mux.HandleFunc("POST /explain", i.serveExplain)
	return i.guard(mux)
}

// panels are the panels of the page, in the order in which they are sent.
var panels = []string{"about", "flow", "experiments", "pairs", "unmatched"}

// views returns the content of all panels.
func (i *inspector) views() map[string]any {
	views := map[string]any{"about": i.about()}
	i.look(func(s *state, now time.Time) {
		views["flow"], views["experiments"] = s.flowView(now), s.experiments.view(now)
		views["pairs"], views["unmatched"] = s.pairs.view(), s.unmatched.view()
	})
	return views
}

func (i *inspector) serveState(w http.ResponseWriter, _ *http.Request) {
	answer(w, i.views())
}

const (
	// period is the time between two updates of the page.
	period = time.Second
	// patience is how long a page may take to read an update.
	patience = 10 * time.Second
)

// serveStream sends the panels that changed, once a period, until the page is closed.
func (i *inspector) serveStream(w http.ResponseWriter, r *http.Request) {
	if !i.viewers.TryAcquire(1) {
		http.Error(w, fmt.Sprintf("%d pages are open already; close one of them.", maxViewers), http.StatusServiceUnavailable)
		return
	}
	defer i.viewers.Release(1)
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	tick := time.NewTicker(period)
	defer tick.Stop()
	sent := map[string][]byte{}
	for {
		// Otherwise write_timeout would end the stream.
		err := control.SetWriteDeadline(time.Now().Add(patience))
		if err = errors.Join(err, i.sendChanges(w, sent), control.Flush()); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-i.stopping:
			return
		}
	}
}

// sendChanges sends the panels that aren't as sent has them.
func (i *inspector) sendChanges(w io.Writer, sent map[string][]byte) error {
	views := i.views()
	for _, name := range panels {
		text, err := json.Marshal(views[name])
		if err != nil {
			return err
		}
		if bytes.Equal(text, sent[name]) {
			continue
		}
		sent[name] = text
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, text); err != nil {
			return err
		}
	}
	return nil
}

func (i *inspector) servePair(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	var details pairDetails
	var isKept bool
	i.look(func(s *state, _ time.Time) { details, isKept = s.pairs.details(number) })
	if err != nil || !isKept {
		http.Error(w, "This impression isn't kept any more.", http.StatusNotFound)
		return
	}
	answer(w, details)
}

func (i *inspector) serveExplain(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, fmt.Sprintf("The payload has more than %d bytes (max_request_body_size).", tooLarge.Limit), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	query := r.URL.Query()
	explained, err := i.explain(&question{
		payload: payload, as: query.Get("as"), processor: query.Get("processor"), exporter: query.Get("exporter"),
	})
	switch {
	case errors.Is(err, errNothingRuns):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		answer(w, explained)
	}
}

// answer answers with JSON that people can read.
func answer(w http.ResponseWriter, content any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	// If it fails, the client is gone.
	_ = encoder.Encode(content)
}
