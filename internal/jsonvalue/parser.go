// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

// What Parse returns. They come bare: a text that fails is counted, and a report of where would cost more than the
// parse.
var (
	ErrTooLarge = errors.New("JSON text is larger than the limit")
	ErrTooDeep  = errors.New("JSON text is nested deeper than the limit")
	ErrTooMany  = errors.New("JSON text has more values than max_values")
	ErrInvalid  = errors.New("not a JSON text")
)

// Limits bound what one text may cost.
type Limits struct {
	// MaxDepth is how many objects and arrays may be open at once; a text without any needs 0. Above deepest it is
	// deepest.
	MaxDepth int `mapstructure:"max_depth"`
	// MaxBytes is how long a text may be, white space included.
	MaxBytes int `mapstructure:"max_bytes"`
	// MaxValues is how many values a text may hold: every object, array, string, number, boolean and null counts, the names
	// of fields don't. It bounds memory, because tiny values take many times the size of their text. 0 means no limit.
	MaxValues int `mapstructure:"max_values"`
}

const (
	// deepest is one less than the depth at which jsontext gives up with an error like any other.
	deepest = 9_999
	// mostKept bytes of input buffer stay with a Parser for its next text.
	mostKept = 1 << 20
	// firstFields is the capacity of an object's map when its first field is found. With more, a text of many tiny
	// objects would take an unfit amount of memory; with less, common objects would be copied more than twice.
	firstFields = 4
)

// Parser parses JSON texts, one after the other. It keeps its buffers, so it is not safe for concurrent use.
type Parser struct {
	limits  Limits
	decoder jsontext.Decoder
	options []jsontext.Options
	input   bytes.Buffer
	// text is what input was filled from.
	text string
	// root receives the value until the whole text is known to be good.
	root pcommon.Value
	// values is how many values of the text have begun.
	values int
	// objects are those being read, by depth.
	objects  []*xpdata.MapBuilder
	unquoted []byte
}

// NewParser returns a Parser whose texts stay within the limits.
func NewParser(limits Limits) *Parser {
	limits.MaxDepth = min(limits.MaxDepth, deepest)
	return &Parser{
		limits:  limits,
		options: []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)},
		root:    pcommon.NewValueEmpty(),
	}
}

// Parse replaces to with the value of the text. On an error to is as it was.
//
// The value's strings are parts of the text wherever that holds them unescaped, so they keep it in memory.
func (p *Parser) Parse(text string, to pcommon.Value) error {
	if len(text) > p.limits.MaxBytes {
		return ErrTooLarge
	}
	p.open(text)
	defer p.release()
	if err := p.document(); err != nil {
		// Half a value may hang in any of these.
		p.root = pcommon.NewValueEmpty()
		p.objects = nil
		return err
	}
	p.root.MoveTo(to)
	return nil
}

func (p *Parser) open(text string) {
	p.text, p.values = text, 0
	p.input.Reset()
	p.input.WriteString(text)
	p.decoder.Reset(&p.input, p.options...)
}

// release lets go of the text, and of a buffer that only a rare text needs.
func (p *Parser) release() {
	p.text = ""
	if p.input.Cap() > mostKept {
		p.input = bytes.Buffer{}
		p.decoder.Reset(&p.input)
	}
}

func (p *Parser) document() error {
	first, err := p.next()
	if err != nil {
		return err
	}
	if err := p.value(first, p.root, 0); err != nil {
		return err
	}
	if _, err := p.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return ErrInvalid
	}
	return nil
}

// token is a token of the text with the white space, comma or colon that stands before it.
type token struct {
	kind jsontext.Kind
	text string
}

// next reads a token. It gives parts of the text where jsontext's own token would copy them.
func (p *Parser) next() (token, error) {
	start := p.decoder.InputOffset()
	read, err := p.decoder.ReadToken()
	if err != nil {
		return token{}, ErrInvalid
	}
	return token{kind: read.Kind(), text: p.text[start:p.decoder.InputOffset()]}, nil
}

