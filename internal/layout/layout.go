// SPDX-License-Identifier: Apache-2.0

// Package layout knows where in a log record the parts of an event are: its type, properties, identity and time.
//
// Layouts are compiled once, by Compile. A Reader then finds the layout of each record and reads the event's parts.
package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Layouts are compiled layouts, in the order in which they are tried. They are immutable and safe for concurrent use.
type Layouts struct {
	all []layout
	// keys are the first keys of all paths that finding an event type needs, so that one pass over a map resolves them.
	keys keyTable
	// nameFirst says that a record's EventName, when there is one, settles the matter without a look at its maps.
	nameFirst bool
	// needsBody and needsAttributes say which of a record's maps can hold an event type.
	needsBody, needsAttributes bool
	// bodyIsType says that a body which is a string can itself be an event type.
	bodyIsType bool
	// rooted says that a layout looks for event types at the event's root, wherever that is.
	rooted bool
}

// layout is one compiled layout.
type layout struct {
	// name is the preset's, or the key of the configuration.
	name       string
	eventType  []typePath
	properties []path
	userID     []path
	deviceID   []path
	insertID   []path
	time       []path
	sessionID  []path
	// userProperties and groups lead to maps, what follows to texts.
	userProperties []path
	groups         []path
	ip             []path
	appVersion     []path
	platform       []path
	osName         []path
	language       []path
	userAgent      []path
	// fields are the keys at which the layout reads, where its properties can be all that is beside them.
	fields map[string]field
	// isAmplitudes says that the event has the form of Amplitude's own API.
	isAmplitudes bool
	only         condition
	onlySlot     int
	// slots are those of the event types' first keys.
	slots uint32
	// named says that EventName can hold the event type.
	named bool
	// rooted says that the event types are looked for at the event's root.
	rooted bool
}

// typePath is a path to an event type whose first key is one of Layouts.keys.
type typePath struct {
	path
	slot int
}

