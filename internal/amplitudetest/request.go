// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// Request is a request to one of the APIs, and what became of it.
type Request struct {
	API amplitude.API
	// At is when it had arrived in full.
	At time.Time
	// Status is that of the answer, also of one that was not sent for a Reset.
	Status int
	Reset  bool
	// Ingested says that its events were taken, but for duplicates. That can be with any status.
	Ingested bool

	Key         string
	MinIDLength int
	Header      http.Header
	// Bytes is the size of the body, WireBytes that before decompression.
	Bytes, WireBytes int
	EventCount       int
	// Events are those of the body, as they were sent, if it was JSON as documented.
	Events []Event
}

// maxBody bounds memory, far over any limit of Amplitude.
const maxBody = 1 << 28

// read reads a request. Its body may be anything; only what ends too early is an error.
func (s *Server) read(r *http.Request, api amplitude.API) (*Request, *upload, error) {
	var wire bytes.Buffer
	wire.Grow(int(min(max(r.ContentLength, 0), maxBody)) + bytes.MinRead)
	if _, err := wire.ReadFrom(io.LimitReader(r.Body, maxBody)); err != nil {
		return nil, nil, err
	}
	request := &Request{API: api, At: s.settings.now(), WireBytes: wire.Len(), MinIDLength: amplitude.DefaultMinIDLength}
	if !s.settings.compact {
		request.Header = r.Header.Clone()
	}
	body := wire.Bytes()
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		unpacked, err := gunzip(body)
		if err != nil {
			return request, &upload{invalid: true}, nil //nolint:nilerr // what cannot be unpacked is answered, not an error
		}
		body = unpacked
	}
	request.Bytes = len(body)
	sent := decode(body)
	request.EventCount = len(sent.events)
	request.Key, _ = sent.key.(string)
	if sent.minIDLength >= 0 {
		request.MinIDLength = sent.minIDLength
	}
	if !s.settings.compact {
		request.Events = sent.events
	}
	return request, sent, nil
}

func gunzip(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	unpacked, err := io.ReadAll(io.LimitReader(reader, maxBody))
	return unpacked, errors.Join(err, reader.Close())
}

// upload is what the body of a request says.
type upload struct {
	// invalid says that it is no JSON object, invalidEvent that an event is none.
	invalid, invalidEvent bool
	key                   any
	events                []Event
	// minIDLength is negative where the options do not have it.
	minIDLength int
}

// errNoEvent is what stops decoding at an event that is no object.
var errNoEvent = errors.New("an event is no object")

func decode(body []byte) *upload {
	sent := &upload{minIDLength: -1}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	err := sent.readObject(decoder, body)
	if err == nil {
		// Nothing may follow.
		if _, err = decoder.ReadToken(); errors.Is(err, io.EOF) {
			return sent
		}
		err = errors.New("more than one value")
	}
	return &upload{invalid: !errors.Is(err, errNoEvent), invalidEvent: errors.Is(err, errNoEvent), key: sent.key}
}

func (u *upload) readObject(decoder *jsontext.Decoder, body []byte) error {
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != '{' {
		return errors.Join(errors.New("no object"), err)
	}
	for decoder.PeekKind() != '}' {
		name, err := decoder.ReadToken()
		if err != nil {
			return err
		}
		switch name.String() {
		case "api_key":
			err = json.UnmarshalDecode(decoder, &u.key)
		case "events":
			err = u.readEvents(decoder, body)
		case "options":
			err = u.readOptions(decoder)
		default:
			err = decoder.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := decoder.ReadToken()
	return err
}

func (u *upload) readOptions(decoder *jsontext.Decoder) error {
	var options any
	err := json.UnmarshalDecode(decoder, &options)
	members, _ := options.(map[string]any)
	if length, isNumber := members["min_id_length"].(float64); isNumber {
		u.minIDLength = int(length)
	}
	return err
}

func (u *upload) readEvents(decoder *jsontext.Decoder, body []byte) error {
	if decoder.PeekKind() != '[' {
		// As if there were none.
		return decoder.SkipValue()
	}
	if _, err := decoder.ReadToken(); err != nil {
		return err
	}
	for decoder.PeekKind() != ']' {
		if kind := decoder.PeekKind(); kind != '{' && kind != 0 {
			// Broken JSON that follows would be the graver fault; nobody sends both.
			return errNoEvent
		}
		begin := decoder.InputOffset()
		var fields map[string]any
		if err := json.UnmarshalDecode(decoder, &fields); err != nil {
			return err
		}
		raw := bytes.TrimLeft(body[begin:decoder.InputOffset()], ", \t\r\n")
		u.events = append(u.events, newEvent(fields, raw))
	}
	_, err := decoder.ReadToken()
	return err
}
