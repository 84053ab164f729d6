// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"cmp"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// Event is the event of a log record, or the reason why the record can't be read as one. It is valid until the next
// iteration of the loop over Events.
type Event struct {
	event.Event
	// Problem is the reason why the record can't be read as an event. If it isn't NoProblem, only Record is set.
	Problem Problem
	// Record is the record of the event.
	Record plog.LogRecord
	// Root is the map at which the event starts: the record's body or its attributes.
	Root pcommon.Map
	// TypeIndex is the index of the event's type in the reader's types, or 0 if the reader finds any type.
	TypeIndex int

	reader *Reader
	// index is the final index of the record in the scope.
	index   int
	layout  *matchedLayout
	source  layout.Source
	changed bool
	// isFlat reports whether other fields can stand among the properties, and must be marked. They can if the properties are
	// the attributes, the body, or the root.
	isFlat bool
	// isUsed reports whether the event was read since the last Reset of the reader.
	isUsed bool
	// attributed are the user properties with attribution, and unattributed are those without. If hasTraits, they are traits.
	attributed, unattributed pcommon.Map
	hasTraits                bool
}

// InsertBefore inserts an empty record directly before the event's, and returns its index. The record is there only after the
// loop. The event's own index grows by one.
func (e *Event) InsertBefore() int {
	e.reader.insert()
	e.index++
	return e.index - 1
}

// SetType replaces the event type at each path of the layout that leads to the old one. If the body was a JSON text, the
// parsed value permanently replaces it.
func (e *Event) SetType(eventType string) {
	old := e.Text(event.Type)
	for i := range e.layout.types {
		p := &e.layout.types[i]
		if p.Start == layout.EventName {
			if e.Record.EventName() == old {
				e.Record.SetEventName(eventType)
			}
			continue
		}
		if v, present := p.Value(&e.source); present && v.Type() == pcommon.ValueTypeStr && v.Str() == old {
			v.SetStr(eventType)
		}
	}
	e.SetText(event.Type, eventType)
	e.changed = true
}

// Call returns what the event's layout says about its call. A record that isn't an event counts as a track call.
func (e *Event) Call() *layout.Call {
	if e.layout == nil {
		return &layout.Call{}
	}
	return &e.layout.Call
}

// ValueAt returns the value at the first of the paths that leads to one that isn't null, and reports whether there is one.
func (e *Event) ValueAt(paths []layout.Path) (pcommon.Value, bool) {
	for i := range paths {
		if v, present := paths[i].Value(&e.source); present && pdatautil.IsSet(v) {
			return v, true
		}
	}
	return pcommon.Value{}, false
}

// TextAt returns the text or number at the first of the paths that leads to one, or "" if there is none.
func (e *Event) TextAt(paths []layout.Path) string {
	for i := range paths {
		v, present := paths[i].Value(&e.source)
		if text := textOf(v, present); text != "" {
			return text
		}
	}
	return ""
}

// clear drops the reference to the record that was read.
func (e *Event) clear() {
	e.Reset()
	e.Problem, e.Record, e.Root, e.TypeIndex = NoProblem, plog.LogRecord{}, pcommon.Map{}, 0
	e.reader, e.index, e.layout, e.source, e.changed, e.isFlat = nil, 0, nil, layout.Source{}, false, false
	e.attributed, e.unattributed = pcommon.Map{}, pcommon.Map{}
}

// readFields reads the given fields from an event that a layout claims.
func (e *Event) readFields(fields []event.Field, tellProperties bool) {
	if e.layout.AllFields {
		e.Passthrough = e.Root
	}
	e.UserTraits, e.attributed = e.layout.UserTraits, pcommon.Map{}
	// Properties come first, because the other fields must be marked if they are among the properties.
	values := &e.reader.values
	values.begin(e.layout.fields, &e.source)
	for _, f := range fields {
		if f == event.Properties {
			e.readProperties(e.layout.fields.paths[f], tellProperties)
		}
	}
	for _, f := range fields {
		if values.has(f) && f != event.Properties {
			e.readField(f, e.layout.fields.paths[f])
		}
	}
	if e.layout.Operations != nil && values.has(event.UserProperties) {
		e.joinOperations()
	}
	if values.hasAny(event.Price, event.Currency) {
		e.settleRevenue()
	}
	if values.hasAny(event.IDFA, event.ADID) {
		e.settleAdvertisingIDs()
	}
}

