// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/jsontest"
)

// startFuzzed starts a receiver, and returns its whole handler, including that of confighttp.
func startFuzzed(f *testing.F, sink *consumertest.LogsSink) http.Handler {
	f.Helper()
	config, err := load(f, `{endpoint: "127.0.0.1:0", max_wait: 1h, write_timeout: 0s, max_request_body_size: 100000,
		trusted_proxies: [192.0.2.0/24], header_attributes: [X-Id], sources: {cdp: {path: /}}}`)
	require.NoError(f, err)
	r, err := newReceiver(receivertest.NewNopSettings(metadata.Type), config, sink)
	require.NoError(f, err)
	require.NoError(f, r.Start(f.Context(), componenttest.NewNopHost()))
	f.Cleanup(func() { require.NoError(f, r.Shutdown(context.Background())) })
	return r.server.Handler
}

// FuzzRequests compares the records of a request with what encoding/json reads. What isn't answered with 200 isn't handed on, and
// what is, is handed on completely. The headers are lines of a text.
func FuzzRequests(f *testing.F) {
	for _, text := range []string{
		event, "[" + event + "," + event + "]", event + "\n" + event, `{}`, `[]`, `[[]]`, `1`, `"a"`, ``, `{"a":1}{"b":2}`, `[1,{}]`,
		`{"batch":[` + event + `],"sentAt":"s","writeKey":"k"}`, `{"batch":[{"events":[{"a":1}]},{"b":2}]}`, `{"batch":[{}],"events":[{}]}`,
		`{"event":"e","userId":"u","batch":[{}]}`, "data=eyJ9", "\x1f\x8b", `{"a":9007199254740993,"b":1e400,"c":-0,"d":"\ud83d"}`, `{"a":1,"a":2}`,
		"{\"a\xff\":\"\xed\xa0\x80\"}",
	} {
		f.Add([]byte(text), false, "X-Forwarded-For: 198.51.100.1, 192.0.2.1\nX-Id: 1\nX-Id: 2")
		f.Add([]byte(text), true, "Content-Encoding: gzip\nContent-Type: text/plain")
	}
	f.Add([]byte(zlibbed(f, event)), false, "Content-Encoding: zlib")
	sink := new(consumertest.LogsSink)
	handler := startFuzzed(f, sink)
	f.Fuzz(func(t *testing.T, body []byte, isCompressed bool, headers string) {
		sink.Reset()
		sent := body
		if isCompressed {
			sent = []byte(gzipped(t, string(body)))
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(sent))
		for line := range strings.Lines(headers) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			req.Header[http.CanonicalHeaderKey(name)] = append(req.Header[http.CanonicalHeaderKey(name)], value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)

		records := collectortest.Records(sink.AllLogs())
		require.NotEqual(t, http.StatusInternalServerError, w.Code)
		if w.Code != http.StatusOK {
			require.Empty(t, records)
		}
		for _, record := range records {
			requireAttributes(t, req, record.Attributes())
		}
		// Other encodings, and compressed bodies that aren't compressed here, have tests of their own.
		encodings := strings.Join(req.Header["Content-Encoding"], ",")
		if encodings != "" && encodings != "gzip" || bytes.HasPrefix(body, gzipMagic) {
			return
		}
		values, valid := readAll(body)
		if w.Code != http.StatusOK {
			require.False(t, valid && areAllObjects(values), w.Body)
			return
		}
		require.True(t, valid)
		requireEvents(t, values, records)
	})
}

// requireAttributes checks the attributes that a record has from its request.
func requireAttributes(t *testing.T, req *http.Request, attributes pcommon.Map) {
	t.Helper()
	got := attributes.AsRaw()
	address, err := netip.ParseAddr(got["client.address"].(string))
	require.NoError(t, err)
	if len(req.Header["X-Forwarded-For"]) == 0 {
		require.Equal(t, "192.0.2.1", address.String())
	}
	want := map[string]any{"cdp.source": "cdp", "client.address": address.String()}
	for _, value := range req.Header["X-Id"] {
		value = string([]rune(value))
		list, _ := want["http.request.header.x-id"].([]any)
		want["http.request.header.x-id"] = append(list, value)
	}
	require.Equal(t, want, got)
}

// readAll reads JSON values with encoding/json.
func readAll(body []byte) (values []any, valid bool) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	for {
		var value any
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return values, len(values) > 0
		}
		if err != nil {
			return nil, false
		}
		values = append(values, value)
	}
}