// Compile checks and compiles layouts. The error joins every fault; each begins with the key it is about, such as
// layouts[2].user_id[0], and gives the value and what is allowed.
func Compile(configs []Config) (*Layouts, error) {
	compiled := &Layouts{}
	for _, key := range envelopeKeys {
		compiled.keys.addEnvelope(key)
	}
	var faults []error
	for i, config := range configs {
		l, err := compiled.compile(config)
		l.name = cmp.Or(config.Preset, fmt.Sprintf("layouts[%d]", i))
		if err != nil {
			faults = append(faults, within(fmt.Sprintf("layouts[%d]", i), err))
			continue
		}
		compiled.all = append(compiled.all, l)
	}
	if len(configs) == 0 {
		faults = append(faults, errors.New("layouts: empty; give at least one"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	first := compiled.all[0]
	compiled.nameFirst = first.eventType[0].start == startEventName && first.only == condition{}
	return compiled, nil
}

// within puts a key before each of the errors that err joins.
func within(key string, err error) error {
	joined, several := err.(interface{ Unwrap() []error })
	if !several {
		return fmt.Errorf("%s%w", key, err)
	}
	var faults []error
	for _, fault := range joined.Unwrap() {
		faults = append(faults, within(key, fault))
	}
	return errors.Join(faults...)
}

func (ls *Layouts) compile(config Config) (layout, error) {
	known, err := resolvePreset(config)
	if err != nil {
		return layout{}, err
	}
	var faults []error
	compileField := func(key string, texts []string, allowed func(path) error) []path {
		paths, err := parseField(texts, allowed)
		if err != nil {
			faults = append(faults, within("."+key, err))
		}
		return paths
	}
	l := layout{
		properties:     compileField("properties", known.Properties, leadsToMap),
		userID:         compileField("user_id", known.UserID, leadsToValue),
		deviceID:       compileField("device_id", known.DeviceID, leadsToValue),
		insertID:       compileField("insert_id", known.InsertID, leadsToValue),
		time:           compileField("time", known.Time, leadsToTime),
		sessionID:      compileField("session_id", known.SessionID, leadsToValue),
		userProperties: compileField("user_properties", known.UserProperties, leadsToValue),
		groups:         compileField("groups", known.Groups, leadsToValue),
		ip:             compileField("ip", known.IP, leadsToValue),
		appVersion:     compileField("app_version", known.AppVersion, leadsToValue),
		platform:       compileField("platform", known.Platform, leadsToValue),
		osName:         compileField("os_name", known.OSName, leadsToValue),
		language:       compileField("language", known.Language, leadsToValue),
		userAgent:      compileField("user_agent", known.UserAgent, leadsToValue),
		isAmplitudes:   config.Preset == amplitudePreset,
		only:           known.only,
	}
	eventType := compileField("event_type", known.EventType, leadsToType)
	if _, needed := known.needs["user_id"]; needed && known.UserID == nil {
		faults = append(faults, fmt.Errorf(
			".user_id: preset %s has none that is right for everybody; give a path such as %s, or [] for none",
			config.Preset, known.needs["user_id"]))
	}
	if len(known.EventType) == 0 {
		faults = append(faults, errors.New(".event_type: missing; give at least one path, or a preset"))
	}
	if len(known.Properties) == 0 {
		faults = append(faults, fmt.Errorf(".properties: missing; give at least one path, such as %s",
			cmp.Or(known.needs["properties"], `log.attributes["properties"]`)))
	}
	if err := errors.Join(faults...); err != nil {
		return layout{}, err
	}
	err = ls.addEventType(&l, eventType)
	l.addFields()
	return l, err
}

// userPropertiesPath is where every layout looks for user properties: beside the event's other fields, as Amplitude's
// server SDKs put them, and the processor with emit: inline.
const userPropertiesPath = `event["user_properties"]`

func resolvePreset(config Config) (preset, error) {
	if config.UserProperties == nil {
		config.UserProperties = []string{userPropertiesPath}
	}
	if config.Preset == "" {
		return preset{Config: config}, nil
	}
	known, found := presets[config.Preset]
	if !found {
		return preset{}, fmt.Errorf(".preset: %q is not known; allowed: %s", config.Preset, strings.Join(Presets(), ", "))
	}
	return known.with(config), nil
}

func parseField(texts []string, allowed func(path) error) ([]path, error) {
	var paths []path
	var faults []error
	for i, text := range texts {
		p, err := parsePath(text)
		if err == nil {
			if err = allowed(p); err != nil {
				err = fmt.Errorf("%#q %w", text, err)
			}
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("[%d]: %w", i, err))
		}
		paths = append(paths, p)
	}
	return paths, errors.Join(faults...)
}

func leadsToType(p path) error {
	switch {
	case p.start == startResource || p.start == startTime:
		return errors.New("cannot hold an event type; allowed: log.event_name, log.body, log.attributes, event")
	case len(p.keys) == 0 && p.start != startEventName && p.start != startBody:
		return errors.New(`is a map; add the key of the event type, as in ["name"]`)
	}
	return nil
}

func leadsToMap(p path) error {
	if p.start == startBody || p.start == startAttributes || p.start == startEvent {
		return nil
	}
	return errors.New("cannot hold the properties; allowed: log.body, log.attributes, event")
}

func leadsToValue(p path) error {
	switch {
	case p.start == startTime || p.start == startEventName:
		return errors.New("cannot stand here; allowed: log.body, log.attributes, resource.attributes, event")
	case len(p.keys) == 0 && p.start != startBody:
		return errors.New(`is a map; add a key, as in ["id"]`)
	}
	return nil
}

func leadsToTime(p path) error {
	if p.start == startTime {
		return nil
	}
	if leadsToValue(p) != nil {
		return errors.New("cannot hold a time; allowed: log.time, and with a key log.body, log.attributes, resource.attributes, event")
	}
	return nil
}

func (ls *Layouts) addEventType(l *layout, paths []path) error {
	for _, p := range paths {
		added := typePath{path: p}
		if len(p.keys) > 0 {
			slot, err := ls.keys.addType(p.keys)
			if err != nil {
				return fmt.Errorf(".event_type: %w", err)
			}
			added.slot = slot
			l.slots |= 1 << slot
		}
		l.eventType = append(l.eventType, added)
		l.named = l.named || p.start == startEventName
		l.rooted = l.rooted || p.start == startEvent
		ls.needsBody = ls.needsBody || p.start == startEvent || p.start == startBody
		ls.bodyIsType = ls.bodyIsType || p.start == startBody && len(p.keys) == 0
		ls.needsAttributes = ls.needsAttributes || p.start == startEvent || p.start == startAttributes
	}
	ls.rooted = ls.rooted || l.rooted
	if l.only == (condition{}) {
		return nil
	}
	ls.needsAttributes = true
	var err error
	l.onlySlot, err = ls.keys.add(l.only.key)
	return err
}
