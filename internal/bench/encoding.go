// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/bytedance/sonic/encoder"
	goccyjson "github.com/goccy/go-json"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitude/sample"
)

// The contenders at encoding, besides ours.
const (
	stdJSON = "encoding/json"
	sonic   = "bytedance/sonic"
	goccy   = "goccy/go-json"
)

// encoded is what all encode.
var encoded = &sample.Impression

// encode returns the event as JSON, in a buffer that the next call uses again.
type encode func() ([]byte, error)

// newEncode makes a contender. Those on general libraries write into a buffer that they keep, as ours does, and leave out
// what they need not do: sort keys, escape HTML, look for invalid UTF-8. encoding/json always does the first and the last.
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

func newOurEncode() (encode, error) {
	properties, userProperties := pcommon.NewMap(), pcommon.NewMap()
	if err := properties.FromRaw(encoded.Properties); err != nil {
		return nil, err
	}
	if err := userProperties.FromRaw(encoded.UserProperties); err != nil {
		return nil, err
	}
	event := amplitude.Event{
		Type: encoded.Type, UserID: encoded.UserID, DeviceID: encoded.DeviceID, Time: pcommon.Timestamp(encoded.Time * 1e6),
		InsertID: encoded.InsertID, SessionID: strconv.FormatInt(encoded.SessionID, 10),
		Properties: properties, UserProperties: userProperties,
		IP: encoded.IP, AppVersion: encoded.AppVersion, Platform: encoded.Platform, OSName: encoded.OSName,
		Language: encoded.Language, UserAgent: encoded.UserAgent,
	}
	var e amplitude.Encoder
	var to []byte
	return func() ([]byte, error) {
		to = e.Append(to[:0], &event)
		return to, nil
	}, nil
}

// encoding is the job of encoding an event.
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

// turn encodes once untimed, for the collection took what the libraries keep in pools.
func (e *encoding) turn() ([]float64, error) {
	if _, err := e.encode(); err != nil {
		return nil, err
	}
	took, err := timed(wallTime, e.contender, e.ready(eventsPerBatch)())
	return []float64{perEvent(took, eventsPerBatch)}, err
}

func (e *encoding) close() error {
	return nil
}
