// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/metrictest"
)

func gzipped(tb testing.TB, text string) string {
	tb.Helper()
	return encoded(tb, "gzip", text)
}

const oneSource = `{max_request_body_size: 100000, sources: {cdp: {path: /cdp}}}`

// event is a track call, and raw its body in a record.
const event = `{"type":"track","event":"e","userId":"u"}`

type raw = map[string]any

var eventBody = raw{"type": "track", "event": "e", "userId": "u"}

// TestBodies sends bodies that are accepted.
func TestBodies(t *testing.T) {
	identify := raw{"type": "identify", "userId": "u"}
	for name, test := range map[string]struct {
		body    string
		headers []string
		want    []any
	}{
		"object":        {event, nil, []any{eventBody}},
		"empty object":  {`{}`, nil, []any{raw{}}},
		"list":          {"[" + event + "," + event + "]", nil, []any{eventBody, eventBody}},
		"empty list":    {`[]`, nil, nil},
		"NDJSON":        {event + "\n" + event + "\r\n\n", nil, []any{eventBody, eventBody}},
		"lists":         {"[" + event + "]\n[]\n" + event, nil, []any{eventBody, eventBody}},
		"batch":         {`{"batch":[` + event + `],"sentAt":"s","writeKey":"k"}`, nil, []any{raw{"type": "track", "event": "e", "userId": "u", "sentAt": "s"}}},
		"events":        {`{"events":[{"event_type":"a"},{"event_type":"b"}],"api_key":"k"}`, nil, []any{raw{"event_type": "a"}, raw{"event_type": "b"}}},
		"no events":     {`{"batch":[{"type":"identify","userId":"u"}]}`, nil, []any{identify}},
		"list of these": {`[{"batch":[` + event + `]},{"batch":[{"type":"identify","userId":"u"}]}]`, nil, []any{eventBody, identify}},
		"unknown list":  {`[{"a":1},{"b":2}]`, nil, []any{raw{"a": int64(1)}, raw{"b": int64(2)}}},
		"event with a list of events": {
			`{"type":"track","event":"e","userId":"u","events":[{"a":1}]}`, nil,
			[]any{raw{"type": "track", "event": "e", "userId": "u", "events": []any{raw{"a": int64(1)}}}},
		},
		"integers": {
			`{"id":9007199254740993,"max":9223372036854775807,"more":9223372036854775808,"f":1.5}`, nil,
			[]any{raw{"id": int64(9007199254740993), "max": int64(math.MaxInt64), "more": "9223372036854775808", "f": 1.5}},
		},
		"text/plain":         {event, []string{"Content-Type: text/plain"}, []any{eventBody}},
		"form":               {event, []string{"Content-Type: application/x-www-form-urlencoded"}, []any{eventBody}},
		"gzip":               {gzipped(t, event), []string{"Content-Encoding: gzip"}, []any{eventBody}},
		"GZIP":               {gzipped(t, event), []string{"Content-Encoding: GZIP"}, []any{eventBody}},
		"x-gzip":             {gzipped(t, event), []string{"Content-Encoding: x-gzip"}, []any{eventBody}},
		"identity":           {event, []string{"Content-Encoding: identity"}, []any{eventBody}},
		"ZLIB":               {zlibbed(t, event), []string{"Content-Encoding: ZLIB"}, []any{eventBody}},
		"invalid UTF-8":      {"{\"a\xff\xfe\":\"\xed\xa0\x80\"}", nil, []any{raw{"a\ufffd\ufffd": "\ufffd\ufffd\ufffd"}}},
		"gzip, not said":     {gzipped(t, event), nil, []any{eventBody}},
		"gzip, said wrongly": {event, []string{"Content-Encoding: gzip"}, []any{eventBody}},
	} {
		t.Run(name, func(t *testing.T) {
			sink := new(consumertest.LogsSink)
			a := start(t, oneSource, sink).post(t, "/cdp", test.body, test.headers...)
			assert.Equal(t, http.StatusOK, a.status, a.text)
			assert.Equal(t, `{"success":true,"code":200}`, a.text)
			assert.Equal(t, "application/json", a.header.Get("Content-Type"))
			assert.Equal(t, test.want, bodiesOf(sink.AllLogs()))
		})
	}
}

