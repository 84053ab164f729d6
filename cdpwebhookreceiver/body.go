// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// body is a request's body. If it is compressed by gzip, text is what sent decompresses to. Otherwise, they are equal.
type body struct {
	sent, text   []byte
	isCompressed bool
	// buffer holds sent.
	buffer *bytes.Buffer
}

// maxKept is the size up to which the buffer of a body is kept for the next one.
const maxKept = 256 << 10

// bodyReader reads bodies. It reuses the buffers of those that were released.
type bodyReader struct {
	// buffers pools *bytes.Buffer.
	buffers sync.Pool
}

// read reads a body of up to limit bytes, compressed or not, until the deadline.
func (r *bodyReader) read(w http.ResponseWriter, req *http.Request, limit int64, deadline time.Time) (body, reason) {
	controller := http.NewResponseController(w)
	// The only possible error is that w isn't a connection, in tests.
	_ = controller.SetReadDeadline(deadline)
	buffer, isReused := r.buffers.Get().(*bytes.Buffer)
	if !isReused {
		buffer = &bytes.Buffer{}
	}
	if _, err := buffer.ReadFrom(req.Body); err != nil {
		return body{}, reasonOfRead(err)
	}
	// Otherwise, the server would take the deadline for a sender that hung up, and cancel the request's context.
	_ = controller.SetReadDeadline(time.Time{})
	sent := buffer.Bytes()
	if !bytes.HasPrefix(sent, gzipMagic) {
		return body{sent: sent, text: sent, buffer: buffer}, accepted
	}
	text, why := gunzip(sent, limit)
	return body{sent: sent, text: text, isCompressed: true, buffer: buffer}, why
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
	var broken net.Error
	switch {
	case errors.As(err, &large):
		return tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return slowBody
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &broken):
		return incompleteBody
	default:
		return invalidEncoding
	}
}

var gzipMagic = []byte{0x1f, 0x8b}

// gunzip decompresses up to limit bytes.
func gunzip(sent []byte, limit int64) ([]byte, reason) {
	decompressor, err := gzip.NewReader(bytes.NewReader(sent))
	if err != nil {
		return nil, invalidEncoding
	}
	text, err := io.ReadAll(io.LimitReader(decompressor, limit+1))
	switch {
	case int64(len(text)) > limit:
		return nil, tooLarge
	case err != nil:
		return nil, invalidEncoding
	default:
		return text, accepted
	}
}
