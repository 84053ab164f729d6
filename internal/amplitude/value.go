// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import (
	"encoding/base64"
	"math"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// maxBytes is the number of bytes whose base64 text has MaxStringLength characters.
const maxBytes = MaxStringLength / 4 * 3

// value writes a value. If it is a map or list, depth is its depth.
func (e *Encoder) value(to []byte, v pcommon.Value, depth int) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return e.text(to, v.Str())
	case pcommon.ValueTypeInt:
		return strconv.AppendInt(to, v.Int(), 10)
	case pcommon.ValueTypeDouble:
		return e.double(to, v.Double())
	case pcommon.ValueTypeBool:
		return strconv.AppendBool(to, v.Bool())
	case pcommon.ValueTypeMap:
		return e.mapping(to, v.Map(), depth, nil)
	case pcommon.ValueTypeSlice:
		return e.list(to, v.Slice(), depth)
	case pcommon.ValueTypeBytes:
		return e.bytes(to, v.Bytes())
	default:
		return append(to, "null"...)
	}
}

func (e *Encoder) list(to []byte, s pcommon.Slice, depth int) []byte {
	if depth > MaxDepth {
		e.Changed[TooDeep]++
		return append(to, "null"...)
	}
	to = append(to, '[')
	for i := range s.Len() {
		to = e.value(to, s.At(i), depth+1)
		to = append(to, ',')
	}
	return closed(to, ']')
}

// mapping writes a map. If of isn't nil, the map holds the properties of that event, and its other fields are left out.
func (e *Encoder) mapping(to []byte, m pcommon.Map, depth int, of *event.Event) []byte {
	switch {
	case depth > MaxDepth:
		e.Changed[TooDeep]++
		return append(to, "null"...)
	case m.Len() > maxFiltered:
		return e.largeMapping(to, m, depth, of)
	}
	var seen keyFilter
	to = append(to, '{')
	for key, value := range m.All() {
		if seen.maybe(key) {
			if first, _ := m.Get(key); first != value {
				e.Changed[RepeatedKey]++
				continue
			}
		}
		if of != nil && !of.IsProperty(value) {
			continue
		}
		to = e.text(to, key)
		to = append(to, ':')
		to = e.value(to, value, depth+1)
		to = append(to, ',')
	}
	return closed(to, '}')
}

// largeMapping is like mapping, for maps with too many keys for a keyFilter.
func (e *Encoder) largeMapping(to []byte, m pcommon.Map, depth int, of *event.Event) []byte {
	outer := len(e.repeats)
	e.findRepeats(m)
	next := outer
	index := 0
	to = append(to, '{')
	for key, value := range m.All() {
		repeated := next < len(e.repeats) && e.repeats[next] == index
		index++
		if repeated {
			next++
		}
		switch {
		case repeated:
			e.Changed[RepeatedKey]++
			continue
		case of != nil && !of.IsProperty(value):
			continue
		}
		to = e.text(to, key)
		to = append(to, ':')
		to = e.value(to, value, depth+1)
		to = append(to, ',')
	}
	e.repeats = e.repeats[:outer]
	return closed(to, '}')
}

// double writes a number as encoding/json does: as the shortest text that represents it, with an exponent only if it is very
// small or very large.
func (e *Encoder) double(to []byte, f float64) []byte {
	size := math.Abs(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		e.Changed[NotFinite]++
		return append(to, "null"...)
	case size >= 1e-6 && size < 1e21 || f == 0:
		return strconv.AppendFloat(to, f, 'f', -1, 64)
	}
	to = strconv.AppendFloat(to, f, 'e', -1, 64)
	// strconv writes an exponent of at least two digits.
	if last := len(to) - 1; to[last-1] == '0' && to[last-2] == '-' {
		to[last-1] = to[last]
		to = to[:last]
	}
	return to
}

func (e *Encoder) bytes(to []byte, b pcommon.ByteSlice) []byte {
	n := b.Len()
	if n > maxBytes {
		e.Changed[TooLong]++
		n = maxBytes
	}
	// ByteSlice has no way to access its bytes without copying all of them.
	for i := range n {
		e.block[i] = b.At(i)
	}
	to = append(to, '"')
	to = base64.StdEncoding.AppendEncode(to, e.block[:n])
	return append(to, '"')
}
