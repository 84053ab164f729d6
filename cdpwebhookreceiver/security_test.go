// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// TestNobodyChoosesAClientAddress sends headers in which senders may invent an address: directly, and as a trusted proxy that
// passes on what it got.
func TestNobodyChoosesAClientAddress(t *testing.T) {
	const peer, invented = "127.0.0.1", "192.0.2.66"
	sink := new(consumertest.LogsSink)
	direct := start(t, `{sources: {cdp: {path: /cdp}}}`, sink)
	proxied := start(t, `{trusted_proxies: [127.0.0.1, 10.0.0.0/8], sources: {cdp: {path: /cdp}}}`, sink)
	for name, test := range map[string]struct {
		headers []string
		want    string
	}{
		"address":              {[]string{"X-Forwarded-For: 198.51.100.1"}, "198.51.100.1"},
		"invented before it":   {[]string{"X-Forwarded-For: " + invented + ", 198.51.100.1"}, "198.51.100.1"},
		"in another header":    {[]string{"X-Forwarded-For: " + invented, "X-Forwarded-For: 198.51.100.1, 10.0.0.1"}, "198.51.100.1"},
		"in another case":      {[]string{"x-forwarded-for: " + invented, "X-FORWARDED-FOR: 198.51.100.1"}, "198.51.100.1"},
		"port":                 {[]string{"X-Forwarded-For: 198.51.100.1:65535"}, "198.51.100.1"},
		"no such port":         {[]string{"X-Forwarded-For: " + invented + ", 198.51.100.1:65536"}, peer},
		"IPv6":                 {[]string{"X-Forwarded-For: 2001:db8::1"}, "2001:db8::1"},
		"IPv6 with a port":     {[]string{"X-Forwarded-For: [2001:db8::1]:443"}, "2001:db8::1"},
		"IPv6 with a zone":     {[]string{"X-Forwarded-For: fe80::1%eth0"}, "fe80::1"},
		"zone and port":        {[]string{"X-Forwarded-For: [fe80::1%eth0]:443"}, "fe80::1"},
		"IPv4 with a zone":     {[]string{"X-Forwarded-For: " + invented + ", 198.51.100.1%eth0"}, peer},
		"octal":                {[]string{"X-Forwarded-For: " + invented + ", 198.51.100.01"}, peer},
		"number":               {[]string{"X-Forwarded-For: " + invented + ", 3325256705"}, peer},
		"name":                 {[]string{"X-Forwarded-For: " + invented + ", localhost"}, peer},
		"script":               {[]string{"X-Forwarded-For: " + invented + `, <script>"`}, peer},
		"nothing":              {[]string{"X-Forwarded-For: " + invented + ","}, peer},
		"empty header behind":  {[]string{"X-Forwarded-For: " + invented, "X-Forwarded-For: "}, peer},
		"only trusted proxies": {[]string{"X-Forwarded-For: 10.0.0.2" + strings.Repeat(", 10.0.0.1", 10_000)}, "10.0.0.2"},
		"other headers": {[]string{
			"Forwarded: for=" + invented, "X-Real-IP: " + invented, "True-Client-IP: " + invented, "CF-Connecting-IP: " + invented,
			"X-Client-IP: " + invented, "Client-Address: " + invented, "X-Forwarded: " + invented,
		}, peer},
	} {
		t.Run(name, func(t *testing.T) {
			for r, want := range map[*running]string{direct: peer, proxied: test.want} {
				sink.Reset()
				require.Equal(t, http.StatusOK, r.post(t, "/cdp", event, test.headers...).status)
				records := collectortest.Records(sink.AllLogs())
				require.Len(t, records, 1)
				address, _ := records[0].Attributes().Get("client.address")
				assert.Equal(t, want, address.Str())
			}
		})
	}
}

// TestNobodyChoosesASource sends paths that lead out of an open source into one that needs a header.
func TestNobodyChoosesASource(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := start(t, `{sources: {open: {path: /open}, closed: {path: /closed, header: {name: X-Key, values: [right]}}}}`, sink)
	for path, want := range map[string]string{
		"/closed": "401", "/closed/": "401", "/closed/../open": "401", "/%63losed": "401", "/closed?path=/open": "401",
		"/open/../closed": "open", "/open/%2e%2e/closed": "open", "/open/%2Fclosed": "open", "http://x/open": "open",
		"//closed": "404", "/Closed": "404", "/./closed": "404", "/openclosed": "404", "*": "404",
	} {
		sink.Reset()
		connection := r.dial(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(event), event))
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		got := strconv.Itoa(response.StatusCode)
		for _, record := range collectortest.Records(sink.AllLogs()) {
			source, _ := record.Attributes().Get("cdp.source")
			got = source.Str()
		}
		assert.Equal(t, want, got, path)
	}
}

func zlibbed(tb testing.TB, text string) string {
	tb.Helper()
	return encoded(tb, "zlib", text)
}

// encoded compresses a text as a content encoding says.
func encoded(tb testing.TB, encoding, text string) string {
	tb.Helper()
	var compressed bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&compressed)
	case "zlib", "deflate":
		w = zlib.NewWriter(&compressed)
	case "zstd":
		var err error
		w, err = zstd.NewWriter(&compressed)
		require.NoError(tb, err)
	case "lz4":
		w = lz4.NewWriter(&compressed)
	case "x-snappy-framed":
		w = snappy.NewBufferedWriter(&compressed)
	case "snappy":
		return string(snappy.Encode(nil, []byte(text)))
	}
	_, err := w.Write([]byte(text))
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return compressed.String()
}

