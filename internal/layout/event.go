// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impressionprocessor/internal/layout"

import "go.opentelemetry.io/collector/pdata/pcommon"

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

// Properties returns the event's properties, false where they are missing or no map.
func (r *Reader) Properties() (pcommon.Map, bool) {
	for i := range r.claimed.properties {
		if m, isMap := r.claimed.properties[i].mapping(&r.from); isMap {
			return m, true
		}
	}
	return pcommon.Map{}, false
}

// UserID returns the user's id as it stands, a number as its exact text, "" where there is none.
func (r *Reader) UserID() string {
	return r.id(r.claimed.userID)
}

// DeviceID returns the device's id as it stands, a number as its exact text, "" where there is none.
func (r *Reader) DeviceID() string {
	return r.id(r.claimed.deviceID)
}

// InsertID returns the id by which Amplitude recognises a repeated event, "" where there is none.
func (r *Reader) InsertID() string {
	return r.id(r.claimed.insertID)
}

// SessionID returns the id of the session, a number as its exact text, "" where there is none.
func (r *Reader) SessionID() string {
	return r.id(r.claimed.sessionID)
}

func (r *Reader) id(paths []path) string {
	for i := range paths {
		v, present := paths[i].value(&r.from)
		if !present || v.Type() == pcommon.ValueTypeBool {
			continue
		}
		if text, isText := Text(v); isText && text != "" {
			return text
		}
	}
	return ""
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
