// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// frame is the part of a request's body before and after its events.
type frame struct {
	before, after []byte
}

func newFrame(key string, minIDLength int) (frame, error) {
	quoted, err := jsontext.AppendQuote(nil, key)
	if err != nil {
		return frame{}, err
	}
	f := frame{before: append(append([]byte(`{"api_key":`), quoted...), `,"events":[`...), after: []byte(`]}`)}
	if minIDLength != amplitude.DefaultMinIDLength {
		f.after = append(strconv.AppendInt([]byte(`],"options":{"min_id_length":`), int64(minIDLength), 10), `}}`...)
	}
	return f, nil
}

func (f *frame) size() int {
	return len(f.before) + len(f.after)
}

var comma = []byte{','}

// request is shared by the bodies of one attempt. They read the items' JSON without copying it.
type request struct {
	frame *frame
	items []*Item

	mutex    sync.Mutex
	released bool
	// hasBeenRead reports whether a body was read to the end.
	hasBeenRead bool
}

// release ends all reading of the items, because their memory is reused. A transport may still read a body after it has
// returned the response.
func (r *request) release() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.released = true
}

// wasRead reports whether a body was read to the end.
func (r *request) wasRead() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.hasBeenRead
}

// body reads a request once.
type body struct {
	*request
	// part is the unread rest of the current part, and next is the number of the next part: even numbers are items, odd ones
	// are commas, and the last is the end of the frame.
	part []byte
	next int
}

func (r *request) newBody() *body {
	return &body{request: r, part: r.frame.before}
}

var errReleased = errors.New("the response arrived before the request was sent completely")

// Read implements io.Reader.
func (b *body) Read(to []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.released {
		return 0, errReleased
	}
	read := 0
	for read < len(to) && (len(b.part) > 0 || b.nextPart()) {
		n := copy(to[read:], b.part)
		b.part = b.part[n:]
		read += n
	}
	b.hasBeenRead = b.hasBeenRead || len(b.part) == 0 && b.next > b.end()
	if read == 0 && len(to) > 0 {
		return 0, io.EOF
	}
	return read, nil
}

// end is the number of the last part.
func (b *body) end() int {
	return max(0, 2*len(b.items)-1)
}

// nextPart reports whether there is another part.
func (b *body) nextPart() bool {
	switch end := b.end(); {
	case b.next > end:
		return false
	case b.next == end:
		b.part = b.frame.after
	case b.next%2 == 1:
		b.part = comma
	default:
		b.part = b.items[b.next/2].JSON
	}
	b.next++
	return true
}

// Close implements io.Closer.
func (b *body) Close() error {
	return nil
}
