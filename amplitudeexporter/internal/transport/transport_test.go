// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log" //nolint:depguard // net/http uses it
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"golang.org/x/net/http2"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// serve answers each request on each connection with these bytes, and closes the connection if closes is set. It returns its
// address.
func serve(t *testing.T, answer string, closes bool) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accept(t, listener, func(connection net.Conn) { answerAll(connection, answer, closes) })
	return listener.Addr().String()
}

// accept calls handle with each connection until the test ends.
func accept(t *testing.T, listener net.Listener, handle func(net.Conn)) {
	t.Helper()
	var serving sync.WaitGroup
	ended, end := context.WithCancel(context.Background())
	t.Cleanup(func() {
		end()
		assert.NoError(t, listener.Close())
		serving.Wait()
	})
	serving.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ended, func() { _ = connection.Close() })
			serving.Go(func() {
				handle(connection)
				_ = connection.Close()
			})
		}
	})
}

// handshake is the first byte of TLS.
const handshake = 22

func answerAll(connection net.Conn, answer string, closes bool) {
	requests := bufio.NewReader(connection)
	for {
		if isTLS, err := requests.Peek(1); err != nil {
			return
		} else if isTLS[0] == handshake {
			_, _ = requests.Discard(requests.Buffered())
		} else {
			request, err := http.ReadRequest(requests)
			if err != nil {
				return
			}
			if _, err = io.Copy(io.Discard, request.Body); err != nil {
				return
			}
		}
		if _, err := io.WriteString(connection, answer); err != nil || closes {
			return
		}
	}
}

// failure is everything that can be seen of a request that fails: its error, and what tracing and the standard logger recorded.
type failure struct {
	err    error
	status int
	others string
}

// try sends a request to a URL, with a configuration that change changes.
func try(ctx context.Context, t *testing.T, url string, change func(*confighttp.ClientConfig)) failure {
	t.Helper()
	var logged syncBuffer
	before := log.Writer()
	log.SetOutput(&logged)
	defer log.SetOutput(before)
	telemetry := componenttest.NewTelemetry()
	config := confighttp.NewDefaultClientConfig()
	config.HTTP2ReadIdleTimeout = time.Second
	if change != nil {
		change(&config)
	}
	client, err := NewClient(ctx, componenttest.NewNopHost(), config, telemetry.NewTelemetrySettings())
	require.NoError(t, err)
	// This also waits until the connection's goroutines have ended.
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	require.NoError(t, err)
	seen := failure{}
	response, err := client.Do(request)
	if err == nil {
		seen.status = response.StatusCode
		_, err = io.ReadAll(response.Body)
		require.NoError(t, response.Body.Close())
	}
	seen.err = err
	for _, span := range telemetry.SpanRecorder.Ended() {
		seen.others += fmt.Sprint(span.Name(), span.Attributes(), span.Status(), span.Events())
	}
	require.NotEmpty(t, seen.others)
	seen.others += logged.String()
	require.NoError(t, telemetry.Shutdown(context.WithoutCancel(ctx)))
	return seen
}

// syncBuffer is a buffer that is safe for concurrent use.
type syncBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(data []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(data)
}