// TestRefusals sends requests that are refused. Nothing of them is handed on.
func TestRefusals(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := start(t, oneSource, sink)
	for name, test := range map[string]struct {
		method, path, body string
		headers            []string
		want               reason
	}{
		"another path":      {"", "/", event, nil, unknownPath},
		"almost the path":   {"", "/cdpx", event, nil, unknownPath},
		"GET":               {http.MethodGet, "/cdp", "", nil, wrongMethod},
		"OPTIONS":           {http.MethodOptions, "/cdp", "", nil, wrongMethod},
		"empty":             {"", "/cdp", "", nil, invalidJSON},
		"white space":       {"", "/cdp", " \n", nil, invalidJSON},
		"text":              {"", "/cdp", "a=b", nil, invalidJSON},
		"cut off":           {"", "/cdp", event[:10], nil, invalidJSON},
		"good, then bad":    {"", "/cdp", event + "\n{", nil, invalidJSON},
		"number":            {"", "/cdp", "1", nil, notAnObject},
		"string":            {"", "/cdp", `"a"`, nil, notAnObject},
		"null":              {"", "/cdp", `null`, nil, notAnObject},
		"list of a number":  {"", "/cdp", "[" + event + ",1]", nil, notAnObject},
		"list of a list":    {"", "/cdp", "[[" + event + "]]", nil, notAnObject},
		"good, then a text": {"", "/cdp", event + "\n\"a\"", nil, notAnObject},
		"two lists":         {"", "/cdp", `{"batch":[` + event + `],"events":[` + event + `]}`, nil, mixedEvents},
		"mixed batch":       {"", "/cdp", `{"batch":[` + event + `,1]}`, nil, mixedEvents},
		"much around":       {"", "/cdp", `{"batch":[{}` + strings.Repeat(",{}", 500) + `],"context":"` + strings.Repeat("x", 20_000) + `"}`, nil, envelopeTooLarge},
		"PostHog's form":    {"", "/cdp", "data=eyJldmVudCI6ImUifQ%3D%3D", []string{"Content-Type: application/x-www-form-urlencoded"}, base64Form},
		"base64":            {"", "/cdp", "eyJldmVudCI6ImUifQ==", nil, base64Form},
		"base64 of a list":  {"", "/cdp", "W3siZXZlbnQiOiJlIn1d", nil, base64Form},
		"nested arrays":     {"", "/cdp", strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000), nil, tooDeep},
		"too large":         {"", "/cdp", `{"a":"` + strings.Repeat("x", 100_000) + `"}`, nil, tooLarge},
		"gzip bomb":         {"", "/cdp", gzipped(t, strings.Repeat(" ", 10_000_000)), nil, tooLarge},
		"gzip, cut off":     {"", "/cdp", gzipped(t, event)[:20], nil, invalidEncoding},
		"gzip's magic only": {"", "/cdp", "\x1f\x8b", nil, invalidEncoding},
		"not zlib":          {"", "/cdp", event, []string{"Content-Encoding: deflate"}, invalidEncoding},
		"not zstd":          {"", "/cdp", event, []string{"Content-Encoding: zstd"}, invalidEncoding},
		"Brotli":            {"", "/cdp", event, []string{"Content-Encoding: br"}, unsupportedEncoding},
		"Brotli elsewhere":  {"", "/", event, []string{"Content-Encoding: br"}, unknownPath},
		"PUT of Brotli":     {http.MethodPut, "/cdp", event, []string{"Content-Encoding: br"}, wrongMethod},
	} {
		t.Run(name, func(t *testing.T) {
			if test.method == "" {
				test.method = http.MethodPost
			}
			a := r.do(t, test.method, test.path, []byte(test.body), test.headers...)
			assert.Equal(t, test.want.String(), a.Reason, a.text)
			assert.Equal(t, answers[test.want].status, a.status)
			assert.Equal(t, answers[test.want].text, a.Error)
			assert.False(t, a.Success)
			assert.Equal(t, a.status, a.Code)
			assert.Equal(t, test.want == wrongMethod, a.header.Get("Allow") == http.MethodPost)
		})
	}
	assert.Zero(t, sink.LogRecordCount())
}

func TestMillionNestedArrays(t *testing.T) {
	r := start(t, `{sources: {cdp: {path: /cdp}}}`, consumertest.NewNop())
	for body, want := range map[string]reason{
		strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000): tooDeep,
		"[" + strings.Repeat("[],", 1_000_000) + "[]]":                  tooManyValues,
	} {
		assert.Equal(t, want.String(), r.post(t, "/cdp", body).Reason)
	}
}

