// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impressionprocessor/internal/layout"

// startSet has a bit for each start of a path.
type startSet uint8

func setOf(s start) startSet {
	return 1 << s
}

// addFields notes the keys at which the layout reads, if its properties may be all that is beside them. A path of several
// keys does not count: there may be properties beside the value that it leads to.
func (l *layout) addFields() {
	if !l.hasFlatProperties() {
		return
	}
	l.fields = map[string]startSet{}
	for i := range l.eventType {
		l.addField(l.eventType[i].path)
	}
	for _, paths := range [][]path{
		l.userID, l.deviceID, l.insertID, l.time, l.sessionID, l.userProperties, l.groups,
		l.ip, l.appVersion, l.platform, l.osName, l.language, l.userAgent,
	} {
		for _, p := range paths {
			l.addField(p)
		}
	}
	if l.only != (condition{}) {
		l.addField(path{start: startEvent, keys: []string{l.only.key}})
	}
}

func (l *layout) addField(p path) {
	if len(p.keys) == 1 {
		l.fields[p.keys[0]] |= setOf(p.start)
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

// IsField says of a key of the event's properties whether it is one of the event's fields, such as its type, an id or its
// time, and no property: those stand beside one another where the properties are the event, the attributes or the body
// itself. It is false for every key where the properties are a map of their own.
func (r *Reader) IsField(key string) bool {
	held, known := r.claimed.fields[key]
	return known && held&r.startsOfProperties() != 0
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
