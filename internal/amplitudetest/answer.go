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

// Answer describes how the server answers a request. The zero Answer is the usual one, as Amplitude documents it.
type Answer struct {
	// Status is the status of the response. If it is 0, Status, Header, Body and Ingest are the usual ones.
	Status int
	Header map[string]string
	Body   string
	// Ingest is set to ingest the events in spite of the Status, if they are valid. Amplitude documents this for 500, 502
	// and 504, and it can happen if a connection breaks.
	Ingest bool
	// Reset is set to reset the connection instead of answering.
	Reset bool
	// Raw, if set, is sent as it is in place of the answer. Then the connection is closed.
	Raw string
	// Delay is how long the server waits before it answers.
	Delay time.Duration
	// BytePause is how long the server waits after each byte of the body.
	BytePause time.Duration
	// Cut is set to reset the connection in the middle of the body.
	Cut bool
}

// usual reports whether the server decides on the request as Amplitude would. If not, Ingest decides whether the events
// are ingested.
func (a *Answer) usual() bool {
	return a.Status == 0 && !a.Reset && a.Raw == ""
}

// send sends the answer. Delays end early if the client goes away or the server is closed.
func (a *Answer) send(w http.ResponseWriter, r *http.Request, closed <-chan struct{}) {
	if !pause(r, closed, a.Delay) {
		panic(http.ErrAbortHandler)
	}
	if a.Reset {
		reset(w)
		return
	}
	if a.Raw != "" {
		sendRaw(w, a.Raw)
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

// pause waits. It reports whether the client and the server are still there afterwards.
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
	// If flushing fails, the data is sent later.
	_ = http.NewResponseController(w).Flush()
}

func sendRaw(w http.ResponseWriter, answer string) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	// If this fails, the client is gone.
	_, _ = io.WriteString(connection, answer)
	_ = connection.Close()
}

// reset closes the connection with a TCP reset, which the client notices at once.
func reset(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, isTCP := connection.(*net.TCPConn); isTCP {
		// With a linger time of 0, closing sends a reset.
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// answerJSON returns an answer in Amplitude's format, whose body repeats the status.
func answerJSON(status int, fields map[string]any) Answer {
	body := maps.Clone(fields)
	body["code"] = status
	encoded, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		// This can't happen: the only values from outside are ids, which were decoded from JSON.
		panic(err)
	}
	return Answer{Status: status, Header: map[string]string{"Content-Type": "application/json"}, Body: string(encoded)}
}

// Senseless returns answers that have the status but a body that makes no sense, by what is wrong with the body.
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
