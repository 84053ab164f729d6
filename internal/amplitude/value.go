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
		return e.mapping(to, v.Map(), depth, selection{})
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

// selection selects the entries of a map that are written. The zero selection selects all.
type selection struct {
	// of is the event whose properties the map has. Its other fields are left out.
	of *event.Event
	// part selects traits. isCounted reports whether repeated keys are counted already, when another part was written.
	part      part
	isCounted bool
}

func (s selection) has(key string, value pcommon.Value) bool {
	switch {
	case s.of != nil:
		return s.of.IsProperty(value)
	case s.part != notSent:
		return s.part == partOf(key, value)
	default:
		return true
	}
}

// mapping writes the selected entries of a map.
func (e *Encoder) mapping(to []byte, m pcommon.Map, depth int, selected selection) []byte {
	switch {
	case depth > MaxDepth:
		e.Changed[TooDeep]++
		return append(to, "null"...)
	case m.Len() > maxFiltered:
		return e.largeMapping(to, m, depth, selected)
	}
	var seen keyFilter
	to = append(to, '{')
	for key, value := range m.All() {
		if seen.maybe(key) {
			if first, _ := m.Get(key); first != value {
				e.countRepeat(selected)
				continue
			}
		}
		if selected.has(key, value) {
			to = e.entry(to, key, value, depth, selected)
		}
	}
	return closed(to, '}')
}

// largeMapping is like mapping, for maps with too many keys for a keyFilter.
func (e *Encoder) largeMapping(to []byte, m pcommon.Map, depth int, selected selection) []byte {
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
			e.countRepeat(selected)
		case selected.has(key, value):
			to = e.entry(to, key, value, depth, selected)
		}
	}
	e.repeats = e.repeats[:outer]
	return closed(to, '}')
}

func (e *Encoder) countRepeat(selected selection) {
	if !selected.isCounted {
		e.Changed[RepeatedKey]++
	}
}

func (e *Encoder) entry(to []byte, key string, value pcommon.Value, depth int, selected selection) []byte {
	to = append(e.text(to, key), ':')
	if selected.part == isUnset {
		to = append(to, `"`+unsetValue+`"`...)
	} else {
		to = e.value(to, value, depth+1)
	}
	return append(to, ',')
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
