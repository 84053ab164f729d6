// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// inheritance is what an event gets from its envelope: the fields that it lacks, except those that belong to the envelope
// itself and those that the event has under another path. It is immutable, and readers share it.
type inheritance struct {
	// withheld are keys that belong to the envelope.
	withheld map[string]struct{}
	// cut are paths of several keys that belong to the envelope.
	cut [][]string
	// alternatives are the paths of fields that have several.
	alternatives []alternative
	// conditions are, by layout, the paths of its condition that an event can get from its envelope.
	conditions [][][]string
}

// alternative is a path of a field, with the field's other paths.
type alternative struct {
	path   []string
	others [][]string
}

// credentials are keys under which CDPs' SDKs send the project's key.
var credentials = []string{"api_key", "writeKey", "write_key", "token"}

// newInheritance returns what events inherit that are in the attributes or in the body of their records.
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
		var inherited [][]string
		for _, keys := range r.layouts[i].Condition.AnyOf {
			if in.isHandedOn(keys[0]) {
				inherited = append(inherited, keys)
			}
		}
		in.conditions = append(in.conditions, inherited)
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
	for f, paths := range l.Paths {
		if event.Field(f) == event.Type || event.Field(f) == event.InsertID {
			continue
		}
		all := keysInEvent(paths, inAttributes)
		for i, keys := range all {
			others := slices.Concat(all[:i], all[i+1:])
			if len(others) > 0 {
				in.alternatives = append(in.alternatives, alternative{path: keys, others: others})
			}
		}
	}
}

// keysInEvent returns the keys of the paths that lead into an event.
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

// size returns the size of the fields that an envelope hands on.
func (in *inheritance) size(e *envelope) int {
	size := 0
	for key, value := range e.fields.All() {
		if key != e.key && in.isHandedOn(key) {
			size += pdatautil.EntrySize(key, value)
		}
	}
	return size
}

// level is an envelope around an event.
type level struct {
	fields pcommon.Map
	// keys are those of its fields that aren't null.
	keys map[string]struct{}
}

func newLevel(fields pcommon.Map) level {
	keys := make(map[string]struct{}, fields.Len())
	for key, value := range fields.All() {
		if pdatautil.IsSet(value) {
			keys[key] = struct{}{}
		}
	}
	return level{fields: fields, keys: keys}
}

// inheritedSize returns the size of what an event inherits from the envelopes around it, the outermost first. It stops beyond
// a limit.
func (in *inheritance) inheritedSize(event pcommon.Map, around []level, limit int) int {
	size := 0
	inner := append(slices.Clone(around), newLevel(event))
	for i := range around {
		for key, value := range around[i].fields.All() {
			hides := func(l level) bool { _, has := l.keys[key]; return has }
			isList := value.Type() == pcommon.ValueTypeSlice && slices.Contains(envelopeKeys[:], key)
			if !isList && in.isHandedOn(key) && !slices.ContainsFunc(inner[i+1:], hides) && !in.isBarred(event, []string{key}) {
				size += pdatautil.EntrySize(key, value)
			}
			if size > limit {
				return size
			}
		}
	}
	return size
}

// strip removes from an envelope what it doesn't hand on: its list of events, under key, and what is withheld.
func (in *inheritance) strip(fields pcommon.Map, key string) {
	fields.RemoveIf(func(k string, _ pcommon.Value) bool { return k == key || !in.isHandedOn(k) })
}

// relevant returns the alternatives that matter for an envelope's fields.
func (in *inheritance) relevant(fields pcommon.Map) []alternative {
	var relevant []alternative
	for _, a := range in.alternatives {
		if _, present := fields.Get(a.path[0]); present {
			relevant = append(relevant, a)
		}
	}
	return relevant
}

// handOn copies the fields of an envelope to one of its events.
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

// has reports whether an event has a value at a path that isn't null, its own or one that it inherits from the envelopes
// around it, the outermost first.
func (in *inheritance) has(event pcommon.Map, around []pcommon.Map, keys []string) bool {
	for len(around) > 0 {
		if v, present := event.Get(keys[0]); present && pdatautil.IsSet(v) || in.isBarred(event, keys) {
			break
		}
		event, around = around[len(around)-1], around[:len(around)-1]
	}
	return has(event, keys)
}

// isBarred reports whether an event doesn't inherit a path because it has the field under another path.
func (in *inheritance) isBarred(event pcommon.Map, keys []string) bool {
	for _, a := range in.alternatives {
		isAtPath := slices.Equal(a.path, keys) || len(a.path) == 1 && a.path[0] == keys[0]
		if isAtPath && a.isFilled(event) {
			return true
		}
	}
	return false
}

// isFilled reports whether an event has the field under another path.
func (a *alternative) isFilled(event pcommon.Map) bool {
	return slices.ContainsFunc(a.others, func(keys []string) bool { return hasText(event, keys) })
}

// appendIfCopied adds a path if the event gets its first key from the envelope.
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
