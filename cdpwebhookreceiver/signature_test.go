// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the algorithm under test
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func macOf(newHash func() hash.Hash, secret, text string) []byte {
	mac := hmac.New(newHash, []byte(secret))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func sha1Hex(secret, text string) string { return hex.EncodeToString(macOf(sha1.New, secret, text)) }

func TestKnownSignature(t *testing.T) {
	// RFC 2202, test case 2.
	assert.Equal(t, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", sha1Hex("Jefe", "what do ya want for nothing?"))
}

// signed is a source with every kind of signature, and a header beside one.
const signed = `
max_request_body_size: 100000
sources:
  segment: {path: /segment, signature: {preset: segment, secrets: [new, old]}}
  both: {path: /both, signature: {preset: segment, secrets: [new]}, header: {name: Authorization, values: [right, older]}}
  customerio: {path: /customerio, signature: {preset: customerio, secrets: [new, old]}}
  hand: {path: /hand, signature: {header: X-Sum, prefix: "sha256=", encoding: base64, secrets: [new]}}
  timed: {path: /timed, signature: {header: X-Sum, signs: timestamp.body, timestamp_header: X-Time, tolerance: 1m, secrets: [new]}}
  header: {path: /header, header: {name: X-Key, values: [right, older]}}
`

const second = `{"type":"track","event":"other","userId":"u"}`

func TestSignatures(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := start(t, signed, sink)
	batch := "[ " + event + " , " + second + "]"
	signature := func(secret, text string) string { return "X-Signature: " + sha1Hex(secret, text) }
	sum := func(text string) string {
		return "X-Sum: sha256=" + base64.StdEncoding.EncodeToString(macOf(sha256.New, "new", text))
	}
	at := func(offset time.Duration, unit time.Duration) string {
		return strconv.FormatInt(time.Now().Add(offset).UnixNano()/int64(unit), 10)
	}
	timed := func(timestamp, signedTimestamp string) []string {
		return []string{"X-Time: " + timestamp, "X-Sum: " + hex.EncodeToString(macOf(sha256.New, "new", signedTimestamp+"."+event))}
	}
	now, ms, past, future := at(0, time.Second), at(0, time.Millisecond), at(-time.Hour, time.Second), at(time.Hour, time.Second)
	for name, test := range map[string]struct {
		path, body string
		headers    []string
		want       reason
	}{
		"single":                     {"/segment", event, []string{signature("new", event)}, accepted},
		"upper case":                 {"/segment", event, []string{"X-Signature: " + strings.ToUpper(sha1Hex("new", event))}, accepted},
		"rotated":                    {"/segment", event, []string{signature("old", event)}, accepted},
		"first element":              {"/segment", batch, []string{signature("new", event)}, accepted},
		"whole batch":                {"/segment", batch, []string{signature("new", batch)}, accepted},
		"of two, one is right":       {"/segment", event, []string{signature("other", event), signature("new", event)}, accepted},
		"gzip, signed before":        {"/segment", gzipped(t, event), []string{signature("new", event)}, accepted},
		"gzip, signed after":         {"/segment", gzipped(t, event), []string{"Content-Encoding: gzip", signature("new", gzipped(t, event))}, accepted},
		"missing":                    {"/segment", event, nil, noSignature},
		"empty":                      {"/segment", event, []string{"X-Signature: "}, noSignature},
		"not hex":                    {"/segment", event, []string{"X-Signature: xyz"}, noSignature},
		"other secret":               {"/segment", event, []string{signature("other", event)}, wrongSignature},
		"empty secret":               {"/segment", event, []string{signature("", event)}, wrongSignature},
		"cut off":                    {"/segment", event, []string{"X-Signature: " + sha1Hex("new", event)[:20]}, wrongSignature},
		"body changed":               {"/segment", strings.Replace(event, "u", "v", 1), []string{signature("new", event)}, wrongSignature},
		"body cut off":               {"/segment", event[:20], []string{signature("new", event)}, wrongSignature},
		"body appended to":           {"/segment", event + "\n" + second, []string{signature("new", event)}, wrongSignature},
		"white space in first":       {"/segment", "[" + strings.Replace(event, ",", ", ", 1) + "]", []string{signature("new", event)}, wrongSignature},
		"of the second element":      {"/segment", batch, []string{signature("new", second)}, wrongSignature},
		"first inside an object":     {"/segment", `{"batch":[` + event + `]}`, []string{signature("new", event)}, wrongSignature},
		"batch cut off":              {"/segment", batch[:len(batch)-3], []string{signature("new", event)}, invalidJSON},
		"both":                       {"/both", batch, []string{signature("new", event), "Authorization: right"}, accepted},
		"both, the header is older":  {"/both", batch, []string{signature("new", event), "Authorization: older"}, accepted},
		"both, no header":            {"/both", batch, []string{signature("new", event)}, wrongHeader},
		"both, in Brotli":            {"/both", batch, []string{signature("new", event), "Content-Encoding: br"}, wrongHeader},
		"both, broken zlib":          {"/both", batch, []string{signature("new", event), "Content-Encoding: zlib"}, wrongHeader},
		"both, no signature":         {"/both", batch, []string{"Authorization: right"}, noSignature},
		"Customer.io":                {"/customerio", batch, []string{signature("old", batch)}, accepted},
		"Customer.io, first element": {"/customerio", batch, []string{signature("new", event)}, wrongSignature},
		"by hand":                    {"/hand", event, []string{sum(event)}, accepted},
		"by hand, no prefix":         {"/hand", event, []string{strings.Replace(sum(event), "sha256=", "", 1)}, noSignature},
		"by hand, SHA1":              {"/hand", event, []string{"X-Sum: sha256=" + base64.StdEncoding.EncodeToString(macOf(sha1.New, "new", event))}, wrongSignature},
		"timed":                      {"/timed", event, timed(now, now), accepted},
		"timed in milliseconds":      {"/timed", event, timed(ms, ms), accepted},
		"replayed":                   {"/timed", event, timed(past, past), staleTimestamp},
		"from the future":            {"/timed", event, timed(future, future), staleTimestamp},
		"replayed with another time": {"/timed", event, timed(now, past), wrongSignature},
		"no time":                    {"/timed", event, timed("", ""), staleTimestamp},
		"not a time":                 {"/timed", event, timed("now", "now"), staleTimestamp},
		"negative":                   {"/timed", event, timed("-1", "-1"), staleTimestamp},
		"greatest":                   {"/timed", event, timed("9223372036854775807", "9223372036854775807"), staleTimestamp},
		"header":                     {"/header", event, []string{"X-Key: right"}, accepted},
		"older header":               {"/header", event, []string{"X-Key: older"}, accepted},
		"no header":                  {"/header", event, nil, wrongHeader},
		"empty header":               {"/header", event, []string{"X-Key: "}, wrongHeader},
		"part of the header":         {"/header", event, []string{"X-Key: righ"}, wrongHeader},
		"second header":              {"/header", event, []string{"X-Key: wrong", "X-Key: right"}, wrongHeader},
		"another case":               {"/header", event, []string{"X-Key: Right"}, wrongHeader},
	} {
		t.Run(name, func(t *testing.T) {
			sink.Reset()
			a := r.post(t, test.path, test.body, test.headers...)
			assert.Equal(t, answers[test.want].status, a.status, a.text)
			if test.want == accepted {
				assert.NotZero(t, sink.LogRecordCount())
				return
			}
			assert.Equal(t, test.want.String(), a.Reason)
			assert.Zero(t, sink.LogRecordCount())
		})
	}
}

// TestSecretsAreNotTold gives the receiver secrets, and requests right and wrong ones. None of them is in an answer, log, metric or
// trace.
func TestSecretsAreNotTold(t *testing.T) {
	r := start(t, `{sources: {cdp: {path: /cdp, signature: {preset: segment, secrets: [canary-1]}, header: {name: X-Key, values: [canary-2]}}}}`,
		consumertest.NewNop())
	var texts []string
	for _, headers := range [][]string{
		{"X-Key: canary-2", "X-Signature: " + sha1Hex("canary-1", event)},
		{"X-Key: canary-2"},
		{"X-Key: canary-3"},
		{"X-Key: canary-2", "X-Signature: canary-4"},
		{"X-Key: canary-2", "X-Signature: " + sha1Hex("other", event)},
	} {
		a := r.post(t, "/cdp", event, headers...)
		texts = append(texts, a.text, fmt.Sprint(a.header))
	}
	var measured metricdata.ResourceMetrics
	require.NoError(t, r.telemetry.Reader.Collect(t.Context(), &measured))
	text, err := json.Marshal(measured)
	require.NoError(t, err)
	require.Contains(t, string(text), "otelcol_receiver_cdp_webhook_requests")
	texts = append(texts, string(text))
	spans := r.telemetry.SpanRecorder.Ended()
	require.NotEmpty(t, spans)
	for _, span := range spans {
		texts = append(texts, fmt.Sprint(span.Name(), span.Attributes(), span.Events(), span.Status()))
	}
	require.NotZero(t, r.logs.Len())
	for _, entry := range r.logs.All() {
		texts = append(texts, fmt.Sprint(entry.Message, entry.ContextMap()))
	}
	for _, text := range texts {
		assert.NotContains(t, text, "canary")
	}
}

func TestFirstElement(t *testing.T) {
	for text, want := range map[string]string{
		`[{"a":1},2]`:                  `{"a":1}`,
		" [ \n1.50 , 2 ]":              "1.50",
		`[{"a": 1`:                     "",
		`[]`:                           "",
		`{"a":1}`:                      "",
		``:                             "",
		`["\u00e9"]`:                   `"\u00e9"`,
		strings.Repeat("[", 1_000_000): "",
	} {
		assert.Equal(t, want, string(firstElement([]byte(text))))
	}
}