// value sets to to the value that begins with the token. Depth many objects and arrays are open around it.
func (p *Parser) value(first token, to pcommon.Value, depth int) error {
	p.values++
	if p.limits.MaxValues > 0 && p.values > p.limits.MaxValues {
		return ErrTooMany
	}
	switch first.kind {
	case jsontext.KindBeginObject:
		return p.object(to, depth)
	case jsontext.KindBeginArray:
		return p.array(to, depth)
	case jsontext.KindString:
		to.SetStr(p.str(first))
	case jsontext.KindNumber:
		setNumber(to, strings.TrimLeft(first.text, " \t\r\n,:"))
	case jsontext.KindTrue, jsontext.KindFalse:
		to.SetBool(first.kind == jsontext.KindTrue)
	}
	// What is left is null: to is Empty already.
	return nil
}

func (p *Parser) object(to pcommon.Value, depth int) error {
	if depth >= p.limits.MaxDepth {
		return ErrTooDeep
	}
	fields := p.objectAt(depth)
	for {
		name, err := p.next()
		if err != nil {
			return err
		}
		if name.kind == jsontext.KindEndObject {
			fields.UnsafeIntoMap(to.SetEmptyMap())
			return nil
		}
		first, err := p.next()
		if err != nil {
			return err
		}
		fields.EnsureCapacity(firstFields)
		if err := p.value(first, fields.AppendEmpty(p.str(name)), depth+1); err != nil {
			return err
		}
	}
}

// objectAt returns the builder for an object at the depth. One that is local to a function would be allocated each time.
func (p *Parser) objectAt(depth int) *xpdata.MapBuilder {
	for len(p.objects) <= depth {
		p.objects = append(p.objects, &xpdata.MapBuilder{})
	}
	return p.objects[depth]
}

func (p *Parser) array(to pcommon.Value, depth int) error {
	if depth >= p.limits.MaxDepth {
		return ErrTooDeep
	}
	elements := to.SetEmptySlice()
	for {
		first, err := p.next()
		if err != nil {
			return err
		}
		if first.kind == jsontext.KindEndArray {
			return nil
		}
		if err := p.value(first, elements.AppendEmpty(), depth+1); err != nil {
			return err
		}
	}
}

func (p *Parser) str(t token) string {
	quoted := t.text[strings.IndexByte(t.text, '"'):]
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	unquoted, err := jsontext.AppendUnquote(p.unquoted[:0], quoted)
	if err != nil {
		// Invalid UTF-8, which AppendUnquote replaces, or half a surrogate pair.
		unquoted = appendUnquoteLossless(p.unquoted[:0], quoted[1:len(quoted)-1])
	}
	if cap(unquoted) <= mostKept {
		p.unquoted = unquoted
	}
	return string(unquoted)
}

// appendUnquoteLossless has jsontext unquote only the escapes, and copies what is between them byte for byte.
func appendUnquoteLossless(unquoted []byte, s string) []byte {
	for {
		plain := strings.IndexByte(s, '\\')
		if plain < 0 {
			return append(unquoted, s...)
		}
		unquoted = append(unquoted, s[:plain]...)
		s = s[plain:]
		// Escapes that touch stay together: two of them may be one character.
		escapes := 0
		for escapes < len(s) && s[escapes] == '\\' {
			escapes += escapeLen(s[escapes:])
		}
		// An error would only say that half a surrogate pair became U+FFFD.
		unquoted, _ = jsontext.AppendUnquote(unquoted, `"`+s[:escapes]+`"`)
		s = s[escapes:]
	}
}

// escapeLen is the length of the escape that s begins with, which the decoder found to be whole.
func escapeLen(s string) int {
	if s[1] == 'u' {
		return len(`\uXXXX`)
	}
	return len(`\n`)
}

// setNumber makes an integer an Int and any other number a Double. What would not survive that becomes the digits
// themselves: an integer beyond int64, a number beyond float64. Only a Double can be -0.
func setNumber(to pcommon.Value, digits string) {
	if !strings.ContainsAny(digits, ".eE") && digits != "-0" {
		if i, err := strconv.ParseInt(digits, 10, 64); err == nil {
			to.SetInt(i)
			return
		}
	} else if f, err := strconv.ParseFloat(digits, 64); err == nil {
		to.SetDouble(f)
		return
	}
	to.SetStr(digits)
}
