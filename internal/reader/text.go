// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"strconv"
	"strings"
	"unicode/utf16"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

// textReader parses bodies that are JSON texts.
type textReader struct {
	parser *jsonvalue.Parser
	// markers belong to the event types that the reader looks for. Nil means any type.
	markers *markers
	// parsed is the value of the text that was parsed last. original is the text that was replaced last.
	parsed, original pcommon.Value
}

func newTextReader(markers *markers, limits jsonvalue.Limits) textReader {
	return textReader{
		parser: jsonvalue.NewParser(limits), markers: markers,
		parsed: pcommon.NewValueEmpty(), original: pcommon.NewValueEmpty(),
	}
}

// parse parses a JSON text into t.parsed.
func (t *textReader) parse(text string) error {
	return t.parser.Parse(text, t.parsed)
}

// replace replaces the body, a JSON text, by its parsed value. If it returns an error, the body is unchanged.
func (t *textReader) replace(record plog.LogRecord) error {
	if err := t.parse(record.Body().Str()); err != nil {
		return err
	}
	record.Body().MoveTo(t.original)
	t.parsed.MoveTo(record.Body())
	return nil
}

// restore undoes replace.
func (t *textReader) restore(record plog.LogRecord) {
	t.original.MoveTo(record.Body())
}

// release drops the references to texts and their values.
func (t *textReader) release() {
	if t.original.Type() != pcommon.ValueTypeEmpty {
		t.original = pcommon.NewValueEmpty()
	}
	if t.parsed.Type() != pcommon.ValueTypeEmpty {
		t.parsed = pcommon.NewValueEmpty()
	}
}

// mayHold reports whether a JSON text may hold an event of the reader's types. If it can't, it need not be parsed.
func (t *textReader) mayHold(text string) bool {
	return t.markers == nil || t.markers.mayHold(text)
}

// markers find the texts that may contain an event type.
type markers struct {
	// plain has a substring of each event type. A JSON text that contains the type without \u escapes must contain the
	// substring.
	plain []string
	// characters has the characters of all types. A text with a \u escape of one of them may also contain a type.
	characters string
}

// newMarkers returns the markers of event types, or nil if types is nil.
func newMarkers(types []string) *markers {
	if types == nil {
		return nil
	}
	m := &markers{characters: strings.Join(types, "")}
	for _, eventType := range types {
		m.plain = append(m.plain, longestPlain(eventType))
	}
	return m
}

// longestPlain returns the longest part of a text without characters that JSON can write as a short escape, such as \n.
func longestPlain(text string) string {
	longest := ""
	hasShortEscape := func(c rune) bool { return c < ' ' || c == '"' || c == '\\' || c == '/' }
	for part := range strings.FieldsFuncSeq(text, hasShortEscape) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}

func (m *markers) mayHold(text string) bool {
	for _, plain := range m.plain {
		if strings.Contains(text, plain) {
			return true
		}
	}
	return m.isEscapedIn(text)
}

// isEscapedIn reports whether a JSON text has a \u escape of one of the types' characters. It searches for backslashes,
// because that is fast and many texts have none.
func (m *markers) isEscapedIn(text string) bool {
	for {
		at := strings.IndexByte(text, '\\')
		if at < 0 || at+1 == len(text) {
			return false
		}
		if text[at+1] == 'u' && m.isEscape(text[at:]) {
			return true
		}
		text = text[at+2:]
	}
}

// isEscape reports whether the \u escape at the start of text is one of the types' characters, or half of a surrogate
// pair, which can be any character above U+FFFF.
func (m *markers) isEscape(text string) bool {
	const length = len(`\uXXXX`)
	if len(text) < length {
		return false
	}
	unit, err := strconv.ParseUint(text[2:length], 16, 16)
	return err == nil && (utf16.IsSurrogate(rune(unit)) || strings.ContainsRune(m.characters, rune(unit)))
}

// isJSON reports whether a text starts like a JSON object or array.
func isJSON(text string) bool {
	for i := range len(text) {
		switch text[i] {
		case ' ', '\t', '\r', '\n':
			continue
		case '{', '[':
			return true
		default:
			return false
		}
	}
	return false
}
