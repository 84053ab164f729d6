// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

const (
	setOperation   = "$set"
	unsetOperation = "$unset"
	// unsetValue is what Amplitude's SDKs send as the value of an unset, which Amplitude ignores.
	unsetValue = "-"
)

// operations are the operations on user properties that Amplitude's HTTP V2 API documents.
var operations = [...]string{
	opSet: setOperation, opUnset: unsetOperation, "$setOnce", "$add", "$append", "$prepend", "$preInsert", "$postInsert", "$remove",
}

// The indexes of operations.
const (
	opSet = iota
	opUnset
)

// part is what becomes of a trait.
type part uint8

const (
	// notSent is a trait that repeats an id of its event.
	notSent part = iota
	isSet
	// isUnset is a trait that is null.
	isUnset
	// isOperation is a trait that is an operation of Amplitude's API on several properties.
	isOperation

	parts = iota
)

func partOf(key string, value pcommon.Value) part {
	switch {
	case key == "anonymousId" || key == "userId":
		return notSent
	case IsOperation(key):
		return isOperation
	case value.Type() == pcommon.ValueTypeEmpty:
		return isUnset
	default:
		return isSet
	}
}

// IsOperation reports whether a key is an operation on user properties.
func IsOperation(key string) bool {
	return key != "" && key[0] == '$' && slices.Contains(operations[:], key)
}

// IsPlainTrait reports whether a trait sets the property of its name.
func IsPlainTrait(key string, value pcommon.Value) bool {
	return partOf(key, value) == isSet
}

// HasTraits reports whether any of these traits is sent.
func HasTraits(m pcommon.Map) bool {
	if m == (pcommon.Map{}) {
		return false
	}
	for key, value := range m.All() {
		switch partOf(key, value) {
		case isSet, isUnset:
			return true
		case isOperation:
			if value.Type() == pcommon.ValueTypeMap && value.Map().Len() > 0 {
				return true
			}
		}
	}
	return false
}

// traits writes traits as operations. Like the destinations of Segment and RudderStack, it passes on traits that are operations
// already, but never mixes operations and plain properties, because Amplitude refuses that.
func (e *Encoder) traits(to []byte, m pcommon.Map) []byte {
	var has [parts]bool
	for key, value := range m.All() {
		p := partOf(key, value)
		// What is sent of the key may be that of another trait.
		if p == isOperation || p == isUnset && SentText(key) != key {
			return e.mapping(to, e.joined(m), 1, selection{})
		}
		has[p] = true
	}
	to = append(to, '{')
	if has[isSet] {
		to = append(to, `"`+setOperation+`":`...)
		to = append(e.mapping(to, m, 2, selection{part: isSet}), ',')
	}
	if has[isUnset] {
		to = append(to, `"`+unsetOperation+`":`...)
		to = append(e.mapping(to, m, 2, selection{part: isUnset, isCounted: has[isSet]}), ',')
	}
	return closed(to, '}')
}

// joined returns the operations of traits of which some are operations already. Amplitude refuses two operations on one property, so
// the first counts. Plain traits come before operations.
func (e *Encoder) joined(m pcommon.Map) pcommon.Map {
	var byOperation [len(operations)]xpdata.MapBuilder
	sent := map[string]struct{}{}
	add := func(operation int, property string, value pcommon.Value) {
		before := len(sent)
		if sent[SentText(property)] = struct{}{}; len(sent) == before {
			e.Changed[RepeatedKey]++
			return
		}
		if operation == opUnset || operation == opSet && value.Type() == pcommon.ValueTypeEmpty {
			byOperation[opUnset].AppendEmpty(property).SetStr(unsetValue)
			return
		}
		value.CopyTo(byOperation[operation].AppendEmpty(property))
	}
	for key, value := range m.All() {
		if p := partOf(key, value); p == isSet || p == isUnset {
			add(opSet, key, value)
		}
	}
	for key, value := range m.All() {
		switch operation := slices.Index(operations[:], key); {
		case operation < 0:
		case value.Type() != pcommon.ValueTypeMap:
			e.Changed[NotOperation]++
		default:
			for property, value := range value.Map().All() {
				add(operation, property, value)
			}
		}
	}
	all := pcommon.NewMap()
	for i, operation := range operations {
		properties := pcommon.NewMap()
		byOperation[i].UnsafeIntoMap(properties)
		if properties.Len() > 0 {
			properties.MoveTo(all.PutEmptyMap(operation))
		}
	}
	return all
}

// groups writes the groups of an event, as many as Amplitude tracks.
func (e *Encoder) groups(to []byte, m pcommon.Map) []byte {
	types, groups := 0, 0
	for _, value := range m.All() {
		types++
		if value.Type() == pcommon.ValueTypeSlice {
			groups += value.Slice().Len()
		} else {
			groups++
		}
	}
	if types <= MaxGroupTypes && groups <= MaxGroups {
		return e.mapping(to, m, 1, selection{})
	}
	var kept xpdata.MapBuilder
	var keys []string
	groups = 0
	for key, value := range m.All() {
		switch {
		case slices.Contains(keys, key):
			e.Changed[RepeatedKey]++
			continue
		case len(keys) == MaxGroupTypes || groups == MaxGroups:
			e.Changed[TooManyGroups]++
			continue
		}
		keys = append(keys, key)
		if value.Type() != pcommon.ValueTypeSlice {
			groups++
			value.CopyTo(kept.AppendEmpty(key))
			continue
		}
		list := kept.AppendEmpty(key).SetEmptySlice()
		for i := range value.Slice().Len() {
			if groups == MaxGroups {
				e.Changed[TooManyGroups] += int64(value.Slice().Len() - i)
				break
			}
			groups++
			value.Slice().At(i).CopyTo(list.AppendEmpty())
		}
	}
	rest := pcommon.NewMap()
	kept.UnsafeIntoMap(rest)
	return e.mapping(to, rest, 1, selection{})
}