// areAllObjects reports whether the values are certainly accepted: objects or lists of them, without anything that may be
// an envelope.
func areAllObjects(values []any) bool {
	for _, value := range values {
		switch value := value.(type) {
		case map[string]any:
			if mayBeEnvelope(value) || !isShallow(value, 0) {
				return false
			}
		case []any:
			for _, element := range value {
				if object, is := element.(map[string]any); !is || !areAllObjects([]any{object}) {
					return false
				}
			}
		default:
			return false
		}
	}
	return true
}

func isShallow(value any, depth int) bool {
	if depth > maxDepth/2 {
		return false
	}
	switch value := value.(type) {
	case map[string]any:
		for _, v := range value {
			if !isShallow(v, depth+1) {
				return false
			}
		}
	case []any:
		for _, v := range value {
			if !isShallow(v, depth+1) {
				return false
			}
		}
	}
	return true
}

func mayBeEnvelope(object map[string]any) bool {
	_, batch := object["batch"].([]any)
	_, events := object["events"].([]any)
	return batch || events
}

// requireEvents compares records with the events in values. What may be an envelope but isn't certainly one is only counted: it has
// at least one event.
func requireEvents(t *testing.T, values []any, records []plog.LogRecord) {
	t.Helper()
	var events []any
	for _, value := range values {
		if list, is := value.([]any); is {
			events = append(events, list...)
		} else {
			events = append(events, value)
		}
	}
	for i, e := range events {
		object := e.(map[string]any)
		inner, isEnvelope := eventsOf(object)
		switch {
		case isEnvelope:
			require.GreaterOrEqual(t, len(records), len(inner))
			for i, e := range inner {
				requireInherited(t, e, object, records[i].Body().Map())
			}
			records = records[len(inner):]
		case mayBeEnvelope(object):
			require.GreaterOrEqual(t, len(records), len(events)-i)
			return
		default:
			require.NotEmpty(t, records)
			jsontest.RequireSame(t, e, records[0].Body())
			records = records[1:]
		}
	}
	require.Empty(t, records)
}

// eventsOf returns the events of an object that is certainly an envelope, of events that certainly aren't.
func eventsOf(object map[string]any) (events []map[string]any, isEnvelope bool) {
	for key := range object {
		if !slices.Contains([]string{"batch", "sentAt", "writeKey", "context"}, key) {
			return nil, false
		}
	}
	list, _ := object["batch"].([]any)
	for _, element := range list {
		e, isObject := element.(map[string]any)
		if !isObject || mayBeEnvelope(e) {
			return nil, false
		}
		events = append(events, e)
	}
	return events, len(events) > 0
}

// requireInherited checks that a record has an event's fields, and no others except those of its envelope without the key.
func requireInherited(t *testing.T, e, envelope map[string]any, got pcommon.Map) {
	t.Helper()
	want := maps.Clone(e)
	for _, key := range []string{"sentAt", "context"} {
		if _, isInherited := got.Get(key); isInherited && envelope[key] != nil && e[key] == nil {
			want[key] = envelope[key]
		}
	}
	value := pcommon.NewValueMap()
	got.CopyTo(value.Map())
	jsontest.RequireSame(t, want, value)
}

// FuzzSignatures signs what encoding/json reads as the first element of a body, and something else.
func FuzzSignatures(f *testing.F) {
	for _, text := range []string{event, "[" + event + "," + second + "]", "[ 1.50 ,2]", `["\u00e9"]`, "[]", "[", "", "[[", `[{"a":1,"a":2}]`, "[1]2"} {
		f.Add([]byte(text), "sha256=00")
	}
	segment := newSignature(&SignatureConfig{Preset: "segment", Secrets: []configopaque.String{"old", "new"}})
	f.Fuzz(func(t *testing.T, text []byte, forged string) {
		b := body{text: text}
		verify := func(signature string) reason {
			position, why := segment.verify(http.Header{"X-Signature": {signature}}, b, time.Now())
			if why == accepted {
				assert.Equal(t, 1, position)
			}
			return why
		}
		require.Equal(t, accepted, verify(sha1Hex("new", string(text))))
		var list []json.RawMessage
		if json.Unmarshal(text, &list) == nil && len(list) > 0 {
			for i, element := range list {
				isSigned := verify(sha1Hex("new", string(element))) == accepted
				require.Equal(t, bytes.Equal(element, list[0]), isSigned, "element %d", i)
			}
		}
		for _, forgery := range []string{forged, sha1Hex("", string(text)), sha1Hex("new", string(text)+" "), sha1Hex("other", string(text))} {
			require.NotEqual(t, accepted, verify(forgery))
		}
	})
}
