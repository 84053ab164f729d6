// SPDX-License-Identifier: Apache-2.0

package amplitudetest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// noon is the start time of the tests' clocks.
var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// clock is a clock that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// body returns the body of a request with a key and these events.
func body(events ...string) string {
	return `{"api_key":"key","events":[` + strings.Join(events, ",") + `]}`
}

// post sends a body and returns the status and body of the response.
func post(t *testing.T, s *Server, api amplitude.API, body string) (int, string) {
	t.Helper()
	response, err := send(t.Context(), s, api, []byte(body), nil)
	require.NoError(t, err)
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode, string(answer)
}

func send(ctx context.Context, s *Server, api amplitude.API, body []byte, header http.Header) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL(api), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name := range header {
		request.Header.Set(name, header.Get(name))
	}
	return http.DefaultClient.Do(request)
}

func TestUploadIsIngestedInOrder(t *testing.T) {
	at := &clock{noon}
	s := Start(t, WithClock(at.now))
	first := `{"event_type":"Page Viewed","user_id":"alice","device_id":"alice-phone","time":1396381378123,"event_properties":{"n":1}}`
	second := `{"event_type":"Page Viewed","device_id":"a-device"}`
	status, answer := post(t, s, amplitude.HTTPV2, body(first, second))
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, fmt.Sprintf(`{"code":200,"events_ingested":2,"payload_size_bytes":%d,"server_upload_time":%d}`,
		len(body(first, second)), noon.UnixMilli()), answer)
	status, _ = post(t, s, amplitude.Batch, body(`{"event_type":"Left","user_id":"alice"}`))
	assert.Equal(t, http.StatusOK, status)

	events := s.Events()
	require.Len(t, events, 3)
	assert.Equal(t, "alice-phone", events[0].DeviceID)
	assert.Equal(t, int64(1396381378123), events[0].Time)
	assert.Equal(t, map[string]any{"n": 1.0}, events[0].Properties)
	assert.Equal(t, first, string(events[0].Raw))
	assert.Equal(t, second, string(events[1].Raw))
	assert.Equal(t, 1, events[2].Request)
	assert.Equal(t, noon, events[2].At)

	requests := s.Requests()
	require.Len(t, requests, 2)
	assert.Equal(t, amplitude.Batch, requests[1].API)
	assert.Equal(t, "key", requests[1].Key)
	assert.Len(t, requests[0].Events, 2)

	alice := s.User("alice")
	require.Len(t, alice.Events, 2)
	assert.Equal(t, "Left", alice.Events[1].Type)
	assert.True(t, s.User("a-device").IsDevice)
	assert.Equal(t, User{}, s.User("a stranger"))

	s.Reset()
	assert.Empty(t, s.Events())
	assert.Empty(t, s.Users())
	assert.Zero(t, s.Counts().Requests)
}

func TestGzip(t *testing.T) {
	s := Start(t)
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	sent := body(`{"event_type":"a","user_id":"alice"}`)
	_, err := writer.Write([]byte(sent))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	header := http.Header{"Content-Encoding": {"gzip"}}

	response, err := send(t.Context(), s, amplitude.HTTPV2, packed.Bytes(), header)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode)
	request := s.Requests()[0]
	assert.Equal(t, len(sent), request.Bytes)
	assert.Equal(t, packed.Len(), request.WireBytes)
	assert.Equal(t, "gzip", request.Header.Get("Content-Encoding"))

	for _, broken := range []string{"no gzip", packed.String()[:packed.Len()-9]} {
		response, err = send(t.Context(), s, amplitude.HTTPV2, []byte(broken), header)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	}
}

func TestOtherPathsAndMethods(t *testing.T) {
	s := Start(t)
	for path, want := range map[string]int{"/2/httpapi": http.StatusMethodNotAllowed, "/identify": http.StatusNotFound} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Address()+path, http.NoBody)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, want, response.StatusCode)
	}
	assert.Empty(t, s.Requests())
}

