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

	"github.com/impression-collector/impressionprocessor/internal/amplitude"
)

// The contenders at encoding, besides ours.
const (
	stdJSON = "encoding/json"
	sonic   = "bytedance/sonic"
	goccy   = "goccy/go-json"
)

// apiEvent is an event as a client on a general JSON library holds it.
type apiEvent struct {
	Type           string         `json:"event_type"`
	UserID         string         `json:"user_id,omitempty"`
	DeviceID       string         `json:"device_id,omitempty"`
	Time           int64          `json:"time,omitempty"`
	InsertID       string         `json:"insert_id,omitempty"`
	SessionID      int64          `json:"session_id,omitempty"`
	Properties     map[string]any `json:"event_properties,omitempty"`
	UserProperties map[string]any `json:"user_properties,omitempty"`
	Groups         map[string]any `json:"groups,omitempty"`
	IP             string         `json:"ip,omitempty"`
	AppVersion     string         `json:"app_version,omitempty"`
	Platform       string         `json:"platform,omitempty"`
	OSName         string         `json:"os_name,omitempty"`
	Language       string         `json:"language,omitempty"`
	UserAgent      string         `json:"user_agent,omitempty"`
}

// encoded is the event of Encoder's own benchmark: an impression with its update, 734 bytes.
var encoded = apiEvent{
	Type:      "[Experiment] Impression",
	UserID:    "user-834120755",
	DeviceID:  "6f1c2a7e-1b3d-4c55-9a0e-7d2f61b0c944",
	Time:      1764001230123,
	InsertID:  "next-1764001234567-3f2b9c1d",
	SessionID: 1764001200000,
	Properties: map[string]any{
		"flag_key": "checkout-redesign", "variant": "treatment-1", "experiment_key": "exp-7",
		"price": 19.95, "quantity": int64(3), "logged_in": true, "coupon": nil,
		"referrer": "https://www.example.org/search", "note": "said \"ok\"\nthanks",
		"page": map[string]any{"path": "/cart", "title": "Checkout – Étape 2"},
	},
	UserProperties: map[string]any{"$set": map[string]any{"[Experiment] checkout-redesign": "treatment-1"}},
	IP:             "203.0.113.7",
	AppVersion:     "4.17.2",
	Platform:       "Web",
	OSName:         "Linux",
	Language:       "en-GB",
	UserAgent:      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
}

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
			err := encoder.EncodeInto(&to, &encoded, encoder.NoQuoteTextMarshaler|encoder.NoValidateJSONMarshaler)
			return to, err
		}, nil
	case goccy:
		var to bytes.Buffer
		e := goccyjson.NewEncoder(&to)
		e.SetEscapeHTML(false)
		return func() ([]byte, error) {
			to.Reset()
			err := e.EncodeWithOption(&encoded, goccyjson.UnorderedMap(), goccyjson.DisableNormalizeUTF8())
			return to.Bytes(), err
		}, nil
	default:
		var to bytes.Buffer
		e := json.NewEncoder(&to)
		e.SetEscapeHTML(false)
		return func() ([]byte, error) {
			to.Reset()
			err := e.Encode(&encoded)
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
