// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Answer is how the server answers a request. The zero Answer is the usual one, as Amplitude documents it.
type Answer struct {
	// Status is that of the response, 0 for the usual one; then Header, Body and Ingest are the usual ones, too.
	Status int
	Header map[string]string
	Body   string
	// Ingest says that the events are taken all the same, if they are good ones: Amplitude documents that 500, 502 and
	// 504 may do so, and a broken connection may, too.
	Ingest bool
	// Reset says that the connection is reset instead of an answer.
	Reset bool
	// Delay is how long the answer takes to begin.
	Delay time.Duration
	// BytePause is how long each byte of the body takes.
	BytePause time.Duration
	// Cut says that the connection is reset in the middle of the body.
	Cut bool
}

// usual says whether a request is judged. Where the connection is reset, Ingest says it.
func (a *Answer) usual() bool {
	return a.Status == 0 && !a.Reset
}

// send answers a request. What is delayed ends when the client goes away or the server is closed.
func (a *Answer) send(w http.ResponseWriter, r *http.Request, closed <-chan struct{}) {
	if !pause(r, closed, a.Delay) {
		panic(http.ErrAbortHandler)
	}
	if a.Reset {
		reset(w)
		return
	}
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	w.WriteHeader(a.Status)
	body := a.Body
	if a.Cut {
		body = body[:len(body)/2]
	}
	if !a.write(w, r, closed, body) {
		panic(http.ErrAbortHandler)
	}
	if a.Cut {
		flush(w)
		reset(w)
	}
}

func (a *Answer) write(w http.ResponseWriter, r *http.Request, closed <-chan struct{}, body string) bool {
	if a.BytePause <= 0 {
		_, err := io.WriteString(w, body)
		return err == nil
	}
	for i := range len(body) {
		if _, err := io.WriteString(w, body[i:i+1]); err != nil {
			return false
		}
		flush(w)
		if !pause(r, closed, a.BytePause) {
			return false
		}
	}
	return true
}

// pause says whether there is still somebody to answer.
func pause(r *http.Request, closed <-chan struct{}, length time.Duration) bool {
	if length <= 0 {
		return true
	}
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	case <-closed:
		return false
	}
}

func flush(w http.ResponseWriter) {
	// Where it cannot be flushed, it comes when it comes.
	_ = http.NewResponseController(w).Flush()
}

// reset resets the connection, which a client sees at once, rather than ending it.
func reset(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, isTCP := connection.(*net.TCPConn); isTCP {
		// With nothing to linger for, closing sends a reset.
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// answerJSON answers as Amplitude does: each body repeats the status.
func answerJSON(status int, fields map[string]any) Answer {
	body := maps.Clone(fields)
	body["code"] = status
	encoded, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		// Only ids can be anything, and they came out of JSON.
		panic(err)
	}
	return Answer{Status: status, Header: map[string]string{"Content-Type": "application/json"}, Body: string(encoded)}
}

// Senseless returns answers with a status and a body that no client should rely on, by what is wrong with them.
func Senseless(status int) map[string]Answer {
	bodies := map[string]string{
		"empty":        "",
		"no JSON":      "<html><body><h1>Bad Gateway</h1></body></html>",
		"cut JSON":     `{"code":400,"error":"Invalid`,
		"other JSON":   `["code"]`,
		"null":         "null",
		"wrong types":  `{"code":"400","error":7,"events_with_invalid_fields":"time","silenced_events":{"0":0},"throttled_users":3}`,
		"wrong status": `{"code":200,"events_ingested":1000000}`,
		"unknown ids":  `{"code":429,"throttled_users":{"nobody@example.com":31},"throttled_devices":{"nobodys-device":31}}`,
		"wrong index":  `{"code":400,"silenced_events":[-1,1000000000,0.5],"events_with_missing_fields":{"time":[2147483648]}}`,
		"deep":         strings.Repeat("[", 1<<20),
		"huge":         `{"code":400,"error":"` + strings.Repeat("a", 16<<20) + `"}`,
	}
	answers := make(map[string]Answer, len(bodies))
	for fault, body := range bodies {
		answers[fault] = Answer{Status: status, Body: body}
	}
	return answers
}