func (b *syncBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

// TestErrorsHaveNoBytesOfTheAnswer: each of these errors of net/http quotes the answer.
func TestErrorsHaveNoBytesOfTheAnswer(t *testing.T) {
	const head, chunked = "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
	for name, answer := range map[string]string{
		"not HTTP":          "canary canary canary\r\n\r\n",
		"status":            "HTTP/1.1 canary OK\r\n\r\n",
		"long status":       "HTTP/1.1 2000 canary\r\n\r\n",
		"version":           "HTTP/canary 200 OK\r\n\r\n",
		"header":            head + "canary\r\n\r\n",
		"header name":       head + "canary\x00canary: 1\r\n\r\n",
		"length":            head + "Content-Length: canary\r\n\r\n",
		"two lengths":       head + "Content-Length: 1\r\nContent-Length: 2canary\r\n\r\n",
		"transfer encoding": head + "Transfer-Encoding: canary\r\n\r\n",
		"chunk":             chunked + "\r\ncanary\r\n",
		"trailer":           chunked + "Trailer: A\r\n\r\n0\r\ncanary\r\n\r\n",
		"switch":            "HTTP/1.1 101 canary\r\nUpgrade: canary\r\n\r\ncanary",
	} {
		t.Run(name, func(t *testing.T) {
			seen := try(t.Context(), t, "http://"+serve(t, answer, true)+"/path", nil)
			if name != "switch" {
				require.ErrorContains(t, seen.err, "the answer isn't valid HTTP")
			}
			assert.NotContains(t, fmt.Sprint(seen.err, seen.others), "canary")
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	for _, location := range []string{"http://[canary", "http://127.0.0.1:1/canary", "%zzcanary"} {
		seen := try(t.Context(), t, "http://"+serve(t, "HTTP/1.1 307 canary\r\nLocation: "+location+"\r\nContent-Length: 0\r\n\r\n", false), nil)
		require.NoError(t, seen.err)
		assert.Equal(t, http.StatusTemporaryRedirect, seen.status)
		assert.NotContains(t, seen.others, "canary")
	}
}

func TestErrorsSayWhatFailed(t *testing.T) {
	silent := func(c *confighttp.ClientConfig) { c.Timeout = 50 * time.Millisecond }
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.TLS.MinVersion = tls.VersionTLS12
	t.Cleanup(secure.Close)
	certified := func(c *confighttp.ClientConfig) {
		c.TLS.CAPem = configopaque.String(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	unused, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	for name, test := range map[string]struct {
		url    string
		ctx    context.Context
		change func(*confighttp.ClientConfig)
		says   string
	}{
		"nobody listens": {url: "http://" + unused, says: "connection refused"},
		"no such host":   {url: "http://host.invalid", says: "the host name can't be resolved"},
		"no answer":      {url: "http://" + serve(t, "", false), change: silent, says: "timed out"},
		"interrupted":    {url: "http://" + serve(t, "", false), ctx: canceled, says: "interrupted"},
		"closed":         {url: "http://" + serve(t, "", true), says: "the connection was closed"},
		"cut":            {url: "http://" + serve(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncanary", true), says: "the connection was closed"},
		"slow body":      {url: "http://" + serve(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncanary", false), change: silent, says: "timed out"},
		"unknown signer": {url: secure.URL, says: "the server's certificate is signed by an unknown authority; check tls.ca_file"},
		"another host":   {url: strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), change: certified, says: "the server's certificate is for another host"},
		"expired":        {url: serveTLS(t, expired(t)), says: "the server's certificate has expired or isn't valid yet"},
		"old TLS": {
			url:    secure.URL,
			change: func(c *confighttp.ClientConfig) { c.TLS.MaxVersion, c.TLS.MinVersion = "1.0", "1.0" },
			says:   "the TLS handshake failed",
		},
		"HTTP/2 that fails": {url: serveTLS(t, secure.TLS.Certificates[0]), change: certified, says: "HTTP/2 error: INTERNAL_ERROR"},
		"header": {
			url:    "http://" + unused,
			change: func(c *confighttp.ClientConfig) { c.Headers.Set("X", "canary\n") },
			says:   "a header of the request isn't valid; check headers and auth",
		},
		"no TLS":          {url: "https://" + serve(t, "canary canary", true), says: "the server doesn't speak TLS"},
		"HTTP, not HTTPS": {url: "https://" + serve(t, "HTTP/1.1 400 canary\r\n\r\n", true), says: "the server doesn't speak TLS"},
		"proxy refuses": {
			url: "https://host.invalid",
			change: func(c *confighttp.ClientConfig) {
				c.ProxyURL = "http://" + serve(t, "HTTP/1.1 407 canary\r\n\r\n", true)
			},
			says: "the proxy answers CONNECT with status 407",
		},
		"no proxy": {
			url:    "https://host.invalid",
			change: func(c *confighttp.ClientConfig) { c.ProxyURL = "http://" + unused },
			says:   "connection refused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := test.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			seen := try(ctx, t, test.url, test.change)
			require.ErrorContains(t, seen.err, test.says)
			assert.NotContains(t, fmt.Sprint(seen.err, seen.others), "canary")
		})
	}
}

// expired returns a certificate that is expired and whose name is canary.
func expired(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "canary"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveTLS accepts connections with a certificate, and resets each request of HTTP/2. It returns its URL.
func serveTLS(t *testing.T, certificate tls.Certificate) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{http2.NextProtoTLS}, MinVersion: tls.VersionTLS12,
	})
	require.NoError(t, err)
	accept(t, listener, func(connection net.Conn) {
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(connection, preface); err != nil {
			return
		}
		framer := http2.NewFramer(connection, connection)
		if framer.WriteSettings() != nil {
			return
		}
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return
			}
			if frame.Header().Type == http2.FrameHeaders {
				assert.NoError(t, framer.WriteRSTStream(frame.Header().StreamID, http2.ErrCodeInternal))
			}
		}
	})
	return "https://" + listener.Addr().String()
}

// TestAServerMayEndHTTP2 with any text.
func TestAServerMayEndHTTP2(t *testing.T) {
	err := plain(http2.GoAwayError{ErrCode: http2.ErrCodeEnhanceYourCalm, DebugData: "canary"})
	assert.EqualError(t, err, "the server closed the HTTP/2 connection: ENHANCE_YOUR_CALM")
}

// TestUnsolicitedAnswersAreHidden: net/http logs the bytes that come after an answer.
func TestUnsolicitedAnswersAreHidden(t *testing.T) {
	var logged syncBuffer
	before := log.Writer()
	log.SetOutput(&logged)
	t.Cleanup(func() { log.SetOutput(before) })
	client, err := NewClient(t.Context(), componenttest.NewNopHost(), confighttp.NewDefaultClientConfig(), componenttest.NewNopTelemetrySettings())
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	url := "http://" + serve(t, "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}canary", false)
	log.Print("another line starting with this")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	_, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Eventually(t, func() bool { return strings.Contains(logged.String(), "Unsolicited") }, time.Minute, time.Millisecond)
	assert.Regexp(t, `^\S+ \S+ another line starting with this\n\S+ \S+ Unsolicited response received on idle HTTP channel\n$`, logged.String())
}