// readField reads a field other than the properties.
func (e *Event) readField(f event.Field, paths []fieldPath) {
	switch f.Kind() {
	case event.Text:
		e.readText(f, paths)
	case event.ID:
		e.readID(f, paths)
	case event.Address:
		e.readAddress(f, paths)
	case event.Session:
		e.readSession(f, paths)
	case event.Moment:
		e.readTime(f, paths)
	case event.Number:
		e.readNumber(f, paths)
	case event.Map:
		e.readMap(f, paths)
	}
}

// readProperties uses the first map with a flag key, in its pre or post form. If no map has one, it uses the first map.
// The properties of an OpenTelemetry event can be in the attributes or in the body.
func (e *Event) readProperties(paths []fieldPath, tellProperties bool) {
	var from *fieldPath
	var properties pcommon.Map
	for i := range paths {
		m, isMap := e.mapAt(&paths[i])
		if isMap && (from == nil || impression.HasFlagKey(m) && !impression.HasFlagKey(properties)) {
			from, properties = &paths[i], m
		}
	}
	if from == nil {
		return
	}
	e.SetMap(event.Properties, properties)
	e.isFlat = tellProperties && len(from.Keys) == 0
	if e.isFlat {
		e.markTypeAndCondition(properties)
	}
}

// markTypeAndCondition marks the event type and the key of the condition as read.
func (e *Event) markTypeAndCondition(properties pcommon.Map) {
	for i := range e.layout.types {
		if v, present := e.layout.types[i].Value(&e.source); present {
			e.mark(&e.layout.types[i].Path, v)
		}
	}
	if key := e.layout.Condition.Key; key != "" && properties == e.Root {
		if v, present := properties.Get(key); present {
			e.MarkRead(v)
		}
	}
}

// mark records that a value isn't a property, if it stands among the properties.
func (e *Event) mark(p *layout.Path, v pcommon.Value) {
	if !e.isFlat {
		return
	}
	if properties, _ := e.Map(event.Properties); p.StandsIn(&e.source, properties) {
		e.MarkRead(v)
	}
}

func (e *Event) readText(f event.Field, paths []fieldPath) {
	if p, v, text := e.firstText(paths); p != nil {
		if f == event.Platform && e.layout.CanonicalPlatform {
			text = canonicalPlatform(text)
		}
		e.SetText(f, text)
		e.mark(&p.Path, v)
	} else if f == event.Platform && e.isFromBrowser() {
		e.SetText(f, "Web")
	}
}

// canonicalPlatform returns a platform as Amplitude's SDKs spell it.
func canonicalPlatform(text string) string {
	for _, canonical := range [...]string{"iOS", "Android"} {
		if strings.EqualFold(text, canonical) {
			return canonical
		}
	}
	return text
}

// isFromBrowser reports whether the producer's library for browsers sent the event.
func (e *Event) isFromBrowser() bool {
	if e.layout.fields.web.slot == noSlot {
		return false
	}
	v, present := e.valueAt(&e.layout.fields.web)
	return present && v.Type() == pcommon.ValueTypeStr && v.Str() == e.layout.Web.Value
}

// valueAt returns the value at a path, and reports whether there is one.
func (e *Event) valueAt(p *fieldPath) (pcommon.Value, bool) {
	return e.reader.values.at(p, &e.source)
}

// mapAt returns the map at a path, and reports whether there is one.
func (e *Event) mapAt(p *fieldPath) (pcommon.Map, bool) {
	if len(p.Keys) == 0 {
		return p.Container(&e.source)
	}
	v, present := e.valueAt(p)
	if !present || v.Type() != pcommon.ValueTypeMap {
		return pcommon.Map{}, false
	}
	return v.Map(), true
}

// firstText returns the first of the paths that leads to a text, with its value and text. It returns nil if there is none.
func (e *Event) firstText(paths []fieldPath) (*fieldPath, pcommon.Value, string) {
	for i := range paths {
		if v, text := e.textAt(&paths[i]); text != "" {
			return &paths[i], v, text
		}
	}
	return nil, pcommon.Value{}, ""
}

// textAt returns the string or number at a path as text, or "" if there is none.
func (e *Event) textAt(p *fieldPath) (pcommon.Value, string) {
	v, present := e.valueAt(p)
	return v, textOf(v, present)
}

// textOf returns a string or number as text, or "" for anything else.
func textOf(v pcommon.Value, present bool) string {
	if !present || v.Type() == pcommon.ValueTypeBool {
		return ""
	}
	text, _ := pdatautil.Text(v)
	return text
}

