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

// Request is a request to one of the APIs, and its outcome.
type Request struct {
	API amplitude.API
	// At is when the whole request had arrived.
	At time.Time
	// Status is the status of the response. It is set even if the connection was Reset instead.
	Status int
	Reset  bool
	// Ingested reports whether the events were ingested, which is possible with any status.
	Ingested bool

	Key         string
	MinIDLength int
	Header      http.Header
	// Bytes is the size of the body after decompression, WireBytes before it.
	Bytes, WireBytes int
	EventCount       int
	// Events are the events as they were sent. It is empty if the body is malformed.
	Events []Event
}

// maxBody bounds memory. It is far above Amplitude's limits.
const maxBody = 1 << 28

// read reads a request. A malformed body is not an error, but one that ends early is.
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
			return request, &upload{invalid: true}, nil //nolint:nilerr // the server answers a body that it can't decompress
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

// upload is the content of a request body.
type upload struct {
	// invalid is set if the body isn't a JSON object, invalidEvent if one of the events isn't.
	invalid, invalidEvent bool
	key                   any
	events                []Event
	// minIDLength is negative if the options don't have it.
	minIDLength int
}

// errNoEvent stops decoding at an event that isn't an object.
var errNoEvent = errors.New("an event isn't an object")

func decode(body []byte) *upload {
	sent := &upload{minIDLength: -1}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	err := sent.readObject(decoder, body)
	if err == nil {
		// Nothing may follow the object.
		if _, err = decoder.ReadToken(); errors.Is(err, io.EOF) {
			return sent
		}
		err = errors.New("more than one value")
	}
	return &upload{invalid: !errors.Is(err, errNoEvent), invalidEvent: errors.Is(err, errNoEvent), key: sent.key}
}

func (u *upload) readObject(decoder *jsontext.Decoder, body []byte) error {
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != '{' {
		return errors.Join(errors.New("not an object"), err)
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
		// Treated like missing events.
		return decoder.SkipValue()
	}
	if _, err := decoder.ReadToken(); err != nil {
		return err
	}
	for decoder.PeekKind() != ']' {
		if kind := decoder.PeekKind(); kind != '{' && kind != 0 {
			// Invalid JSON further on would take precedence, but no client sends both.
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