// TestPathsBelow sends to a path and below it.
func TestPathsBelow(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := start(t, `{sources: {a: {path: /a}, b: {path: /b/c}}}`, sink)
	for _, path := range []string{"/a", "/a/", "/a/v1/track?x=y", "/b/c/v1"} {
		assert.Equal(t, http.StatusOK, r.post(t, path, event).status, path)
	}
	var sources []string
	for _, record := range collectortest.Records(sink.AllLogs()) {
		source, _ := record.Attributes().Get("cdp.source")
		sources = append(sources, source.Str())
	}
	assert.Equal(t, []string{"a", "a", "a", "b"}, sources)
}

func TestRecords(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := start(t, `{header_attributes: [X-Request-Id, X-Missing], sources: {cdp: {path: /cdp}}}`, sink)
	before := pcommon.NewTimestampFromTime(time.Now())
	r.post(t, "/cdp", "["+event+","+event+"]", "X-Request-Id: one", "X-Request-Id: tw\xf6", "X-Other: no", "X-Forwarded-For: 192.0.2.1")
	records := collectortest.Records(sink.AllLogs())
	require.Len(t, records, 2)
	for _, record := range records {
		assert.Equal(t, raw{
			"cdp.source": "cdp", "client.address": "127.0.0.1", "http.request.header.x-request-id": []any{"one", "tw\ufffd"},
		}, record.Attributes().AsRaw())
		assert.GreaterOrEqual(t, record.ObservedTimestamp(), before)
		assert.Zero(t, record.Timestamp())
		assert.Empty(t, record.EventName())
	}
}

// failing is a pipeline that returns an error.
func failing(err error) consumer.Logs {
	next, _ := consumer.NewLogs(func(context.Context, plog.Logs) error { return err })
	return next
}

func TestPipelineErrors(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want reason
	}{
		"retryable": {errors.New("queue is full"), retryableError},
		"permanent": {consumererror.NewPermanent(errors.New("no")), permanentError},
		"timeout":   {fmt.Errorf("in the queue: %w", context.DeadlineExceeded), timedOut},
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, oneSource, failing(test.err)).post(t, "/cdp", event)
			assert.Equal(t, test.want.String(), a.Reason)
			assert.Equal(t, answers[test.want].status, a.status)
			assert.Equal(t, a.status == http.StatusServiceUnavailable, a.header.Get("Retry-After") == retryAfter)
			assert.NotContains(t, a.text, "queue")
		})
	}
}

// blocked is a pipeline that accepts records once it is released, whatever becomes of the context.
type blocked struct {
	consumertest.LogsSink
	entered, release chan struct{}
}

func newBlocked() *blocked {
	return &blocked{entered: make(chan struct{}, 10), release: make(chan struct{})}
}

func (b *blocked) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	b.entered <- struct{}{}
	<-b.release
	return b.LogsSink.ConsumeLogs(ctx, logs)
}

// TestBlockedPipeline gets an answer while the pipeline blocks, and keeps the slot of the request.
func TestBlockedPipeline(t *testing.T) {
	next := newBlocked()
	r := start(t, `{max_wait: 200ms, max_concurrent_requests: 1, sources: {cdp: {path: /cdp}}}`, next)
	a := r.post(t, "/cdp", event)
	assert.Equal(t, "max_wait", a.Reason)
	assert.Equal(t, http.StatusServiceUnavailable, a.status)
	assert.Equal(t, retryAfter, a.header.Get("Retry-After"))

	a = r.post(t, "/cdp", event)
	assert.Equal(t, "too_many_requests", a.Reason)
	assert.Equal(t, http.StatusServiceUnavailable, a.status)
	assert.Equal(t, retryAfter, a.header.Get("Retry-After"))
	assert.Equal(t, http.StatusNotFound, r.post(t, "/", event).status, "needs no slot")

	close(next.release)
	require.Eventually(t, func() bool { return r.post(t, "/cdp", event).status == http.StatusOK }, longWait, tick)
}