func (e *Event) readNumber(f event.Field, paths []fieldPath) {
	for i := range paths {
		v, present := e.valueAt(&paths[i])
		if !present {
			continue
		}
		if n, isNumber := number(v); isNumber {
			e.SetNumber(f, n)
			e.mark(&paths[i].Path, v)
			return
		}
	}
}

// remoteAddress is what an event has as its IP address if Amplitude shall use the address that sends the request.
const remoteAddress = "$remote"

// clientAddress leads to the address that sent the event to the collector, if the receiver knows it.
var clientAddress = fieldPath{Path: layout.Path{Start: layout.Attributes, Keys: []string{"client.address"}}, slot: noSlot}

// readAddress skips remoteAddress. If no path leads to another address, it uses the one at clientAddress instead.
func (e *Event) readAddress(f event.Field, paths []fieldPath) {
	for i := range paths {
		if e.readAddressAt(f, &paths[i]) {
			return
		}
	}
	if e.RemoteIP {
		e.readAddressAt(f, &clientAddress)
	}
}

// readAddressAt reads the address at a path, and reports whether there is one.
func (e *Event) readAddressAt(f event.Field, p *fieldPath) bool {
	v, address := e.textAt(p)
	if address == "" {
		return false
	}
	e.mark(&p.Path, v)
	if address == remoteAddress {
		e.RemoteIP = true
		return false
	}
	e.SetText(f, address)
	return true
}

// readID skips an id that Amplitude refuses, and one that is too short. If no path leads to another id, it uses the first short
// one or, if there is none, the first refused one.
func (e *Event) readID(f event.Field, paths []fieldPath) {
	device := ""
	if f == event.UserID && e.layout.AnonymousUserIsDevice {
		_, _, device = e.firstText(e.layout.fields.paths[event.DeviceID])
	}
	var short, refused *fieldPath
	for i := range paths {
		p := &paths[i]
		v, id := e.textAt(p)
		switch {
		case id == "" || id == device:
		case refuses(f, id):
			refused = cmp.Or(refused, p)
		case !amplitude.LongEnough(id, e.reader.MinIDLength):
			short = cmp.Or(short, p)
		default:
			e.SetText(f, id)
			e.mark(&p.Path, v)
			return
		}
	}
	if p := cmp.Or(short, refused); p != nil {
		v, id := e.textAt(p)
		e.SetText(f, id)
		e.mark(&p.Path, v)
	}
}

// refuses reports whether Amplitude refuses an id in the given field.
func refuses(f event.Field, id string) bool {
	return amplitude.RefusedID(id) || f == event.DeviceID && amplitude.RefusedDeviceID(id)
}

// readSession skips a session id that isn't an integer. It also skips 0 and negative ones, because they mean that there
// is no session.
func (e *Event) readSession(f event.Field, paths []fieldPath) {
	for i := range paths {
		v, present := e.valueAt(&paths[i])
		if !present {
			continue
		}
		n, isInteger, isInvalid := integer(v)
		e.InvalidSession = e.InvalidSession || isInvalid
		if !isInteger || n <= 0 {
			continue
		}
		if n >= 1e9 && n < 1e10 {
			n *= 1000
		}
		e.SetInteger(f, n)
		e.InvalidSession = false
		e.mark(&paths[i].Path, v)
		return
	}
}

// readTime skips a value that isn't a time. If no path leads to a time, it uses the record's Timestamp.
func (e *Event) readTime(f event.Field, paths []fieldPath) {
	at := pcommon.Timestamp(0)
	for i := range paths {
		p := &paths[i]
		if p.Start == layout.Timestamp {
			at = cmp.Or(at, e.Record.Timestamp())
			continue
		}
		v, present := e.valueAt(p)
		if !present {
			continue
		}
		// Mark every time, because the unused ones aren't properties either.
		e.mark(&p.Path, v)
		if at == 0 {
			at, _ = pdatautil.Time(v)
		}
	}
	e.SetInteger(f, int64(cmp.Or(at, e.Record.Timestamp())))
}

// readMap reads the first map that isn't empty or, if all are, the first.
func (e *Event) readMap(f event.Field, paths []fieldPath) {
	var from *fieldPath
	for i := range paths {
		m, isMap := e.mapAt(&paths[i])
		if !isMap || from != nil && m.Len() == 0 {
			continue
		}
		from = &paths[i]
		e.SetMap(f, m)
		if m.Len() > 0 {
			break
		}
	}
	if from == nil {
		return
	}
	if v, present := e.valueAt(from); present {
		e.mark(&from.Path, v)
	}
}
