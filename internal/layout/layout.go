// SPDX-License-Identifier: Apache-2.0

// Package layout defines where the fields of an event are in a log record. It has presets for known producers, and compiles
// layouts from a configuration. Package reader applies the compiled layouts to records.
package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// Layout is a compiled layout. It is immutable and safe for concurrent use.
type Layout struct {
	// Name is the preset's name, or the layout's key in the configuration if it has no preset.
	Name string
	// Paths has the paths of each field, in the order in which they are tried.
	Paths [event.NumFields][]Path
	Traits
}

// Traits are properties of presets that paths can't express. A layout without a preset has none.
type Traits struct {
	// Condition must hold for the layout to claim an event.
	Condition Condition
	// GenericType is an event type that is used only if no other path leads to one.
	GenericType string
	// AnonymousUserIsDevice reports whether the producer sends the device id as the user id of anonymous users.
	AnonymousUserIsDevice bool
	// Revenue says when an event has revenue.
	Revenue Revenue
	// AdvertisingIDsBySystem reports whether the advertising ids are those of the platform's system: idfa and idfv of Apple's,
	// adid of Android.
	AdvertisingIDsBySystem bool
	// Web is an entry that the events of the producer's library for browsers have. If they have no platform, it is "Web".
	Web Entry
	// CanonicalPlatform writes the platforms ios and android, in any case, as iOS and Android.
	CanonicalPlatform bool
	// AllFields reports whether the event has the form of Amplitude's own API, so that it may have fields without a path.
	AllFields bool
	// UserTraits reports whether the user properties are traits: plain properties, of which null ones are to be unset.
	UserTraits bool
	// Operations are operations on user properties beside those at the paths of user properties. If an event has any, its user
	// properties become traits.
	Operations []Operation
	// NoEnvelope reports whether the layout claims no envelopes.
	NoEnvelope bool
	// Call says what kind of call the layout is for. The zero Call is a track call.
	Call Call
}

// Revenue says when the destination of a producer counts an event as revenue. Otherwise, a price is only a property.
type Revenue uint8

const (
	// RevenueAsGiven sends each field of revenue that the event has.
	RevenueAsGiven Revenue = iota
	// RevenueOrPrice sends them if the event has a revenue, or both a price and a quantity.
	RevenueOrPrice
	// RevenueOnly sends them if the event has a revenue. Then they aren't properties.
	RevenueOnly
)

// Entry is a value at a path from the event's root.
type Entry struct {
	Keys  []string
	Value string
}

// Condition distinguishes the events of a producer from its other messages. All parts that are set must hold, so the zero
// Condition always holds.
type Condition struct {
	// EventName is the EventName that the record must have, or "" if any will do.
	EventName string
	// Key and Value are an entry that the event's root must have. The case of the value doesn't matter.
	Key, Value string
	// AnyOf has paths from the event's root. If Key is missing or null, at least one of them must lead to a value.
	AnyOf [][]string
	// Needs has paths from the event's root, of which at least one must lead to a value in the event itself.
	Needs [][]string
}

// Always reports whether the condition holds for every map.
func (c *Condition) Always() bool {
	return c.EventName == "" && c.Key == "" && c.AnyOf == nil
}

// OfUpdates returns the layout of the user property updates that the impression processor emits. Their event type, and the
// EventName of their records, is eventType.
func OfUpdates(eventType string) Layout {
	l, err := compile(Config{Preset: "amplitude"})
	if err != nil {
		panic(err)
	}
	l.Name = "updates"
	l.Condition = Condition{EventName: eventType, Key: "event_type", Value: eventType}
	return l
}

// MaxTypeKeys bounds the different first keys of all paths to event types, and of conditions: a reader has a bit for each in a
// word, and needs some for keys of its own.
const MaxTypeKeys = 60