// TestBlockedPipelineHoldsFewBytes has senders of large bodies, of which only some may wait for the pipeline as records.
func TestBlockedPipelineHoldsFewBytes(t *testing.T) {
	next := newBlocked()
	r := start(t, `{max_wait: 2s, sources: {cdp: {path: /cdp}}}`, next)
	large := `{"event":"` + strings.Repeat("x", maxParsed/4-100) + `"}`
	got := make(chan answered)
	for range 8 {
		go func() {
			a, _ := r.try(t, http.MethodPost, "/cdp", []byte(large))
			got <- a
		}()
	}
	for range 8 {
		assert.Equal(t, "max_wait", (<-got).Reason)
	}
	assert.LessOrEqual(t, len(next.entered), 4)
	close(next.release)
	larger := `{"event":"` + strings.Repeat("x", maxParsed-100) + `"}`
	require.Eventually(t, func() bool { return r.post(t, "/cdp", larger).status == http.StatusOK }, longWait, tick)
}

// TestStopAnswers stops the receiver while a request is under way.
func TestStopAnswers(t *testing.T) {
	next := newBlocked()
	r := start(t, `{max_wait: 1h, write_timeout: 0s, sources: {cdp: {path: /cdp}}}`, next)
	got := make(chan answered, 1)
	go func() {
		a, _ := r.try(t, http.MethodPost, "/cdp", []byte(event))
		got <- a
	}()
	<-next.entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown(t.Context()) }()
	require.Eventually(t, func() bool {
		_, err := r.try(t, http.MethodPost, "/cdp", []byte(event))
		return err != nil
	}, longWait, tick, "no new connections")
	close(next.release)
	require.NoError(t, <-stopped)
	assert.Equal(t, http.StatusOK, (<-got).status)
	assert.Equal(t, 1, next.LogRecordCount())
}

// dial opens a connection and writes the start of a request.
func (r *running) dial(t *testing.T, text string) net.Conn {
	t.Helper()
	connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.endpoint)
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	require.NoError(t, connection.SetDeadline(time.Now().Add(longWait)))
	_, err = connection.Write([]byte(text))
	require.NoError(t, err)
	return connection
}