func TestDuplicatesAreIgnoredForSevenDays(t *testing.T) {
	at := &clock{noon}
	s := Start(t, WithClock(at.now))
	of := func(ids, value string) string {
		return `{"event_type":"$identify",` + ids + `,"insert_id":"1","user_properties":{"$append":{"list":"` + value + `"}}}`
	}
	post(t, s, amplitude.HTTPV2, body(of(`"user_id":"alice"`, "a"), of(`"user_id":"alice"`, "b")))
	post(t, s, amplitude.HTTPV2, body(of(`"user_id":"alice","device_id":"phone"`, "c")))
	// Insert ids are scoped to the device, whoever uses it.
	post(t, s, amplitude.HTTPV2, body(of(`"user_id":"robert","device_id":"phone"`, "d")))
	at.at = noon.Add(7*24*time.Hour - time.Second)
	post(t, s, amplitude.HTTPV2, body(of(`"user_id":"alice"`, "e")))
	at.at = noon.Add(7 * 24 * time.Hour)
	post(t, s, amplitude.HTTPV2, body(of(`"user_id":"alice"`, "f")))

	assert.Equal(t, []any{"a", "c", "f"}, s.User("alice").Properties["list"])
	assert.Equal(t, 2, s.User("alice").Duplicates)
	assert.Empty(t, s.User("robert").Events)
	assert.Equal(t, 1, s.User("robert").Duplicates)
	assert.Len(t, s.Duplicates(), 3)
	counts := s.Counts()
	assert.Equal(t, 6, counts.Received)
	assert.Equal(t, 3, counts.Ingested)
	assert.Equal(t, 3, counts.Duplicates)
}

func TestLongStringsAreCut(t *testing.T) {
	s := Start(t)
	long, cut := strings.Repeat("é", 1025), strings.Repeat("é", 1024)
	post(t, s, amplitude.HTTPV2, body(`{"event_type":"a","user_id":"`+long+`","event_properties":{"a":["b",{"c":"`+long+`"}],"d":1}}`))
	e := s.User(cut).Events[0]
	assert.Equal(t, map[string]any{"a": []any{"b", map[string]any{"c": cut}}, "d": 1.0}, e.Properties)
	// The recorded request is unchanged.
	assert.Equal(t, long, s.Requests()[0].Events[0].UserID)
	assert.Equal(t, map[string]any{"c": long}, s.Requests()[0].Events[0].Properties["a"].([]any)[1])
}

func TestCompactKeepsLittle(t *testing.T) {
	s := Start(t, WithCompact("n"))
	sent := `{"event_type":"a","user_id":"alice","insert_id":"1","event_properties":{"n":7,"m":8},"user_properties":{"$set":{"p":"v"}}}`
	post(t, s, amplitude.HTTPV2, body(sent, sent))
	alice := s.User("alice")
	require.Len(t, alice.Events, 1)
	assert.Equal(t, map[string]any{"n": 7.0}, alice.Events[0].Properties)
	assert.Nil(t, alice.Events[0].Raw)
	assert.Equal(t, map[string]any{"p": "v"}, alice.Properties)
	assert.Nil(t, s.Requests()[0].Events)
	assert.Equal(t, 2, s.Requests()[0].EventCount)
}

func TestListensAgainAndKeepsItsRecords(t *testing.T) {
	s := Start(t)
	post(t, s, amplitude.HTTPV2, body(`{"event_type":"a","user_id":"alice"}`))
	address := s.Address()
	require.NoError(t, s.Close())
	_, err := send(t.Context(), s, amplitude.HTTPV2, nil, nil) //nolint:bodyclose // there is no response
	require.Error(t, err)
	require.NoError(t, s.Listen(t.Context(), address))
	require.ErrorContains(t, s.Listen(t.Context(), "127.0.0.1:0"), "already listening")
	post(t, s, amplitude.HTTPV2, body(`{"event_type":"a","user_id":"alice"}`))
	assert.Len(t, s.User("alice").Events, 2)
}

func TestWaitUntil(t *testing.T) {
	s := Start(t)
	done := make(chan error)
	go func() {
		done <- s.WaitUntil(t.Context(), func(c Counts) bool { return c.Ingested == 3 })
	}()
	for range 3 {
		post(t, s, amplitude.HTTPV2, body(`{"event_type":"a","user_id":"alice"}`))
	}
	require.NoError(t, <-done)
	ended, end := context.WithCancel(t.Context())
	end()
	require.ErrorContains(t, s.WaitUntil(ended, func(Counts) bool { return false }), "Ingested:3")
}
