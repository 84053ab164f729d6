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

// The errors that Parse returns. They don't say where the fault is, because callers only count them.
var (
	ErrTooLarge = errors.New("JSON text is larger than the limit")
	ErrTooDeep  = errors.New("JSON text is nested deeper than the limit")
	ErrTooMany  = errors.New("JSON text has more values than max_values")
	ErrInvalid  = errors.New("not a JSON text")
)

// Limits bound the cost of parsing one text.
type Limits struct {
	// MaxDepth is the maximum nesting of objects and arrays. A text without any has depth 0. Above 9,999 it has no
	// effect.
	MaxDepth int `mapstructure:"max_depth"`
	// MaxBytes is the maximum length of a text, including white space.
	MaxBytes int `mapstructure:"max_bytes"`
	// MaxValues is the maximum number of values in a text: every object, array, string, number, boolean and null counts,
	// the names of fields don't. It bounds memory, because tiny values take many times the size of their text. 0 means no
	// limit.
	MaxValues int `mapstructure:"max_values"`
}

const (
	// maxDepth is the greatest nesting that jsontext supports. Deeper nesting is an error like any other syntax error there.
	maxDepth = 9_999
	// maxKept is the size up to which a Parser keeps its buffers for the next text.
	maxKept = 1 << 20
	// firstFields is the capacity of an object's map once it has a field. A larger value would waste memory on texts with
	// many tiny objects, and a smaller one would make typical objects grow more than twice.
	firstFields = 4
)

// Parser parses JSON texts. It reuses its buffers, so it isn't safe for concurrent use.
type Parser struct {
	limits  Limits
	decoder jsontext.Decoder
	options []jsontext.Options
	input   bytes.Buffer
	// text is the text that input holds.
	text string
	// root holds the value until the whole text is known to be valid.
	root pcommon.Value
	// values counts the values of the text so far.
	values int
	// objects holds a builder for each depth.
	objects  []*xpdata.MapBuilder
	unquoted []byte
}

// NewParser returns a Parser that refuses texts beyond the limits.
func NewParser(limits Limits) *Parser {
	limits.MaxDepth = min(limits.MaxDepth, maxDepth)
	return &Parser{
		limits:  limits,
		options: []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)},
		root:    pcommon.NewValueEmpty(),
	}
}

// Parse sets to to the value of the text. If it returns an error, to is unchanged.
//
// Strings without escapes share the memory of the text, so the value keeps the text alive.
func (p *Parser) Parse(text string, to pcommon.Value) error {
	if len(text) > p.limits.MaxBytes {
		return ErrTooLarge
	}
	p.open(text)
	defer p.release()
	if err := p.document(); err != nil {
		// These may hold parts of the value.
		p.root = pcommon.NewValueEmpty()
		p.objects = nil
		return err
	}
	p.root.MoveTo(to)
	return nil
}

// ParseEach parses a text of any number of JSON values, such as NDJSON. It sets the result of to, which is called once for
// each value, to the value. The limits apply to the text as a whole. If ParseEach returns an error, the caller must drop the
// values that it got until then.
func (p *Parser) ParseEach(text string, to func() pcommon.Value) error {
	if len(text) > p.limits.MaxBytes {
		return ErrTooLarge
	}
	p.open(text)
	defer p.release()
	for p.decoder.PeekKind() != jsontext.KindInvalid {
		first, err := p.next()
		if err != nil {
			return err
		}
		if err := p.value(first, to(), 0); err != nil {
			p.objects = nil
			return err
		}
	}
	return p.end()
}

func (p *Parser) open(text string) {
	p.text, p.values = text, 0
	p.input.Reset()
	p.input.WriteString(text)
	p.decoder.Reset(&p.input, p.options...)
}

// release drops the references to the text, and an unusually large buffer.
func (p *Parser) release() {
	p.text = ""
	if p.input.Cap() > maxKept {
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
	return p.end()
}

// end returns an error unless the text ends here.
func (p *Parser) end() error {
	if _, err := p.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return ErrInvalid
	}
	return nil
}

// token is a token of the text. Its text includes any white space, comma or colon before it.
type token struct {
	kind jsontext.Kind
	text string
}

// next reads a token. Unlike jsontext's own token, it doesn't copy strings.
func (p *Parser) next() (token, error) {
	start := p.decoder.InputOffset()
	read, err := p.decoder.ReadToken()
	if err != nil {
		return token{}, ErrInvalid
	}
	return token{kind: read.Kind(), text: p.text[start:p.decoder.InputOffset()]}, nil
}

// value reads the value that begins with the token into to, which is Empty. Depth is the number of objects and arrays
// around it.
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
	// The remaining kind is null.
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

// objectAt returns the builder for an object at the depth. Reusing builders saves an allocation per object.
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
		// The string has invalid UTF-8, which AppendUnquote would replace, or an unpaired surrogate.
		unquoted = appendUnquoteLossless(p.unquoted[:0], quoted[1:len(quoted)-1])
	}
	if cap(unquoted) <= maxKept {
		p.unquoted = unquoted
	}
	return string(unquoted)
}

// appendUnquoteLossless unquotes only the escapes with jsontext, and copies the bytes between them unchanged.
func appendUnquoteLossless(unquoted []byte, s string) []byte {
	for {
		plain := strings.IndexByte(s, '\\')
		if plain < 0 {
			return append(unquoted, s...)
		}
		unquoted = append(unquoted, s[:plain]...)
		s = s[plain:]
		// Adjacent escapes are unquoted together, because two of them may be one character.
		escapes := 0
		for escapes < len(s) && s[escapes] == '\\' {
			escapes += escapeLen(s[escapes:])
		}
		// The only possible error is that an unpaired surrogate became U+FFFD.
		unquoted, _ = jsontext.AppendUnquote(unquoted, `"`+s[:escapes]+`"`)
		s = s[escapes:]
	}
}

// escapeLen returns the length of the escape at the start of s. The decoder has checked that it is complete.
func escapeLen(s string) int {
	if s[1] == 'u' {
		return len(`\uXXXX`)
	}
	return len(`\n`)
}

// setNumber sets to to an Int for an integer and to a Double for any other number and -0. Numbers out of range become a
// Str.
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
