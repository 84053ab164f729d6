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

// Start is where a path begins.
type Start uint8

// The starts, as OTTL's log context spells them. Root, spelled `event`, is our own.
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

// Path names one value of a log record.
type Path struct {
	Start Start
	Keys  []string
}

// parsePath parses the OTTL spelling of a path, such as `log.body["user"]["id"]`. Keys are strings in double quotes, with
// Go's escapes.
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

// Source is what paths are resolved against.
type Source struct {
	Resource pcommon.Resource
	Record   plog.LogRecord
	// Root is where the event starts: the record's body or its attributes.
	Root pcommon.Map
}

// Value resolves a path to a value. EventName and Timestamp have none, because they are fields of the record, and neither
// has a path without keys to attributes or to the root.
func (p *Path) Value(from *Source) (pcommon.Value, bool) {
	if len(p.Keys) == 0 {
		if p.Start == Body {
			return from.Record.Body(), true
		}
		return pcommon.Value{}, false
	}
	m, isMap := p.container(from)
	if !isMap {
		return pcommon.Value{}, false
	}
	return LookUp(m, p.Keys)
}

// Map resolves a path to a map.
func (p *Path) Map(from *Source) (pcommon.Map, bool) {
	if len(p.Keys) == 0 {
		return p.container(from)
	}
	v, found := p.Value(from)
	if !found || v.Type() != pcommon.ValueTypeMap {
		return pcommon.Map{}, false
	}
	return v.Map(), true
}

// StandsIn reports whether the path leads to an entry of m itself, not of a map within it.
func (p *Path) StandsIn(from *Source, m pcommon.Map) bool {
	if len(p.Keys) != 1 {
		return false
	}
	container, isMap := p.container(from)
	return isMap && container == m
}

// container returns the map at which the path starts.
func (p *Path) container(from *Source) (pcommon.Map, bool) {
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

// LookUp follows at least one key from a map to a value.
func LookUp(m pcommon.Map, keys []string) (pcommon.Value, bool) {
	v, present := m.Get(keys[0])
	if !present || len(keys) == 1 {
		return v, present
	}
	return LookIn(v, keys[1:])
}

// LookIn follows at least one key from a value, which may be anything, to a value.
func LookIn(v pcommon.Value, keys []string) (pcommon.Value, bool) {
	if v.Type() != pcommon.ValueTypeMap {
		return pcommon.Value{}, false
	}
	return LookUp(v.Map(), keys)
}