// TestSlowBody sends a part of a body and waits.
func TestSlowBody(t *testing.T) {
	r := start(t, `{max_wait: 50ms, sources: {cdp: {path: /cdp}}}`, consumertest.NewNop())
	connection := r.dial(t, "POST /cdp HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	assert.Equal(t, retryAfter, response.Header.Get("Retry-After"))
}

// TestConnectionIsReused sends several requests on one connection.
func TestConnectionIsReused(t *testing.T) {
	r := start(t, `{sources: {cdp: {path: /cdp}}}`, consumertest.NewNop())
	connection := r.dial(t, "")
	reader := bufio.NewReader(connection)
	for range 3 {
		_, err := fmt.Fprintf(connection, "POST /cdp HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(event), event)
		require.NoError(t, err)
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		_, err = bytes.NewBuffer(nil).ReadFrom(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, http.StatusOK, response.StatusCode)
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	r := start(t, oneSource, consumertest.NewNop())
	connection := r.dial(t, "POST /cdp HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{").(*net.TCPConn)
	require.NoError(t, connection.CloseWrite())
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
}

// TestHalfOpenConnections answers others while many connections have sent a part of a header, and stops.
func TestHalfOpenConnections(t *testing.T) {
	r := start(t, `{max_wait: 2s, sources: {cdp: {path: /cdp}}}`, consumertest.NewNop())
	for range 1000 {
		r.dial(t, "POST /cdp HTTP/1.1\r\nHost:")
	}
	assert.Equal(t, http.StatusOK, r.post(t, "/cdp", event).status)
	require.NoError(t, r.Shutdown(t.Context()))
}

func TestCORS(t *testing.T) {
	r := start(t, `{cors: {allowed_origins: ["https://shop.example"], allowed_headers: [Content-Type]}, sources: {cdp: {path: /cdp}}}`,
		consumertest.NewNop())
	preflight := r.do(t, http.MethodOptions, "/cdp", nil,
		"Origin: https://shop.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")
	assert.Equal(t, http.StatusNoContent, preflight.status)
	assert.Equal(t, "https://shop.example", preflight.header.Get("Access-Control-Allow-Origin"))
	other := r.do(t, http.MethodOptions, "/cdp", nil, "Origin: https://other.example", "Access-Control-Request-Method: POST")
	assert.Empty(t, other.header.Get("Access-Control-Allow-Origin"))
	posted := r.post(t, "/cdp", event, "Origin: https://shop.example")
	assert.Equal(t, http.StatusOK, posted.status)
	assert.Equal(t, "https://shop.example", posted.header.Get("Access-Control-Allow-Origin"))
}

// authenticator is an extension that lets through requests with a header, and tells the pipeline.
type authenticator struct {
	component.StartFunc
	component.ShutdownFunc
}

type authData struct{}

func (authData) GetAttribute(string) any     { return "subject" }
func (authData) GetAttributeNames() []string { return nil }

func (authenticator) Authenticate(ctx context.Context, sources map[string][]string) (context.Context, error) {
	if values := sources["Authorization"]; len(values) == 1 && values[0] == "Bearer right" {
		info := client.FromContext(ctx)
		info.Auth = authData{}
		return client.NewContext(ctx, info), nil
	}
	return ctx, errors.New("canary")
}

// host has the extension, and keeps the status.
type host struct {
	component.Host
	events chan *componentstatus.Event
}

func (host) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("bearer"): authenticator{}}
}

func (h host) Report(event *componentstatus.Event) { h.events <- event }

func TestAuth(t *testing.T) {
	r := startIn(t, `{auth: {authenticator: bearer}, sources: {cdp: {path: /cdp}}}`, consumertest.NewNop(), host{Host: componenttest.NewNopHost()})
	refused := r.post(t, "/cdp", event, "Authorization: Bearer wrong")
	assert.Equal(t, http.StatusUnauthorized, refused.status)
	assert.Equal(t, "unauthorized", refused.Reason)
	assert.NotContains(t, refused.text, "canary")
	assert.Equal(t, http.StatusOK, r.post(t, "/cdp", event, "Authorization: Bearer right").status)
	assert.Zero(t, r.logs.FilterMessageSnippet("anyone").Len())
}

// TestAuthOfASource has one source with an authenticator of its own, and one without.
func TestAuthOfASource(t *testing.T) {
	subjects := make(chan any, 2)
	next, err := consumer.NewLogs(func(ctx context.Context, _ plog.Logs) error {
		if data := client.FromContext(ctx).Auth; data != nil {
			subjects <- data.GetAttribute("subject")
		} else {
			subjects <- nil
		}
		return nil
	})
	require.NoError(t, err)
	r := startIn(t, `{sources: {with: {path: /with, auth: {authenticator: bearer}}, without: {path: /without}}}`, next, host{Host: componenttest.NewNopHost()})
	for _, headers := range [][]string{nil, {"Authorization: Bearer wrong"}} {
		refused := r.post(t, "/with", event, headers...)
		assert.Equal(t, http.StatusUnauthorized, refused.status)
		assert.Equal(t, "unauthorized", refused.Reason)
		assert.NotContains(t, refused.text, "canary")
	}
	assert.Equal(t, http.StatusOK, r.post(t, "/with", event, "Authorization: Bearer right").status)
	assert.Equal(t, "subject", <-subjects)
	assert.Equal(t, http.StatusOK, r.post(t, "/without", event).status)
	assert.Nil(t, <-subjects)
	warnings := r.logs.FilterMessageSnippet("anyone")
	require.Equal(t, 1, warnings.Len())
	assert.Equal(t, "without", warnings.All()[0].ContextMap()["source"])
}

func TestUnknownAuthenticator(t *testing.T) {
	config, err := load(t, `{endpoint: "127.0.0.1:0", sources: {a: {path: /a, auth: {authenticator: other}}}}`)
	require.NoError(t, err)
	r, err := NewFactory().CreateLogs(t.Context(), receivertest.NewNopSettings(metadata.Type), config, consumertest.NewNop())
	require.NoError(t, err)
	err = r.Start(t.Context(), host{Host: componenttest.NewNopHost()})
	require.ErrorContains(t, err, `sources.a.auth: failed to resolve authenticator "other"`)
	require.NoError(t, r.Shutdown(t.Context()))
}

func TestOpenSourcesAreWarnedOf(t *testing.T) {
	r := start(t, `{sources: {open: {path: /open}, closed: {path: /closed, header: {name: X, values: [x]}}}}`, consumertest.NewNop())
	warnings := r.logs.FilterMessageSnippet("anyone who reaches this source can send events")
	require.Equal(t, 1, warnings.Len())
	assert.Equal(t, "open", warnings.All()[0].ContextMap()["source"])
}

// TestServeErrorIsReported serves on a listener that is closed.
func TestServeErrorIsReported(t *testing.T) {
	r := start(t, oneSource, consumertest.NewNop())
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	h := host{events: make(chan *componentstatus.Event, 1)}
	r.Logs.(*webhookReceiver).serve(listener, h)
	assert.Equal(t, componentstatus.StatusFatalError, (<-h.events).Status())
}

func TestPortInUse(t *testing.T) {
	r := start(t, oneSource, consumertest.NewNop())
	config := *r.Logs.(*webhookReceiver).config
	other, err := newReceiver(r.Logs.(*webhookReceiver).settings, &config, consumertest.NewNop())
	require.NoError(t, err)
	require.ErrorContains(t, other.Start(t.Context(), componenttest.NewNopHost()), "address already in use")
	require.NoError(t, other.Shutdown(t.Context()))
}

func TestMetrics(t *testing.T) {
	r := start(t, `{sources: {cdp: {
		path: /cdp, header: {name: X-Key, values: [new, old]}, signature: {preset: segment, secrets: [newest, newer, older]}}}}`, consumertest.NewNop())
	r.post(t, "/cdp", "["+event+","+event+"]", "X-Key: old", "X-Signature: "+sha1Hex("older", event))
	r.post(t, "/cdp", "{", "X-Key: new", "X-Signature: "+sha1Hex("newer", "{"))
	r.post(t, "/cdp", event, "X-Signature: "+sha1Hex("newest", event))
	r.post(t, "/other", event)

	of := func(source string, more ...attribute.KeyValue) attribute.Set {
		more = append(more, attribute.String("otelcol.component.id", "cdp_webhook"), attribute.String("receiver", "cdp_webhook"))
		return attribute.NewSet(append(more, attribute.String("source", source))...)
	}
	requests := func(source string, status int, reason string) metricdata.DataPoint[int64] {
		return metricdata.DataPoint[int64]{Value: 1, Attributes: of(source, attribute.Int("status", status), attribute.String("reason", reason))}
	}
	metrictest.AssertCounts(t, r.telemetry, "otelcol_receiver_cdp_webhook_requests", nil,
		requests("cdp", 200, "none"), requests("cdp", 400, "invalid_json"), requests("cdp", 401, "wrong_header"), requests("none", 404, "unknown_path"))
	metadatatest.AssertEqualReceiverCdpWebhookEvents(t, r.telemetry, []metricdata.DataPoint[int64]{{Value: 2, Attributes: of("cdp")}}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualReceiverCdpWebhookBytes(t, r.telemetry,
		[]metricdata.DataPoint[int64]{{Value: int64(2*len(event) + 4), Attributes: of("cdp")}}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	matches := func(credential string, position int) metricdata.DataPoint[int64] {
		return metricdata.DataPoint[int64]{Value: 1, Attributes: of("cdp", attribute.String("credential", credential), attribute.Int("position", position))}
	}
	metadatatest.AssertEqualReceiverCdpWebhookSecretMatches(t, r.telemetry, []metricdata.DataPoint[int64]{
		matches("header", 0), matches("header", 1), matches("signature", 1), matches("signature", 2),
	}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	durations, err := r.telemetry.GetMetric("otelcol_receiver_cdp_webhook_duration")
	require.NoError(t, err)
	assert.Len(t, durations.Data.(metricdata.Histogram[float64]).DataPoints, 4)
	accepted, err := r.telemetry.GetMetric("otelcol_receiver_accepted_log_records")
	require.NoError(t, err)
	assert.Equal(t, int64(2), accepted.Data.(metricdata.Sum[int64]).DataPoints[0].Value)
}

// TestRefusalsAreLoggedOnce for each source and reason.
func TestRefusalsAreLoggedOnce(t *testing.T) {
	r := start(t, `{sources: {a: {path: /a}, b: {path: /b}}}`, consumertest.NewNop())
	for range 3 {
		for _, path := range []string{"/a", "/b", "/c"} {
			r.post(t, path, "canary")
			r.post(t, path, `"canary"`)
		}
	}
	assert.Equal(t, 5, r.logs.FilterMessageSnippet("refused a request").Len())
	for _, entry := range r.logs.All() {
		assert.NotContains(t, fmt.Sprint(entry.Message, entry.ContextMap()), "canary")
	}
}