// TestEncodings sends compressed bodies that are signed before or after compression, to a receiver that allows all encodings, and to
// one that allows some.
func TestEncodings(t *testing.T) {
	const source = `sources: {cdp: {path: /cdp, signature: {preset: segment, secrets: [new]}}}`
	sink := new(consumertest.LogsSink)
	all := start(t, `{`+source+`}`, sink)
	some := start(t, `{compression_algorithms: [zstd], `+source+`}`, sink)
	for _, encoding := range encodingNames() {
		t.Run(encoding, func(t *testing.T) {
			body := encoded(t, encoding, event)
			for _, signed := range []string{event, body} {
				sink.Reset()
				headers := []string{"Content-Encoding: " + encoding, "X-Signature: " + sha1Hex("new", signed)}
				assert.Equal(t, http.StatusOK, all.post(t, "/cdp", body, headers...).status)
				assert.Equal(t, []any{eventBody}, bodiesOf(sink.AllLogs()))
				want := unsupportedEncoding
				if encoding == "zstd" || encoding == "gzip" {
					want = accepted
				}
				assert.Equal(t, answers[want].status, some.post(t, "/cdp", body, headers...).status)
			}
			broken := all.post(t, "/cdp", body[:len(body)-2], "Content-Encoding: "+encoding, "X-Signature: "+sha1Hex("new", event))
			assert.Equal(t, invalidEncoding.String(), broken.Reason)
		})
	}
}

// TestBombs sends bodies that are small until they are decompressed.
func TestBombs(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := start(t, oneSource, sink)
	spaces := strings.Repeat(" ", 10_000_000)
	for name, test := range map[string]struct {
		body    string
		headers []string
		want    reason
	}{
		"gzip":            {gzipped(t, spaces), nil, tooLarge},
		"gzip, announced": {gzipped(t, spaces), []string{"Content-Encoding: gzip"}, tooLarge},
		"gzip in parts":   {strings.Repeat(gzipped(t, spaces[:60_000]), 100), nil, tooLarge},
		"gzip in gzip":    {gzipped(t, gzipped(t, spaces)), nil, invalidJSON},
		"zlib":            {zlibbed(t, spaces), []string{"Content-Encoding: zlib"}, tooLarge},
		"deflate":         {zlibbed(t, spaces), []string{"Content-Encoding: deflate"}, tooLarge},
		"gzip in zlib":    {zlibbed(t, gzipped(t, spaces)), []string{"Content-Encoding: zlib"}, invalidJSON},
		"zstd":            {encoded(t, "zstd", spaces), []string{"Content-Encoding: zstd"}, tooLarge},
		"lz4":             {encoded(t, "lz4", spaces), []string{"Content-Encoding: lz4"}, tooLarge},
		"snappy":          {encoded(t, "snappy", spaces), []string{"Content-Encoding: snappy"}, tooLarge},
		"framed snappy":   {encoded(t, "x-snappy-framed", spaces), []string{"Content-Encoding: snappy"}, tooLarge},
		// The decompressor would need memory for the whole window, half a gigabyte here.
		"zstd's window": {"\x28\xb5\x2f\xfd\x00\x98\x11\x00\x00{}", []string{"Content-Encoding: zstd"}, invalidEncoding},
		"more behind":   {gzipped(t, event) + event, nil, invalidEncoding},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.post(t, "/cdp", test.body, test.headers...)
			assert.Equal(t, test.want.String(), a.Reason)
			assert.Equal(t, answers[test.want].status, a.status)
		})
	}
	assert.Zero(t, sink.LogRecordCount())
}

// TestLargeBodiesTakeTheirSize reads a body whose length is known.
func TestLargeBodiesTakeTheirSize(t *testing.T) {
	const size = 700_000
	r := bodyReader{limit: size}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(strings.Repeat("x", size)))
	b, why := r.read(httptest.NewRecorder(), req)
	require.Equal(t, accepted, why)
	assert.Len(t, b.text, size)
	assert.Less(t, b.buffer.Cap(), size*11/10)
}

// TestSlowBodiesFreeTheirSlots has as many senders of slow bodies as there may be requests.
func TestSlowBodiesFreeTheirSlots(t *testing.T) {
	const senders = 10
	r := start(t, fmt.Sprintf(`{max_wait: 500ms, max_concurrent_requests: %d, sources: {cdp: {path: /cdp}}}`, senders), consumertest.NewNop())
	var connections []net.Conn
	for range senders {
		connections = append(connections, r.dial(t, "POST /cdp HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"))
	}
	for _, connection := range connections {
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Contains(t, string(text), `"reason":"slow_body"`)
	}
	require.Eventually(t, func() bool { return r.post(t, "/cdp", event).status == http.StatusOK }, longWait, tick)
}

// TestSlowHeadersEnd has a sender that never ends its header.
func TestSlowHeadersEnd(t *testing.T) {
	r := start(t, `{read_header_timeout: 50ms, sources: {cdp: {path: /cdp}}}`, consumertest.NewNop())
	connection := r.dial(t, "POST /cdp HTTP/1.1\r\nHost:")
	_, err := io.ReadAll(connection)
	require.NoError(t, err, "the receiver closes the connection")
}
