// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

// startSet has a bit for each start of a path.
type startSet uint8

func setOf(s start) startSet {
	return 1 << s
}

// field is a key at which a layout reads a field of an event.
type field struct {
	// starts are those of the paths with the key.
	starts startSet
	// of are all paths of the field, of which the first with a value is read; nil where the key is the field's in any case.
	of []path
	// isMap says that the field is a map, not a text.
	isMap bool
}

// addFields notes the keys at which the layout reads, if its properties may be all that is beside them. A path of several
// keys does not count: there may be properties beside the value that it leads to.
func (l *layout) addFields() {
	if !l.hasFlatProperties() {
		return
	}
	l.fields = map[string]field{}
	for _, paths := range [][]path{
		l.userID, l.deviceID, l.insertID, l.sessionID, l.ip, l.appVersion, l.platform, l.osName, l.language, l.userAgent,
	} {
		for _, p := range paths {
			l.addField(p, field{of: paths})
		}
	}
	for _, paths := range [][]path{l.userProperties, l.groups} {
		for _, p := range paths {
			l.addField(p, field{of: paths, isMap: true})
		}
	}
	for i := range l.eventType {
		l.addField(l.eventType[i].path, field{})
	}
	for _, p := range l.time {
		l.addField(p, field{})
	}
	if l.only != (condition{}) {
		l.addField(path{start: startEvent, keys: []string{l.only.key}}, field{})
	}
}

func (l *layout) addField(p path, added field) {
	if len(p.keys) == 1 {
		added.starts = l.fields[p.keys[0]].starts | setOf(p.start)
		l.fields[p.keys[0]] = added
	}
}

// hasFlatProperties says whether the properties can be the event, the attributes or the body itself.
func (l *layout) hasFlatProperties() bool {
	for _, p := range l.properties {
		if len(p.keys) == 0 {
			return true
		}
	}
	return false
}

// IsField says of a key of the event's properties whether one of the event's fields was read there, such as its type, an
// id or its time, so that it is no property: those stand beside one another where the properties are the event, the
// attributes or the body itself. It is false for every key where the properties are a map of their own, and for the key
// of a field that was read elsewhere.
func (r *Reader) IsField(key string) bool {
	known, is := r.claimed.fields[key]
	if !is || known.starts&r.startsOfProperties() == 0 {
		return false
	}
	return known.of == nil || r.readAt(&known, key)
}

// readAt says whether a field is read at this one key.
func (r *Reader) readAt(f *field, key string) bool {
	for i := range f.of {
		p := &f.of[i]
		if r.holds(p, f.isMap) {
			return len(p.keys) == 1 && p.keys[0] == key
		}
	}
	return false
}

func (r *Reader) holds(p *path, isMap bool) bool {
	if isMap {
		_, is := p.mapping(&r.from)
		return is
	}
	return r.textAt(p) != ""
}

// startsOfProperties are the starts of paths that lead into the event's properties with their first key.
func (r *Reader) startsOfProperties() startSet {
	for i := range r.claimed.properties {
		p := &r.claimed.properties[i]
		if _, isMap := p.mapping(&r.from); !isMap {
			continue
		}
		if len(p.keys) > 0 {
			return 0
		}
		ofRoot := setOf(startEvent) | setOf(startAttributes)
		if r.from.inBody {
			ofRoot = setOf(startEvent) | setOf(startBody)
		}
		if ofRoot&setOf(p.start) != 0 {
			return ofRoot
		}
		return setOf(p.start)
	}
	return 0
}
