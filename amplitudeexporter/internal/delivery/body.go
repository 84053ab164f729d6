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

// frame is what stands around the events of each request.
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

// request is a part of a lane's events. Its bodies read them from the batch's buffer, without a copy of their own.
type request struct {
	frame  *frame
	batch  *Batch
	events []int32

	mutex    sync.Mutex
	released bool
}

// release makes the buffer ours again: a transport may still read from a body after it gave back the response, and need
// not ever close one.
func (r *request) release() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.released = true
}

// body reads a request once.
type body struct {
	*request
	// next is the part after this one: each event, then the frame's last.
	next int
	part []byte
}

func (r *request) newBody() *body {
	return &body{request: r, part: r.frame.before}
}

var errReleased = errors.New("the response was there before the request was read")

// Read implements io.Reader.
func (b *body) Read(to []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.released {
		return 0, errReleased
	}
	read := 0
	for read < len(to) && (len(b.part) > 0 || b.turn()) {
		n := copy(to[read:], b.part)
		b.part = b.part[n:]
		read += n
	}
	if read == 0 && len(to) > 0 {
		return 0, io.EOF
	}
	return read, nil
}

// turn goes on to the next part and says whether there is one. Each event in the buffer has a comma before it, which that
// of the first leaves out.
func (b *body) turn() bool {
	switch {
	case b.next < len(b.events):
		event := &b.batch.Events[b.events[b.next]]
		b.part = b.batch.Buffer[event.Start:event.End]
		if b.next == 0 {
			b.part = b.part[1:]
		}
	case b.next == len(b.events):
		b.part = b.frame.after
	default:
		return false
	}
	b.next++
	return true
}

// Close implements io.Closer.
func (b *body) Close() error {
	return nil
}
