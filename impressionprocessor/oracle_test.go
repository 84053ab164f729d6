// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"cmp"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file is the oracle: what the processor makes of a scope of records, decided by the contract on plain Go values. It
// shares no code with the reader, and prefers obvious to fast. FuzzOracle compares the two.

// plainRecord is a log record in plain Go values: nil, bool, int64, float64, string, []any and map[string]any.
type plainRecord struct {
	EventName           string
	Timestamp, Observed int64
	Attributes          map[string]any
	Body                any
}

// plainScope is the records of one scope, and the attributes of their resource.
type plainScope struct {
	Resource map[string]any
	Records  []plainRecord
}

// oracleField lists the paths of one field of a layout. "a.b" is the key b in the map under the key a.
type oracleField []string

// oracleLayout is a row of the table of presets.
type oracleLayout struct {
	// eventType returns the path of the event type in a root, "" if the layout finds none.
	eventType func(root map[string]any) string
	// recognized are the keys by which the layout recognizes an event, which events don't inherit from an envelope.
	recognized []string
	// properties is "." for the root itself.
	properties                                   string
	userID, deviceID, insertID, times, sessionID oracleField
}

// oracleOtel finds its event type, identity and properties in the record, not in a root: see the methods of oracleEvent.
var oracleOtel = &oracleLayout{insertID: oracleField{"log.record.uid"}}

var oracleLayouts = map[string]*oracleLayout{
	"otel": oracleOtel,
	"amplitude": {
		eventType:  func(root map[string]any) string { return nameAt(root, "event_type") },
		recognized: []string{"event_type"},
		properties: "event_properties",
		userID:     oracleField{"user_id"},
		deviceID:   oracleField{"device_id"},
		insertID:   oracleField{"insert_id", "$insert_id"},
		times:      oracleField{"time", "event_time"},
		sessionID:  oracleField{"session_id"},
	},
	"segment": {
		eventType:  trackCall,
		recognized: []string{"event", "type"},
		properties: "properties",
		userID:     oracleField{"userId"},
		deviceID:   oracleField{"context.device.id", "anonymousId"},
		insertID:   oracleField{"messageId"},
		times:      oracleField{"timestamp", "originalTimestamp", "sentAt", "receivedAt"},
		sessionID:  oracleField{"integrations.Actions Amplitude.session_id", "integrations.Amplitude.session_id", "context.sessionId"},
	},
	"rudderstack": {
		eventType:  trackCall,
		recognized: []string{"event", "type"},
		properties: "properties",
		userID:     oracleField{"userId"},
		deviceID:   oracleField{"anonymousId", "context.device.id"},
		insertID:   oracleField{"messageId"},
		times:      oracleField{"timestamp", "originalTimestamp"},
		sessionID:  oracleField{"session_id", "context.sessionId"},
	},
	"mparticle": {
		eventType: func(root map[string]any) string {
			if root["event_type"] != "custom_event" {
				return ""
			}
			return nameAt(root, "data.event_name")
		},
		recognized: []string{"data", "event_type"},
		properties: "data.custom_attributes",
		userID:     oracleField{"user_identities.customer_id"},
		deviceID:   oracleField{"mp_deviceid"},
		insertID:   oracleField{"data.source_message_id"},
		times:      oracleField{"data.timestamp_unixtime_ms"},
		sessionID:  oracleField{"data.session_start_unixtime_ms"},
	},
	"snowplow": {
		eventType: func(root map[string]any) string {
			if root["event_name"] == "event" && nameAt(root, "se_action") != "" {
				return "se_action"
			}
			return nameAt(root, "event_name")
		},
		recognized: []string{"event_name", "se_action"},
		properties: "props", // by hand, see oracleConfigs
		userID:     oracleField{"user_id"},
		deviceID:   oracleField{"domain_userid", "network_userid"},
		insertID:   oracleField{"event_id"},
		times:      oracleField{"derived_tstamp", "collector_tstamp"},
	},
	"tealium": {
		eventType:  func(root map[string]any) string { return nameAt(root, "tealium_event") },
		recognized: []string{"tealium_event"},
		properties: ".",
		userID:     oracleField{"customer_id"}, // by hand, see oracleConfigs
		deviceID:   oracleField{"tealium_visitor_id"},
		times:      oracleField{"tealium_timestamp_epoch_milliseconds", "tealium_timestamp_utc", "tealium_timestamp_epoch"},
		sessionID:  oracleField{"tealium_session_id"},
	},
	"posthog": {
		eventType: func(root map[string]any) string {
			if valueAt(root, "properties.distinct_id") == nil && valueAt(root, "distinct_id") == nil {
				return ""
			}
			return nameAt(root, "event")
		},
		recognized: []string{"event"},
		properties: "properties",
		userID:     oracleField{"distinct_id", "properties.distinct_id"},
		deviceID:   oracleField{"properties.$device_id"},
		insertID:   oracleField{"uuid"},
		times:      oracleField{"timestamp"},
	},
}

