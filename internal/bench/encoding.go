// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/bytedance/sonic/encoder"
	goccyjson "github.com/goccy/go-json"

	"github.com/impression-collector/impression-bridge/internal/amplitude/sample"
)

// The contenders at encoding, besides ours.
const (
	stdJSON = "encoding/json"
	sonic   = "bytedance/sonic"
	goccy   = "goccy/go-json"
)

// encoded is the event that all contenders encode.
var encoded = &sample.Impression

// encode returns the event as JSON, in a buffer that the next call overwrites.
type encode func() ([]byte, error)

// newEncode returns a contender. Like ours, the general libraries write into a buffer that they reuse. They neither sort keys
// nor escape HTML nor look for invalid UTF-8, except that encoding/json always sorts and looks.
func newEncode(contender string) (encode, error) {
	switch contender {
	case ours:
		return newOurEncode()
	case sonic:
		var to []byte
		return func() ([]byte, error) {
			to = to[:0]
			err := encoder.EncodeInto(&to, encoded, encoder.NoQuoteTextMarshaler|encoder.NoValidateJSONMarshaler)
			return to, err
		}, nil
	case goccy:
		var to bytes.Buffer
		e := goccyjson.NewEncoder(&to)
		e.SetEscapeHTML(false)
		return func() ([]byte, error) {
			to.Reset()
			err := e.EncodeWithOption(encoded, goccyjson.UnorderedMap(), goccyjson.DisableNormalizeUTF8())
			return to.Bytes(), err
		}, nil
	default:
		var to bytes.Buffer
		e := json.NewEncoder(&to)
		e.SetEscapeHTML(false)
		return func() ([]byte, error) {
			to.Reset()
			err := e.Encode(encoded)
			return to.Bytes(), err
		}, nil
	}
}

// encoding is the job of encoding one event.
type encoding struct {
	contender string
	encode    encode
}

func newEncodeGroup() *group {
	g := &group{name: "encode"}
	for _, contender := range []string{ours, goccy, sonic, stdJSON} {
		g.add(contender, &encoding{contender: contender})
	}
	return g
}

func (e *encoding) check() error {
	want, err := encodedValue(ours)
	if err != nil {
		return err
	}
	got, err := encodedValue(e.contender)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s and %s encode an event differently:\n%v\n%v", ours, e.contender, want, got)
	}
	return nil
}

func encodedValue(contender string) (value any, err error) {
	encode, err := newEncode(contender)
	if err != nil {
		return nil, err
	}
	text, err := encode()
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &value)
	return value, err
}

func (e *encoding) prepare(batches) (err error) {
	e.encode, err = newEncode(e.contender)
	return err
}

func (e *encoding) countAllocs() (float64, error) {
	return allocsPerEvent(e.ready(eventsPerBatch), e.ready(1), eventsPerBatch-1)
}

func (e *encoding) ready(events int) func() work {
	return func() work {
		return func(context.Context) error {
			for range events {
				if _, err := e.encode(); err != nil {
					return err
				}
			}
			return nil
		}
	}
}

// sample first encodes once untimed, because the garbage collection before it emptied the libraries' pools.
func (e *encoding) sample() ([]float64, error) {
	if _, err := e.encode(); err != nil {
		return nil, err
	}
	took, err := timed(wallTime, e.contender, e.ready(eventsPerBatch)())
	return []float64{perEvent(took, eventsPerBatch)}, err
}

func (e *encoding) close() error {
	return nil
}
