// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// inheritance defines which fields an event gets from its envelope: the ones that it lacks, except fields that belong to the
// envelope itself and fields that the event has under another path. It is immutable, and readers share it.
type inheritance struct {
	// withheld has the keys of fields that belong to the envelope itself.
	withheld map[string]struct{}
	// cut has the paths of several keys that lead to such fields.
	cut [][]string
	// alternatives has the paths of fields with more than one path.
	alternatives []alternative
	// conditions has the paths of layouts' conditions that an event can inherit.
	conditions []inheritedCondition
}

// inheritedCondition is a path of Condition.AnyOf that an event can inherit.
type inheritedCondition struct {
	// layout is the index of the condition's layout.
	layout int
	keys   []string
	// barring has the alternatives that can keep an event from inheriting the path.
	barring []alternative
}

// alternative is a path of a field, with the other paths of the same field.
type alternative struct {
	path   []string
	others [][]string
}

func (a *alternative) equals(b alternative) bool {
	return slices.Equal(a.path, b.path) && slices.EqualFunc(a.others, b.others, slices.Equal)
}

// credentials are the keys under which the SDKs of CDPs send the project's key.
var credentials = []string{"api_key", "writeKey", "write_key", "token"}

// newInheritance returns the inheritance of events in the attributes or in the body.
func newInheritance(r *rules, inAttributes bool) *inheritance {
	in := &inheritance{withheld: map[string]struct{}{}}
	for _, key := range r.table.keys {
		if !key.isEnvelope || key.isType || key.types != nil {
			in.withheld[key.text] = struct{}{}
		}
	}
	for _, key := range credentials {
		in.withheld[key] = struct{}{}
	}
	for i := range r.layouts {
		in.add(r.layouts[i].Layout, inAttributes)
	}
	for i := range r.layouts {
		for _, keys := range r.layouts[i].Condition.AnyOf {
			if in.isHandedOn(keys[0]) {
				in.conditions = append(in.conditions, inheritedCondition{layout: i, keys: keys, barring: in.barring(keys)})
			}
		}
	}
	return in
}

func (in *inheritance) add(l *layout.Layout, inAttributes bool) {
	for _, keys := range keysInEvent(l.Paths[event.InsertID], inAttributes) {
		if len(keys) == 1 {
			in.withheld[keys[0]] = struct{}{}
		} else {
			in.cut = append(in.cut, keys)
		}
	}
	for f, paths := range &l.Paths {
		if event.Field(f) == event.Type || event.Field(f) == event.InsertID {
			continue
		}
		all := keysInEvent(paths, inAttributes)
		for i, keys := range all {
			a := alternative{path: keys, others: slices.Concat(all[:i], all[i+1:])}
			if len(a.others) > 0 && !slices.ContainsFunc(in.alternatives, a.equals) {
				in.alternatives = append(in.alternatives, a)
			}
		}
	}
}

// keysInEvent returns the keys of those paths that lead into an event.
func keysInEvent(paths []layout.Path, inAttributes bool) [][]string {
	var all [][]string
	for i := range paths {
		if leadsIntoEvent(&paths[i], inAttributes) && len(paths[i].Keys) > 0 {
			all = append(all, paths[i].Keys)
		}
	}
	return all
}

func (in *inheritance) isHandedOn(key string) bool {
	_, withheld := in.withheld[key]
	return !withheld
}

// canInherit reports whether events can inherit the fields under a key of an envelope.
func (in *inheritance) canInherit(e *envelope, key string) bool {
	return key != e.key && in.isHandedOn(key)
}

// size returns the size of the fields that events can inherit from an envelope.
func (in *inheritance) size(e *envelope) int {
	size := 0
	for key, value := range e.fields.All() {
		if in.canInherit(e, key) {
			size += pdatautil.EntrySize(key, value)
		}
	}
	return size
}

// level has the fields that an envelope hands on, by key.
type level map[string]inheritedField

type inheritedField struct {
	size int
	// isSet reports whether the value isn't null. A null doesn't hide the field of an outer envelope.
	isSet bool
	// barring has the alternatives that can keep an event from inheriting the field.
	barring []alternative
}

func (in *inheritance) newLevel(e *envelope) level {
	l := make(level, e.fields.Len())
	for key, value := range e.fields.All() {
		if l[key].isSet || !in.canInherit(e, key) {
			continue
		}
		l[key] = inheritedField{
			size: pdatautil.EntrySize(key, value), isSet: pdatautil.IsSet(value), barring: in.barring([]string{key}),
		}
	}
	return l
}

