// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Start is the part of a log record at which a path starts.
type Start uint8

// The starts. They are written as in OTTL's log context, except Root: it is written `event`, and OTTL has no such path.
const (
	EventName Start = iota
	Body
	Attributes
	Resource
	Timestamp
	Root
)

var starts = map[string]Start{
	"log.event_name":      EventName,
	"log.body":            Body,
	"log.attributes":      Attributes,
	"resource.attributes": Resource,
	"log.time":            Timestamp,
	"event":               Root,
}

const startsAllowed = "log.event_name, log.body, log.attributes, log.time, resource.attributes, event"

// Path leads to a value of a log record.
type Path struct {
	Start Start
	Keys  []string
}

// parsePath parses a path in OTTL's notation, such as `log.body["user"]["id"]`. Keys are in double quotes, with the escapes of
// Go strings.
func parsePath(text string) (Path, error) {
	name, rest, _ := strings.Cut(text, "[")
	begin, known := starts[name]
	if !known {
		return Path{}, fmt.Errorf("%#q starts with %#q; allowed: %s", text, name, startsAllowed)
	}
	p := Path{Start: begin}
	if len(name) == len(text) {
		return p, nil
	}
	if begin == EventName || begin == Timestamp {
		return Path{}, fmt.Errorf("%#q: %s has no keys", text, name)
	}
	keys, err := parseKeys("[" + rest)
	if err != nil {
		return Path{}, fmt.Errorf("%#q: %w", text, err)
	}
	p.Keys = keys
	return p, nil
}

// String returns the path in the notation of parsePath.
func (p Path) String() string {
	var text strings.Builder
	for name, start := range starts {
		if start == p.Start {
			text.WriteString(name)
		}
	}
	for _, key := range p.Keys {
		text.WriteString("[" + strconv.Quote(key) + "]")
	}
	return text.String()
}

var errKey = errors.New(`a key is written ["name"]`)

func parseKeys(text string) ([]string, error) {
	var keys []string
	for text != "" {
		inner, bracketed := strings.CutPrefix(text, "[")
		quoted, err := strconv.QuotedPrefix(inner)
		if !bracketed || err != nil || quoted[0] != '"' {
			return nil, errKey
		}
		key, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, errKey
		}
		after, closed := strings.CutPrefix(inner[len(quoted):], "]")
		if !closed {
			return nil, errKey
		}
		if key == "" {
			return nil, errors.New("a key is empty")
		}
		keys = append(keys, key)
		text = after
	}
	return keys, nil
}

// Source has the values in which paths are looked up.
type Source struct {
	Resource pcommon.Resource
	Record   plog.LogRecord
	// Root is the map at which the event starts: the record's body or its attributes.
	Root pcommon.Map
}

// Value returns the value at a path, and reports whether there is one. There is none at EventName and Timestamp, which aren't
// pdata values, and none at Attributes, Resource, and Root without keys, which are maps.
func (p *Path) Value(from *Source) (pcommon.Value, bool) {
	if len(p.Keys) == 0 {
		if p.Start == Body {
			return from.Record.Body(), true
		}
		return pcommon.Value{}, false
	}
	m, isMap := p.Container(from)
	if !isMap {
		return pcommon.Value{}, false
	}
	return LookUp(m, p.Keys)
}

// StandsIn reports whether the path leads to an entry of m itself, not to one of a map within m.
func (p *Path) StandsIn(from *Source, m pcommon.Map) bool {
	if len(p.Keys) != 1 {
		return false
	}
	container, isMap := p.Container(from)
	return isMap && container == m
}

// Container returns the map at which the path starts.
func (p *Path) Container(from *Source) (pcommon.Map, bool) {
	switch p.Start {
	case Root:
		return from.Root, true
	case Attributes:
		return from.Record.Attributes(), true
	case Resource:
		return from.Resource.Attributes(), true
	case Body:
		if body := from.Record.Body(); body.Type() == pcommon.ValueTypeMap {
			return body.Map(), true
		}
	}
	return pcommon.Map{}, false
}

// LookUp returns the value at the given keys, of which there must be at least one, and reports whether it is present.
func LookUp(m pcommon.Map, keys []string) (pcommon.Value, bool) {
	v, present := m.Get(keys[0])
	if !present || len(keys) == 1 {
		return v, present
	}
	return LookIn(v, keys[1:])
}

// LookIn is LookUp for a value that may be something else than a map.
func LookIn(v pcommon.Value, keys []string) (pcommon.Value, bool) {
	if v.Type() != pcommon.ValueTypeMap {
		return pcommon.Value{}, false
	}
	return LookUp(v.Map(), keys)
}
