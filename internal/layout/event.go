// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import "go.opentelemetry.io/collector/pdata/pcommon"

// EventType returns the type of the event that was found last, as it stood then.
func (r *Reader) EventType() string {
	return r.eventType
}

// SetEventType writes a new event type to each place of the layout that holds the old one.
func (r *Reader) SetEventType(from, to string) {
	for i := range r.claimed.eventType {
		p := &r.claimed.eventType[i]
		if p.start == startEventName {
			if r.from.record.EventName() == from {
				r.from.record.SetEventName(to)
			}
			continue
		}
		if v, present := p.value(&r.from); present && v.Type() == pcommon.ValueTypeStr && v.Str() == from {
			v.SetStr(to)
		}
	}
}

// Root is where the event starts: the body or the attributes of the record.
func (r *Reader) Root() pcommon.Map {
	return r.from.root
}

// OtherFields returns all fields of an event in the form of Amplitude's own API, those too that have an accessor here;
// false for every other form, whose fields mean something else.
func (r *Reader) OtherFields() (pcommon.Map, bool) {
	if !r.claimed.isAmplitudes {
		return pcommon.Map{}, false
	}
	return r.from.root, true
}

// Properties returns the event's properties, false where they are missing or no map.
func (r *Reader) Properties() (pcommon.Map, bool) {
	return r.mapping(r.claimed.properties)
}

// UserID returns the user's id as it stands, a number as its exact text, "" where there is none.
func (r *Reader) UserID() string {
	return r.textOf(r.claimed.userID)
}

// DeviceID returns the device's id as it stands, a number as its exact text, "" where there is none.
func (r *Reader) DeviceID() string {
	return r.textOf(r.claimed.deviceID)
}

// InsertID returns the id by which Amplitude recognises a repeated event, "" where there is none.
func (r *Reader) InsertID() string {
	return r.textOf(r.claimed.insertID)
}

// SessionID returns the id of the session, a number as its exact text, "" where there is none.
func (r *Reader) SessionID() string {
	return r.textOf(r.claimed.sessionID)
}

// UserProperties returns the user properties that stand beside the event, or operations on them, false where there is no
// such map.
func (r *Reader) UserProperties() (pcommon.Map, bool) {
	return r.mapping(r.claimed.userProperties)
}

// Groups returns the event's groups, false where there is no such map.
func (r *Reader) Groups() (pcommon.Map, bool) {
	return r.mapping(r.claimed.groups)
}

// IP returns the address from which the event was sent, "" where there is none.
func (r *Reader) IP() string {
	return r.textOf(r.claimed.ip)
}

// AppVersion returns the version of the app, a number as its exact text, "" where there is none.
func (r *Reader) AppVersion() string {
	return r.textOf(r.claimed.appVersion)
}

// Platform returns the kind of device, as the producer calls it, "" where there is none.
func (r *Reader) Platform() string {
	return r.textOf(r.claimed.platform)
}

// OSName returns the name of the operating system, "" where there is none.
func (r *Reader) OSName() string {
	return r.textOf(r.claimed.osName)
}

// Language returns the user's language, "" where there is none.
func (r *Reader) Language() string {
	return r.textOf(r.claimed.language)
}

// UserAgent returns the user agent, "" where there is none.
func (r *Reader) UserAgent() string {
	return r.textOf(r.claimed.userAgent)
}

func (r *Reader) mapping(paths []path) (pcommon.Map, bool) {
	for i := range paths {
		if m, isMap := paths[i].mapping(&r.from); isMap {
			return m, true
		}
	}
	return pcommon.Map{}, false
}

func (r *Reader) textOf(paths []path) string {
	for i := range paths {
		if text := r.textAt(&paths[i]); text != "" {
			return text
		}
	}
	return ""
}

// textAt is the text or number at a path, "" where there is none.
func (r *Reader) textAt(p *path) string {
	v, present := p.value(&r.from)
	if !present || v.Type() == pcommon.ValueTypeBool {
		return ""
	}
	text, _ := Text(v)
	return text
}

// Time returns the event's own time, 0 where it has none: the `time` among its properties, else the layout's, else the
// record's Timestamp. What cannot be a time is passed over.
func (r *Reader) Time(inProperties pcommon.Value) pcommon.Timestamp {
	if at, valid := Time(inProperties); valid {
		return at
	}
	for i := range r.claimed.time {
		if r.claimed.time[i].start == startTime {
			if at := r.from.record.Timestamp(); at != 0 {
				return at
			}
			continue
		}
		v, present := r.claimed.time[i].value(&r.from)
		if !present {
			continue
		}
		if at, valid := Time(v); valid {
			return at
		}
	}
	return r.from.record.Timestamp()
}
