// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import "unicode/utf8"

// safe has the ASCII characters that stand in a JSON string as they are.
var safe = func() (table [utf8.RuneSelf]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// SentText returns a text as it reads where an Encoder wrote it: cut at MaxStringLength, and each byte that is not UTF-8 as
// U+FFFD.
func SentText(s string) string {
	if len(s) > MaxStringLength {
		s, _ = cut(s)
	}
	if utf8.ValidString(s) {
		return s
	}
	// A conversion replaces each byte, strings.ToValidUTF8 a run of them.
	return string([]rune(s))
}

// text writes a JSON string. Characters of HTML are not escaped: the text goes to a parser of JSON.
func (e *Encoder) text(to []byte, s string) []byte {
	if len(s) > MaxStringLength {
		var isCut bool
		if s, isCut = cut(s); isCut {
			e.Changed[TooLong]++
		}
	}
	to = append(to, '"')
	done := plain(s)
	to = append(to, s[:done]...)
	if done < len(s) {
		to = e.escaped(to, s[done:])
	}
	return append(to, '"')
}

// cut returns the first MaxStringLength characters, and whether there are more. An invalid byte is a character, as it will
// be when it is replaced.
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

// plain returns how many bytes at the beginning surely stand as they are. It looks at 8 at a time.
func plain(s string) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	at := 0
	for ; at+8 <= len(s); at += 8 {
		x := load(s[at : at+8])
		// A subtraction sets the high bit of a byte that is less than what is taken from it, or has it set already. It may
		// also borrow from the next byte, but then the byte before it was one of those.
		special := x | (x - ones*' ') | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones)
		if special&highs != 0 {
			return at
		}
	}
	for ; at < len(s); at++ {
		if s[at] >= utf8.RuneSelf || !safe[s[at]] {
			return at
		}
	}
	return at
}

// load returns 8 bytes as a number. The compiler makes one instruction of it.
func load(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// escaped writes what may hold anything.
func (e *Encoder) escaped(to []byte, s string) []byte {
	valid := true
	start := 0
	for at := 0; at < len(s); {
		if c := s[at]; c < utf8.RuneSelf {
			if !safe[c] {
				to = append(to, s[start:at]...)
				to = escape(to, c)
				start = at + 1
			}
			at++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[at:])
		if r == utf8.RuneError && size == 1 {
			valid = false
			to = append(to, s[start:at]...)
			to = append(to, "\uFFFD"...)
			start = at + 1
		}
		at += size
	}
	if !valid {
		e.Changed[InvalidUTF8]++
	}
	return append(to, s[start:]...)
}

// escape writes a character that must not stand in a JSON string as it is.
func escape(to []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(to, '\\', c)
	case '\n':
		return append(to, '\\', 'n')
	case '\r':
		return append(to, '\\', 'r')
	case '\t':
		return append(to, '\\', 't')
	default:
		return append(to, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xF])
	}
}