// trackCall finds the event type of Segment's track calls and of the like.
func trackCall(root map[string]any) string {
	switch kind := root["type"].(type) {
	case nil:
		if root["userId"] == nil && root["anonymousId"] == nil && root["messageId"] == nil {
			return ""
		}
	case string:
		if !strings.EqualFold(kind, "track") {
			return ""
		}
	default:
		return ""
	}
	return nameAt(root, "event")
}

// nameAt returns the path if an event's name is there.
func nameAt(root map[string]any, path string) string {
	if name, _ := valueAt(root, path).(string); name != "" {
		return path
	}
	return ""
}

// valueAt returns the value at a path, nil if it is null or missing.
func valueAt(root map[string]any, path string) any {
	first, rest, nested := strings.Cut(path, ".")
	if !nested {
		return root[first]
	}
	inner, _ := root[first].(map[string]any)
	return valueAt(inner, rest)
}

// mapAt returns the map that holds the last key of a path, and that key.
func mapAt(root map[string]any, path string) (map[string]any, string) {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		inner, _ := valueAt(root, path[:i]).(map[string]any)
		return inner, path[i+1:]
	}
	return root, path
}

// oracle decides by the contract.
type oracle struct {
	// deepest is the level of the innermost envelope of the record that was unrolled last.
	deepest       int
	layouts       []*oracleLayout
	eventTypes    map[string]string
	unsetVariants []string
}

// oracleEvent is a record that a layout claims.
type oracleEvent struct {
	record *plainRecord
	layout *oracleLayout
	// root is the record's body or its attributes.
	root map[string]any
	// typePath is where the event type is in the root. It is "" for the layout otel.
	typePath string
	name     string
}

// scope returns what the processor makes of a scope.
func (o *oracle) scope(scope plainScope) []plainRecord {
	var out []plainRecord
	for _, record := range scope.Records {
		out = append(out, o.record(scope.Resource, record)...)
	}
	return out
}

// record returns what becomes of one record, whatever stands beside it.
func (o *oracle) record(resource map[string]any, record plainRecord) []plainRecord {
	if _, claimed := o.claim(&record); claimed {
		out, _ := o.event(resource, record)
		return out
	}
	var out []plainRecord
	if leaves := o.unroll(record.Body); leaves != nil {
		for _, leaf := range leaves {
			single := record
			single.Body = leaf
			events, _ := o.event(resource, single)
			out = append(out, events...)
		}
		return out
	}
	if leaves := o.unroll(record.Attributes); leaves != nil {
		for i, leaf := range leaves {
			single := record
			single.Attributes = leaf
			if i > 0 || parseJSON(record.Body) != nil {
				single.Body = nil
			}
			events, _ := o.event(resource, single)
			out = append(out, events...)
		}
		return out
	}
	return o.text(resource, record)
}

// text returns what becomes of a record that may hold events as a JSON text.
func (o *oracle) text(resource map[string]any, record plainRecord) []plainRecord {
	parsed := record
	parsed.Body = parseJSON(record.Body)
	if parsed.Body == nil {
		return []plainRecord{record}
	}
	if _, claimed := o.claim(&parsed); claimed {
		if out, changed := o.event(resource, parsed); changed {
			return out
		}
		return []plainRecord{record}
	}
	if o.unroll(parsed.Body) != nil {
		return o.record(resource, parsed)
	}
	return []plainRecord{record}
}

// claim returns the event that the first layout finds.
func (o *oracle) claim(record *plainRecord) (oracleEvent, bool) {
	var roots []map[string]any
	if body, isMap := record.Body.(map[string]any); isMap {
		roots = append(roots, body)
	}
	roots = append(roots, record.Attributes)
	for _, layout := range o.layouts {
		if layout == oracleOtel {
			name := record.EventName
			if name == "" {
				name, _ = record.Attributes["event.name"].(string)
			}
			if name != "" {
				return oracleEvent{record: record, layout: layout, root: record.Attributes, name: name}, true
			}
			continue
		}
		for _, root := range roots {
			if path := layout.eventType(root); path != "" {
				return oracleEvent{record: record, layout: layout, root: root, typePath: path, name: valueAt(root, path).(string)}, true
			}
		}
	}
	return oracleEvent{}, false
}