// Compile validates and compiles layouts. It returns all errors, joined. Each begins with the key, such as
// layouts[2].user_id[0], and names the value and what is allowed.
func Compile(configs []Config) ([]Layout, error) {
	if len(configs) == 0 {
		return nil, errors.New("layouts: empty; give at least one")
	}
	var layouts []Layout
	var faults []error
	for i, config := range configs {
		l, err := compile(config)
		if err != nil {
			faults = append(faults, within(fmt.Sprintf("layouts[%d]", i), err))
		}
		l.Name = config.name(i)
		layouts = append(layouts, l)
	}
	if n := len(typeKeys(layouts)); n > MaxTypeKeys {
		faults = append(faults, fmt.Errorf("layouts: they look for event types under %d different keys; allowed: %d", n, MaxTypeKeys))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return layouts, nil
}

func typeKeys(layouts []Layout) map[string]struct{} {
	keys := map[string]struct{}{}
	for i := range layouts {
		for _, p := range layouts[i].Paths[event.Type] {
			if len(p.Keys) > 0 {
				keys[p.Keys[0]] = struct{}{}
			}
		}
		if key := layouts[i].Condition.Key; key != "" {
			keys[key] = struct{}{}
		}
	}
	return keys
}

// within prefixes each of the errors that err joins with a key.
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

func compile(config Config) (Layout, error) {
	resolved, err := config.resolve()
	if err != nil {
		return Layout{}, err
	}
	l := Layout{Traits: resolved.Traits}
	faults := config.unknownKeys()
	for _, f := range event.Fields() {
		paths, err := parseField(resolved.paths[f], f)
		if err != nil {
			faults = append(faults, within("."+f.Key(), err))
		}
		l.Paths[f] = paths
	}
	if example, needed := resolved.needs[event.UserID]; needed && resolved.paths[event.UserID] == nil {
		faults = append(faults, fmt.Errorf(
			".user_id: preset %s has no user id that is right for everyone; give a path such as %s, or [] for none", config.Preset, example))
	}
	if len(resolved.paths[event.Type]) == 0 {
		faults = append(faults, errors.New(".event_type: missing; give at least one path, or a preset"))
	}
	if len(resolved.paths[event.Properties]) == 0 {
		faults = append(faults, fmt.Errorf(".properties: missing; give at least one path, such as %s",
			cmp.Or(resolved.needs[event.Properties], `log.attributes["properties"]`)))
	}
	return l, errors.Join(faults...)
}

func parseField(texts []string, f event.Field) ([]Path, error) {
	var paths []Path
	var faults []error
	for i, text := range texts {
		p, err := parsePath(text)
		if err == nil {
			if err = allowed(f, p); err != nil {
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

// allowed returns an error if a path can't lead to a value of the field.
func allowed(f event.Field, p Path) error {
	switch {
	case f == event.Type:
		return leadsToType(p)
	case f == event.Properties:
		return leadsToMap(p)
	case f.Kind() == event.Moment:
		return leadsToTime(p)
	default:
		return leadsToValue(p)
	}
}

func leadsToType(p Path) error {
	switch {
	case p.Start == Resource || p.Start == Timestamp:
		return errors.New("cannot hold an event type; allowed: log.event_name, log.body, log.attributes, event")
	case len(p.Keys) == 0 && p.Start != EventName && p.Start != Body:
		return errors.New(`is a map; add the key of the event type, as in ["name"]`)
	}
	return nil
}

func leadsToMap(p Path) error {
	if p.Start == Body || p.Start == Attributes || p.Start == Root {
		return nil
	}
	return errors.New("cannot hold the properties; allowed: log.body, log.attributes, event")
}

func leadsToValue(p Path) error {
	switch {
	case p.Start == Timestamp || p.Start == EventName:
		return errors.New("is not allowed here; allowed: log.body, log.attributes, resource.attributes, event")
	case len(p.Keys) == 0 && p.Start != Body:
		return errors.New(`is a map; add a key, as in ["id"]`)
	}
	return nil
}

func leadsToTime(p Path) error {
	if p.Start == Timestamp {
		return nil
	}
	if leadsToValue(p) != nil {
		return errors.New("cannot hold a time; allowed: log.time, log.body, and with a key log.attributes, resource.attributes, event")
	}
	return nil
}