// inheritedSize returns the size of the fields that an event inherits from the envelopes around it, the outermost first.
// It stops when the size exceeds limit.
func (in *inheritance) inheritedSize(m pcommon.Map, around []level, limit int) int {
	own := make(map[string]struct{}, m.Len())
	for key, value := range m.All() {
		if pdatautil.IsSet(value) {
			own[key] = struct{}{}
		}
	}
	size := 0
	for i := range around {
		for key, field := range around[i] {
			_, hidden := own[key]
			if hidden || slices.ContainsFunc(around[i+1:], func(l level) bool { return l[key].isSet }) || isBarred(m, field.barring) {
				continue
			}
			if size += field.size; size > limit {
				return size
			}
		}
	}
	return size
}

// strip removes the fields of an envelope that events can't inherit: its list of events, withheld fields, and duplicates.
// If duplicates remained, the work would be the number of events times the number of duplicates.
func (in *inheritance) strip(e *envelope) {
	isSet := make(map[string]bool, e.fields.Len())
	e.fields.RemoveIf(func(key string, value pcommon.Value) bool {
		if !in.canInherit(e, key) {
			return true
		}
		before, duplicate := isSet[key]
		isSet[key] = before || pdatautil.IsSet(value)
		// Keep a value after a null, because it is the one that is copied.
		return duplicate && (before || !isSet[key])
	})
}

// relevant returns the alternatives whose first key is in an envelope.
func (in *inheritance) relevant(fields pcommon.Map) []alternative {
	var relevant []alternative
	for _, a := range in.alternatives {
		if _, present := fields.Get(a.path[0]); present {
			relevant = append(relevant, a)
		}
	}
	return relevant
}

// handOn copies the fields of an envelope that an event inherits. alternatives are those that relevant returned.
func (in *inheritance) handOn(fields pcommon.Map, alternatives []alternative, to pcommon.Map) {
	var skipped []string
	var removed [][]string
	for _, keys := range in.cut {
		removed = appendIfCopied(removed, keys, to)
	}
	for _, a := range alternatives {
		switch {
		case !a.isFilled(to):
		case len(a.path) == 1:
			skipped = append(skipped, a.path[0])
		default:
			removed = appendIfCopied(removed, a.path, to)
		}
	}
	pdatautil.AddMissing(to, fields, func(key string) bool { return slices.Contains(skipped, key) })
	for _, keys := range removed {
		remove(to, keys)
	}
}

// has reports whether an event or envelope has or inherits a value at the condition's path that isn't null. outer reports
// the same for the innermost envelope around it.
func (c *inheritedCondition) has(m pcommon.Map, outer bool) bool {
	if has(m, c.keys[:1]) || isBarred(m, c.barring) {
		return has(m, c.keys)
	}
	return outer
}

// barring returns the alternatives of a path. An event with a value at one of their other paths doesn't inherit the path.
func (in *inheritance) barring(keys []string) []alternative {
	var barring []alternative
	for _, a := range in.alternatives {
		if slices.Equal(a.path, keys) || len(a.path) == 1 && a.path[0] == keys[0] {
			barring = append(barring, a)
		}
	}
	return barring
}

func isBarred(m pcommon.Map, barring []alternative) bool {
	return slices.ContainsFunc(barring, func(a alternative) bool { return a.isFilled(m) })
}

// isFilled reports whether an event has the field under another path.
func (a *alternative) isFilled(m pcommon.Map) bool {
	return slices.ContainsFunc(a.others, func(keys []string) bool { return hasText(m, keys) })
}

// appendIfCopied appends a path if the event gets its first key from the envelope.
func appendIfCopied(paths [][]string, keys []string, to pcommon.Map) [][]string {
	if has(to, keys[:1]) {
		return paths
	}
	return append(paths, keys)
}

// hasText reports whether a map has a value at a path that is neither null nor an empty string.
func hasText(m pcommon.Map, keys []string) bool {
	v, present := layout.LookUp(m, keys)
	return present && pdatautil.IsSet(v) && (v.Type() != pcommon.ValueTypeStr || v.Str() != "")
}

func remove(m pcommon.Map, keys []string) {
	for ; len(keys) > 1; keys = keys[1:] {
		v, present := m.Get(keys[0])
		if !present || v.Type() != pcommon.ValueTypeMap {
			return
		}
		m = v.Map()
	}
	m.Remove(keys[0])
}