// oracleEnvelope returns the fields and the list of an envelope, no list if the value isn't one.
func oracleEnvelope(value any) (map[string]any, []map[string]any) {
	if list, isList := value.([]any); isList {
		return nil, onlyMaps(list)
	}
	whole, isMap := value.(map[string]any)
	if !isMap {
		return nil, nil
	}
	batch, _ := whole["batch"].([]any)
	events, _ := whole["events"].([]any)
	key, list := "batch", onlyMaps(batch)
	if other := onlyMaps(events); other != nil {
		if list != nil {
			return nil, nil
		}
		key, list = "events", other
	}
	fields := clonePlain(whole).(map[string]any)
	delete(fields, key)
	return fields, list
}

// onlyMaps returns the elements of a list that isn't empty and holds only maps, else nil.
func onlyMaps(list []any) []map[string]any {
	var all []map[string]any
	for _, element := range list {
		m, isMap := element.(map[string]any)
		if !isMap {
			return nil
		}
		all = append(all, m)
	}
	return all
}

// oracleLevels is how many envelopes are searched, oracleNesting how many may be within one another.
const (
	oracleLevels  = 3
	oracleNesting = 64
)

// unroll returns the events of an envelope that holds one of a listed type, else nil.
func (o *oracle) unroll(value any) []map[string]any {
	fields, list := oracleEnvelope(value)
	o.deepest = 0
	leaves, listed := o.leaves(fields, list, 1)
	if !listed || o.deepest > oracleNesting {
		return nil
	}
	return leaves
}

// leaves returns all events of an envelope, also of those within, and reports whether one is of a listed type.
func (o *oracle) leaves(fields map[string]any, list []map[string]any, level int) ([]map[string]any, bool) {
	o.deepest = max(o.deepest, level)
	var all []map[string]any
	anyListed := false
	for _, element := range list {
		event, claimed := o.claim(&plainRecord{Body: o.inherit(element, fields)})
		if innerFields, inner := oracleEnvelope(element); inner != nil && !claimed {
			// The list isn't one of the fields that the inner envelope has.
			innerLeaves, listed := o.leaves(o.inherit(innerFields, fields), inner, level+1)
			all, anyListed = append(all, innerLeaves...), anyListed || listed
			continue
		}
		_, listed := o.eventTypes[event.name]
		all, anyListed = append(all, o.inherit(element, fields)), anyListed || claimed && listed && level <= oracleLevels
	}
	return all, anyListed
}

// inherit returns an event of an envelope with the envelope's fields that it lacks.
func (o *oracle) inherit(event, fields map[string]any) map[string]any {
	merged := clonePlain(event).(map[string]any)
	for key, value := range fields {
		if merged[key] != nil || o.neverInherited(key) {
			continue
		}
		// Nested fields are removed from a copy of the value under its key.
		holder := map[string]any{key: clonePlain(value)}
		for _, layout := range o.layouts {
			for _, paths := range []oracleField{layout.userID, layout.deviceID, layout.times, layout.sessionID} {
				removeOtherPaths(holder, event, paths)
			}
		}
		if inherited, left := holder[key]; left {
			merged[key] = inherited
		}
	}
	return merged
}

func (o *oracle) neverInherited(key string) bool {
	if slices.Contains([]string{"api_key", "writeKey", "write_key", "token"}, key) {
		return true
	}
	return slices.ContainsFunc(o.layouts, func(layout *oracleLayout) bool {
		return slices.Contains(layout.recognized, key) || slices.Contains(layout.insertID, key)
	})
}

// removeOtherPaths removes a field from what an event would inherit if the event has it under another path.
func removeOtherPaths(inherited, event map[string]any, paths oracleField) {
	for _, path := range paths {
		hasOther := slices.ContainsFunc(paths, func(other string) bool {
			value := valueAt(event, other)
			return other != path && value != nil && value != ""
		})
		if parent, key := mapAt(inherited, path); hasOther && parent != nil {
			delete(parent, key)
		}
	}
}

