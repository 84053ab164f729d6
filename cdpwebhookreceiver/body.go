// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// body is a request's body. If it is compressed, text is the decompressed form of sent. Otherwise, they are equal.
type body struct {
	sent, text   []byte
	isCompressed bool
	// buffer holds sent.
	buffer *bytes.Buffer
}

// maxKept is the size up to which the buffer of a body is kept for the next one.
const maxKept = 256 << 10

// bodyReader reads bodies of up to limit bytes, compressed or not. It reuses the buffers of those that were released.
type bodyReader struct {
	limit int64
	// decoders are those that are allowed, by content encoding.
	decoders map[string]decoder
	// buffers pools *bytes.Buffer.
	buffers sync.Pool
}

// read reads a body. The connection has a deadline.
func (r *bodyReader) read(w http.ResponseWriter, req *http.Request) (body, reason) {
	encoding := strings.ToLower(req.Header.Get("Content-Encoding"))
	decode := r.decoders[encoding]
	mayBeGzip := encoding == "" || encoding == "gzip" || encoding == "x-gzip" || encoding == "identity"
	if decode == nil && !mayBeGzip {
		return body{}, unsupportedEncoding
	}
	buffer, isReused := r.buffers.Get().(*bytes.Buffer)
	if !isReused {
		buffer = &bytes.Buffer{}
	}
	// A buffer that grows by itself takes up to twice the size of a large body, and as much again for the copies.
	if size := req.ContentLength; size > maxKept && size <= r.limit {
		buffer.Grow(int(size) + bytes.MinRead)
	}
	if _, err := buffer.ReadFrom(req.Body); err != nil {
		return body{}, reasonOfRead(err)
	}
	// If the deadline passed later, the server would assume that the sender hung up, and cancel the request's context. The only
	// possible error is that w isn't a connection, in tests.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	sent := buffer.Bytes()
	if mayBeGzip && bytes.HasPrefix(sent, gzipMagic) {
		decode = decodeGzip
	}
	if decode == nil {
		return body{sent: sent, text: sent, buffer: buffer}, accepted
	}
	text, err := decode(sent, r.limit)
	return body{sent: sent, text: text, isCompressed: true, buffer: buffer}, reasonOfDecode(err)
}

// release makes a body invalid. A body that isn't released is left to the garbage collector.
func (r *bodyReader) release(b body) {
	if b.buffer.Cap() <= maxKept {
		b.buffer.Reset()
		r.buffers.Put(b.buffer)
	}
}

func reasonOfRead(err error) reason {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return slowBody
	default:
		return incompleteBody
	}
}

func reasonOfDecode(err error) reason {
	switch {
	case err == nil:
		return accepted
	case errors.Is(err, errTooLarge):
		return tooLarge
	default:
		return invalidEncoding
	}
}
