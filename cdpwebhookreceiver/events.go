// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"bytes"
	"math"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

const (
	// maxDepth and maxValues bound the memory that a body takes once it is parsed. max_request_body_size bounds its length.
	maxDepth  = 100
	maxValues = 500_000
)

// eventReader makes a log record of each event in a body. It reuses its buffers, so it isn't safe for concurrent use.
type eventReader struct {
	parser *jsonvalue.Parser
	// unroller finds the envelopes of all presets.
	unroller *reader.Reader
}

func newEventReader() (*eventReader, error) {
	layouts, err := layout.CompilePresets()
	if err != nil {
		return nil, err
	}
	return &eventReader{parser: newParser(), unroller: reader.New(reader.Settings{Layouts: layouts, UnrollAll: true})}, nil
}

func newParser() *jsonvalue.Parser {
	return jsonvalue.NewParser(jsonvalue.Limits{MaxDepth: maxDepth, MaxBytes: math.MaxInt, MaxValues: maxValues})
}

// clone returns a new reader, which can be used concurrently.
func (r *eventReader) clone() *eventReader {
	return &eventReader{parser: newParser(), unroller: r.unroller.Clone()}
}

// read appends a record with a map body to records for each event in a text of one or more JSON values. Each value is an
// event or an envelope. If any of them can't be read, read returns the reason, and records must not be used.
func (r *eventReader) read(text []byte, records plog.LogRecordSlice) reason {
	err := r.parser.ParseEach(validUTF8(string(text)), func() pcommon.Value { return records.AppendEmpty().Body() })
	switch {
	case err != nil && isBase64(text):
		return base64Form
	case err != nil:
		return reasonOfJSON(err)
	case records.Len() == 0:
		return invalidJSON
	}
	if !areObjects(records) {
		return notAnObject
	}
	// There is nothing to hand on of an empty list.
	records.RemoveIf(func(record plog.LogRecord) bool {
		return record.Body().Type() == pcommon.ValueTypeSlice && record.Body().Slice().Len() == 0
	})
	defer r.unroller.Reset()
	why := accepted
	for _, e := range r.unroller.Events(pcommon.NewResource(), records) {
		if why == accepted {
			why = reasonOfProblem(e.Problem)
		}
	}
	return why
}

// validUTF8 replaces each byte that isn't UTF-8, like encoding/json. Exporters and the backends behind them refuse such texts, and all
// others that are sent together with them.
func validUTF8(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return string([]rune(text))
}

// isBase64 reports whether a text is a form with a field of base64, or base64 of a JSON object or of a list of objects.
func isBase64(text []byte) bool {
	text = bytes.TrimSpace(text)
	return bytes.HasPrefix(text, []byte("data=")) || bytes.HasPrefix(text, []byte("eyJ")) || bytes.HasPrefix(text, []byte("W3s"))
}

// areObjects reports whether each body is an object or a list of objects.
func areObjects(records plog.LogRecordSlice) bool {
	for _, record := range records.All() {
		switch body := record.Body(); body.Type() {
		case pcommon.ValueTypeMap:
		case pcommon.ValueTypeSlice:
			for _, element := range body.Slice().All() {
				if element.Type() != pcommon.ValueTypeMap {
					return false
				}
			}
		default:
			return false
		}
	}
	return true
}