// event returns what becomes of a record that isn't an envelope, and reports whether that is something new.
func (o *oracle) event(resource map[string]any, original plainRecord) ([]plainRecord, bool) {
	record := original
	record.Attributes = clonePlain(original.Attributes).(map[string]any)
	record.Body = clonePlain(original.Body)
	event, claimed := o.claim(&record)
	post, listed := o.eventTypes[event.name]
	properties := event.properties()
	if !claimed || !listed || properties == nil {
		return []plainRecord{original}, false
	}
	flag, variant, impression := impressionOf(properties)
	if !impression {
		return []plainRecord{original}, false
	}
	out := o.update(&event, resource, flag, variant)
	if record.Timestamp == 0 {
		record.Timestamp = event.time()
	}
	event.rename(post)
	for name, renamed := range map[string]string{
		"flag_key": "[Experiment] Flag Key", "variant": "[Experiment] Variant", "experiment_key": "[Experiment] Experiment Key",
	} {
		if value, present := properties[name]; present {
			delete(properties, name)
			properties[renamed] = value
		}
	}
	return append(out, record), true
}

// impressionOf reads the properties of an event of a listed type. The variant is "" if there is none. It reports false if
// the event stays as it is.
func impressionOf(properties map[string]any) (flag, variant string, ok bool) {
	flag, _ = properties["flag_key"].(string)
	if flag == "" {
		return "", "", false
	}
	value, present := properties["variant"]
	if post, mixed := properties["[Experiment] Variant"]; mixed && (!present || value == nil && post != nil) {
		return "", "", false
	}
	switch value := value.(type) {
	case nil:
		return flag, "", true
	case string:
		return flag, value, true
	case bool:
		return flag, strconv.FormatBool(value), true
	case int64, float64:
		text := numberText(value)
		return flag, text, text != ""
	}
	return "", "", false
}

// hashedID stands for the insert id of an update whose impression has none or a very long one: a hash, whose form the contract
// leaves open.
const hashedID = "<hash>"

const insertIDSuffix = "-user-property"

// update returns the user property update of an impression, none if there is none.
func (o *oracle) update(event *oracleEvent, resource map[string]any, flag, variant string) []plainRecord {
	metadata, isMap := event.properties()["metadata"].(map[string]any)
	if !isMap {
		metadata, _ = parseJSON(event.properties()["metadata"]).(map[string]any)
	}
	user, device := event.identity(resource)
	if metadata["flagType"] == "mutual-exclusion-group" || user == "" && device == "" {
		return nil
	}
	operation := map[string]any{"$set": map[string]any{"[Experiment] " + flag: variant}}
	if variant == "" || metadata["default"] == true || metadata["default"] == "true" || slices.Contains(o.unsetVariants, variant) {
		operation = map[string]any{"$unset": map[string]any{"[Experiment] " + flag: "-"}}
	}
	attributes := map[string]any{"event_type": "$identify", "user_properties": operation, "insert_id": hashedID}
	if user != "" {
		attributes["user_id"] = user
	}
	if device != "" {
		attributes["device_id"] = device
	}
	for _, path := range event.layout.insertID {
		value := valueAt(event.root, path)
		if event.layout == oracleOtel {
			value = event.root[path]
		}
		if id := idText(value); id != "" {
			if len([]rune(id+insertIDSuffix)) <= 1024 {
				attributes["insert_id"] = id + insertIDSuffix
			}
			break
		}
	}
	return []plainRecord{{
		EventName: "$identify", Timestamp: event.time(), Observed: event.record.Observed, Attributes: attributes,
	}}
}

// properties returns the map of the event's properties, nil if there is none.
func (e *oracleEvent) properties() map[string]any {
	if e.layout == nil {
		return nil
	}
	if e.layout == oracleOtel {
		has := func(properties map[string]any) bool {
			return properties["flag_key"] != nil || properties["[Experiment] Flag Key"] != nil
		}
		if body, isMap := e.record.Body.(map[string]any); isMap && !has(e.root) && has(body) {
			return body
		}
		return e.root
	}
	if e.layout.properties == "." {
		return e.root
	}
	properties, _ := valueAt(e.root, e.layout.properties).(map[string]any)
	return properties
}

// rename gives the event its post form type, wherever the layout has it.
func (e *oracleEvent) rename(post string) {
	if e.layout != oracleOtel {
		parent, key := mapAt(e.root, e.typePath)
		parent[key] = post
		if e.layout == oracleLayouts["snowplow"] && e.root["se_action"] == e.name {
			e.root["se_action"] = post
		}
		return
	}
	if e.record.EventName == e.name {
		e.record.EventName = post
	}
	if e.root["event.name"] == e.name {
		e.root["event.name"] = post
	}
}

