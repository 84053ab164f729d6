// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"errors"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

// textReader reads bodies that are JSON texts.
type textReader struct {
	parser *jsonvalue.Parser
	// signs are those of the event types, by which a text is known to hold none of them.
	signs []sign
	// anyType says that each text is read, for it may hold an event of any type.
	anyType bool
	// parsed and original are values on their way into a body and back.
	parsed, original pcommon.Value
	// replaced says that original is the text of the record that was found last.
	replaced bool
}

func newTextReader(types typeSet, limits jsonvalue.Limits) textReader {
	t := textReader{
		parser: jsonvalue.NewParser(limits), anyType: types == nil,
		parsed: pcommon.NewValueEmpty(), original: pcommon.NewValueEmpty(),
	}
	for _, eventType := range types {
		t.signs = append(t.signs, newSign(eventType))
	}
	return t
}

// sign is what a text holds in which an event type stands.
type sign struct {
	// whole is the event type, if it stands so in each text without a \u escape, else "".
	whole string
	// word is the longest run of ASCII letters and digits of the event type: what no JSON encoder writes as an escape.
	word string
}

func newSign(eventType string) sign {
	s := sign{word: longestWord(eventType)}
	// These have short escapes.
	hasShort := func(c rune) bool { return c < ' ' || c == '"' || c == '\\' || c == '/' }
	if !strings.ContainsFunc(eventType, hasShort) {
		s.whole = eventType
	}
	return s
}

func longestWord(text string) string {
	longest := ""
	isOther := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	}
	for word := range strings.FieldsFuncSeq(text, isOther) {
		if len(word) > len(longest) {
			longest = word
		}
	}
	return longest
}

// in says whether the event type may stand in a text. A search for the whole type is some times faster than one for the
// word, for it mostly begins with a rare character.
func (s *sign) in(text string) bool {
	if s.whole == "" {
		return strings.Contains(text, s.word)
	}
	return strings.Contains(text, s.whole) || strings.Contains(text, `\u`) && strings.Contains(text, s.word)
}

// isJSON says whether a text begins like an object or a list.
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

// mayHold says whether a text may hold one of the event types.
func (t *textReader) mayHold(text string) bool {
	if t.anyType {
		return true
	}
	for i := range t.signs {
		if t.signs[i].in(text) {
			return true
		}
	}
	return false
}

// searchText looks for an event in a body that is a text. What it says takes its place in the body for that, and stays
// there only if the search is successful.
func (r *Reader) searchText(resource pcommon.Resource, record plog.LogRecord) (found, matched int) {
	text := record.Body().Str()
	if !r.layouts.rooted || !isJSON(text) {
		return NotFound, noLayout
	}
	if !r.text.mayHold(text) {
		return NotFound, unreadText
	}
	if err := r.text.parser.Parse(text, r.text.parsed); err != nil {
		r.Seen.untouched(reasonOf(err))
		return NotFound, noLayout
	}
	record.Body().MoveTo(r.text.original)
	r.text.parsed.MoveTo(record.Body())
	if found, matched = r.locate(resource, record); found == NotFound {
		r.text.original.MoveTo(record.Body())
	}
	r.text.replaced = found != NotFound
	return found, matched
}

// RestoreText gives the record that was found last its text back, if what it says took its place.
func (r *Reader) RestoreText() {
	if r.text.replaced {
		r.text.original.MoveTo(r.from.record.Body())
		r.text.replaced = false
	}
}

func reasonOf(err error) Untouched {
	switch {
	case errors.Is(err, jsonvalue.ErrTooLarge), errors.Is(err, jsonvalue.ErrTooMany):
		return TooLarge
	case errors.Is(err, jsonvalue.ErrTooDeep):
		return TooDeep
	default:
		return InvalidJSON
	}
}
