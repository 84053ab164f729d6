// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/jsontest"
)

// FuzzBodies compares the records of a body with what encoding/json reads. What isn't answered with 200 isn't handed on, and
// what is, is handed on completely.
func FuzzBodies(f *testing.F) {
	for _, text := range []string{
		event, "[" + event + "," + event + "]", event + "\n" + event, `{}`, `[]`, `[[]]`, `1`, `"a"`, ``, `{"a":1}{"b":2}`, `[1,{}]`,
		`{"batch":[` + event + `],"sentAt":"s","writeKey":"k"}`, `{"batch":[{"events":[{"a":1}]},{"b":2}]}`, `{"batch":[{}],"events":[{}]}`,
		`{"event":"e","userId":"u","batch":[{}]}`, "data=eyJ9", "\x1f\x8b", `{"a":9007199254740993,"b":1e400,"c":-0,"d":"\ud83d"}`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(text), "X-Forwarded-For", "192.0.2.1")
	}
	config, err := load(f, `{trusted_proxies: [192.0.2.0/24], header_attributes: [X-Id], sources: {cdp: {path: /}}}`)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body []byte, name, value string) {
		sink := new(consumertest.LogsSink)
		set := receivertest.NewNopSettings(metadata.Type)
		set.TelemetrySettings = componenttest.NewNopTelemetrySettings()
		r, err := newReceiver(set, config, sink)
		require.NoError(t, err)
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
		req.Header[http.CanonicalHeaderKey(name)] = []string{value}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		require.NoError(t, r.Shutdown(t.Context()))

		if w.Code != http.StatusOK {
			require.Zero(t, sink.LogRecordCount())
			require.NotEqual(t, http.StatusInternalServerError, w.Code)
		}
		// Compressed bodies have tests of their own.
		if !utf8.Valid(body) {
			return
		}
		values, valid := readAll(body)
		switch {
		case w.Code != http.StatusOK:
			require.False(t, valid && areAllObjects(values), w.Body)
		default:
			require.True(t, valid)
			requireEvents(t, values, collectortest.Records(sink.AllLogs()))
		}
	})
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

// requireEvents compares records with the events in values. Events of what may be an envelope are only counted: there is at
// least one for each.
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
	for _, e := range events {
		if mayBeEnvelope(e.(map[string]any)) {
			require.GreaterOrEqual(t, len(records), len(events))
			return
		}
	}
	require.Len(t, records, len(events))
	for i, e := range events {
		jsontest.RequireSame(t, e, records[i].Body())
	}
}