// identity returns whom the impression was shown to.
func (e *oracleEvent) identity(resource map[string]any) (user, device string) {
	var users, devices []any
	if e.layout == oracleOtel {
		for _, attributes := range []map[string]any{e.root, resource} {
			users = append(users, attributes["user.id"], attributes["enduser.id"])
			devices = append(devices, attributes["device.id"], attributes["app.installation.id"])
		}
	}
	for _, path := range e.layout.userID {
		users = append(users, valueAt(e.root, path))
	}
	for _, path := range e.layout.deviceID {
		devices = append(devices, valueAt(e.root, path))
	}
	device = firstID(devices, func(id string) bool { return refusedIDs[id] || strings.Trim(id, "0") == "" })
	if e.layout == oracleLayouts["posthog"] {
		users = slices.DeleteFunc(users, func(user any) bool { return idText(user) == device })
	}
	return firstID(users, func(id string) bool { return refusedIDs[id] }), device
}

var refusedIDs = map[string]bool{
	"anonymous": true, "nil": true, "none": true, "null": true, "n/a": true, "na": true, "undefined": true, "unknown": true,
	"{}": true, "0": true, "-1": true, "00000000-0000-0000-0000-000000000000": true, "lmy47d": true,
}

// firstID returns the first id of five characters or more that isn't refused. If there is none, it returns the first shorter one,
// and if each is refused, the first.
func firstID(candidates []any, refused func(string) bool) string {
	short, first := "", ""
	for _, candidate := range candidates {
		id := idText(candidate)
		switch {
		case id == "":
		case refused(id):
			first = cmp.Or(first, id)
		case len([]rune(id)) < 5:
			short = cmp.Or(short, id)
		default:
			return id
		}
	}
	return cmp.Or(short, first)
}

func idText(value any) string {
	if text, isString := value.(string); isString {
		return text
	}
	return numberText(value)
}

// numberText returns the text of a finite number, else "".
func numberText(value any) string {
	switch number := value.(type) {
	case int64:
		return strconv.FormatInt(number, 10)
	case float64:
		if math.IsNaN(number) || math.IsInf(number, 0) {
			return ""
		}
		return strconv.FormatFloat(number, 'f', -1, 64)
	}
	return ""
}

// time returns the event's own time in nanoseconds, 0 if it is unknown.
func (e *oracleEvent) time() int64 {
	candidates := []any{e.properties()["time"]}
	for _, path := range e.layout.times {
		candidates = append(candidates, valueAt(e.root, path))
	}
	for _, candidate := range candidates {
		if moment := plainTime(candidate); moment != 0 {
			return moment
		}
	}
	return e.record.Timestamp
}

// plainTime returns the time that a value means in nanoseconds, 0 if that is none from 2000 to 2099.
func plainTime(value any) int64 {
	first := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	end := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	if text, isString := value.(string); isString {
		for _, form := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999"} {
			if moment, err := time.Parse(form, text); err == nil && moment.Year() >= 2000 && moment.Year() < 2100 {
				return moment.UnixNano()
			}
		}
		return 0
	}
	epoch, err := strconv.ParseInt(numberText(value), 10, 64)
	if err != nil {
		return 0
	}
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond, time.Nanosecond} {
		if epoch >= first/int64(unit) && epoch < end/int64(unit) {
			return epoch * int64(unit)
		}
	}
	return 0
}

// parseJSON returns the object or list that a text holds, else nil.
func parseJSON(value any) any {
	text, isString := value.(string)
	if !isString {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var parsed any
	if decoder.Decode(&parsed) != nil {
		return nil
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil
	}
	switch parsed.(type) {
	case map[string]any, []any:
		return clonePlain(parsed)
	}
	return nil
}

// clonePlain copies a value deeply. JSON numbers become what the reader makes of them: integers without loss, or doubles.
func clonePlain(value any) any {
	switch value := value.(type) {
	case map[string]any:
		clone := map[string]any{}
		for key, inner := range value {
			clone[key] = clonePlain(inner)
		}
		return clone
	case []any:
		clone := []any{}
		for _, inner := range value {
			clone = append(clone, clonePlain(inner))
		}
		return clone
	case json.Number:
		if integer, err := value.Int64(); err == nil {
			return integer
		}
		if !strings.ContainsAny(value.String(), ".eE") {
			return value.String()
		}
		double, err := value.Float64()
		if err != nil {
			return value.String()
		}
		return double
	}
	return value
}
