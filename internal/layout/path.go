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

// start is where a path begins.
type start uint8

const (
	startEventName start = iota
	startBody
	startAttributes
	startResource
	startTime
	startEvent
)

// starts are the spellings of OTTL's log context, and `event`, which is ours.
var starts = map[string]start{
	"log.event_name":      startEventName,
	"log.body":            startBody,
	"log.attributes":      startAttributes,
	"resource.attributes": startResource,
	"log.time":            startTime,
	"event":               startEvent,
}

const startsAllowed = "log.event_name, log.body, log.attributes, log.time, resource.attributes, event"

// path names one value of a log record.
type path struct {
	start start
	keys  []string
}

// parsePath reads the OTTL spelling of a path, such as `log.body["user"]["id"]`. Keys are strings in double quotes, with
// Go's escapes.
func parsePath(text string) (path, error) {
	name, rest, _ := strings.Cut(text, "[")
	begin, known := starts[name]
	if !known {
		return path{}, fmt.Errorf("%#q starts with %#q; allowed: %s", text, name, startsAllowed)
	}
	p := path{start: begin}
	if len(name) == len(text) {
		return p, nil
	}
	if begin == startEventName || begin == startTime {
		return path{}, fmt.Errorf("%#q: %s has no keys", text, name)
	}
	keys, err := parseKeys("[" + rest)
	if err != nil {
		return path{}, fmt.Errorf("%#q: %w", text, err)
	}
	p.keys = keys
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

// source is what a path is resolved against.
type source struct {
	resource pcommon.Resource
	record   plog.LogRecord
	root     pcommon.Map
	// inBody says that the root is the body, not the attributes.
	inBody bool
}

// value resolves a path that leads to a value. log.event_name and log.time are no values but fields of the record, and a
// path without keys to a map of attributes is the map: none of them has a value.
func (p *path) value(from *source) (pcommon.Value, bool) {
	switch p.start {
	case startBody:
		if len(p.keys) == 0 {
			return from.record.Body(), true
		}
		return lookIn(from.record.Body(), p.keys)
	case startAttributes:
		return lookUp(from.record.Attributes(), p.keys)
	case startResource:
		return lookUp(from.resource.Attributes(), p.keys)
	case startEvent:
		return lookUp(from.root, p.keys)
	default:
		return pcommon.Value{}, false
	}
}

// mapping resolves a path that leads to a map.
func (p *path) mapping(from *source) (pcommon.Map, bool) {
	if len(p.keys) == 0 {
		switch p.start {
		case startAttributes:
			return from.record.Attributes(), true
		case startEvent:
			return from.root, true
		}
	}
	v, found := p.value(from)
	if !found || v.Type() != pcommon.ValueTypeMap {
		return pcommon.Map{}, false
	}
	return v.Map(), true
}

func lookUp(m pcommon.Map, keys []string) (pcommon.Value, bool) {
	v, present := m.Get(keys[0])
	if !present || len(keys) == 1 {
		return v, present
	}
	return lookIn(v, keys[1:])
}

func lookIn(v pcommon.Value, keys []string) (pcommon.Value, bool) {
	if v.Type() != pcommon.ValueTypeMap {
		return pcommon.Value{}, false
	}
	return lookUp(v.Map(), keys)
}
