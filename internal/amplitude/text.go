// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import (
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// SentText returns a text as an Encoder sends it: cut at MaxStringLength, and with each invalid byte replaced by U+FFFD.
func SentText(s string) string {
	s = Cut(s)
	if utf8.ValidString(s) {
		return s
	}
	// A conversion replaces each invalid byte. strings.ToValidUTF8 would replace a run of them by one character.
	return string([]rune(s))
}

// Cut returns the first MaxStringLength characters of a text, because Amplitude ignores the others.
func Cut(s string) string {
	if len(s) > MaxStringLength {
		s, _ = cut(s)
	}
	return s
}

// text writes a JSON string. It doesn't escape characters of HTML, because a JSON parser reads the text.
func (e *Encoder) text(to []byte, s string) []byte {
	if len(s) > MaxStringLength {
		var isCut bool
		if s, isCut = cut(s); isCut {
			e.Changed[TooLong]++
		}
	}
	if isPlain(s) {
		to = append(to, '"')
		to = append(to, s...)
		return append(to, '"')
	}
	to, err := jsontext.AppendQuote(to, s)
	if err != nil {
		// There is no other error. AppendQuote has replaced the invalid bytes.
		e.Changed[InvalidUTF8]++
	}
	return to
}

// cut returns the first MaxStringLength characters, and whether there are more. An invalid byte counts as a character,
// because it is replaced by one.
func cut(s string) (first string, isCut bool) {
	characters := 0
	for at := range s {
		if characters == MaxStringLength {
			return s[:at], true
		}
		characters++
	}
	return s, false
}

// isPlain reports whether a text is ASCII and needs no escapes. Most texts are. Without this check, the whole exporter would be
// 5% slower.
func isPlain(s string) bool {
	for i := range len(s) {
		if !plain[s[i]] {
			return false
		}
	}
	return true
}

// plain has the ASCII characters that a JSON string can contain unescaped.
var plain = func() (table [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()
