// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"fmt"
	"slices"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// Kind is the kind of a CDP's call.
type Kind uint8

// The kinds. Track is an event, and all others are made into events or updates.
const (
	Track Kind = iota
	Identify
	Page
	Screen
	Group
	Alias

	// Kinds is the number of kinds.
	Kinds = iota
)

// String returns the kind as the value of a metric attribute.
func (k Kind) String() string {
	return [Kinds]string{"track", "identify", "page", "screen", "group", "alias"}[k]
}

// Call is what the layout of a call has besides the fields of an event.
type Call struct {
	Kind Kind
	// Template is the default name of the event that the call becomes. Name and Category lead to the values of {name} and
	// {category}.
	Template       string
	Name, Category []Path
	// Group leads to the name of the group of a group call, and GroupTraits to its traits.
	Group, GroupTraits []Path
}

// call is the layout of a call that isn't a track call. It is the preset's, except for the fields that it has itself.
type call struct {
	kind Kind
	// condition is the value by which the preset distinguishes the call, under the key of calls. Its case doesn't matter.
	condition string
	template  string
	// name and category are the paths of Call.
	name, category []string
	// properties and traits are the paths of properties, and of the traits of a user or group.
	properties, traits []string
	// group are the paths of Call.
	group []string
}

// calls are the calls of a preset.
type calls struct {
	// key is the key of the conditions.
	key string
	all []call
}

// segmentCalls returns the calls of a producer with Segment's API (https://segment.com/docs/connections/spec/).
func segmentCalls(page, screen call) calls {
	page.kind, page.condition = Page, "page"
	screen.kind, screen.condition = Screen, "screen"
	of := calls{key: "type", all: []call{
		{kind: Identify, condition: "identify", traits: []string{`event["traits"]`, `event["context"]["traits"]`}},
		page, screen,
		{kind: Group, condition: "group", group: []string{`event["groupId"]`}, traits: []string{`event["traits"]`}},
		{kind: Alias, condition: "alias"},
	}}
	for i := range of.all {
		c := &of.all[i]
		if c.kind == Page || c.kind == Screen {
			c.category = []string{`event["category"]`, `event["properties"]["category"]`}
			c.properties = []string{`event["properties"]`}
		}
	}
	return of
}

// CompileWithCalls is like Compile. It also returns the layouts of the presets' calls that aren't track calls, each after that of
// its preset. Fields that a configuration replaces are replaced in these too, except the event type and the properties.
func CompileWithCalls(configs []Config) ([]Layout, error) {
	compiled, err := Compile(configs)
	if err != nil {
		return nil, err
	}
	var layouts []Layout
	for i, config := range configs {
		layouts = append(layouts, compiled[i])
		// Compile has reported the error.
		resolved, _ := config.resolve()
		for _, c := range resolved.calls.all {
			layouts = append(layouts, c.compile(compiled[i], resolved.calls.key))
		}
	}
	return layouts, nil
}

// compile returns the layout of a call of a preset. The paths of presets are valid.
func (c *call) compile(l Layout, key string) Layout {
	l.Paths[event.Type] = mustParse(fmt.Sprintf("event[%q]", key))
	l.Paths[event.Properties] = mustParse(c.properties...)
	traits := mustParse(c.traits...)
	if c.kind == Identify {
		l.Paths[event.UserProperties], l.UserTraits, traits = traits, true, nil
	}
	if l.Revenue == RevenueOnly {
		// RudderStack's destination sends the revenue of track calls only.
		for f := event.Price; f <= event.Currency; f++ {
			l.Paths[f] = nil
		}
	}
	l.Condition = Condition{Key: key, Value: c.condition}
	l.GenericType = ""
	l.Call = Call{
		Kind: c.kind, Template: c.template, Name: mustParse(c.name...), Category: mustParse(c.category...),
		Group: mustParse(c.group...), GroupTraits: traits,
	}
	return l
}

func mustParse(texts ...string) []Path {
	var paths []Path
	for _, text := range texts {
		p, err := parsePath(text)
		if err != nil {
			panic(err)
		}
		paths = append(paths, p)
	}
	return slices.Clip(paths)
}
