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
	PagePing
	// Other is a message for which Amplitude has no counterpart.
	Other

	// Kinds is the number of kinds.
	Kinds = iota
)

// String returns the kind as the value of a metric attribute.
func (k Kind) String() string {
	return [Kinds]string{"track", "identify", "page", "screen", "group", "alias", "page_ping", "other"}[k]
}

// Call is what the layout of a call has in addition to the fields of an event.
type Call struct {
	Kind Kind
	// Template is the default name of the event that the call becomes. Name and Category lead to the values of {name} and
	// {category}. If IsCommerce, {name} is an action such as add_to_cart, and is written as AddToCart.
	Template       string
	Name, Category []Path
	IsCommerce     bool
	// Added are properties of the event that aren't in its map of properties. Those of the map count first.
	Added []Added
	// Products leads to the list of the event's products. Its type must be ProductsOf, unless that is "". ProductType is the type of
	// an event for one product; if it is "", it is that of the event with " - Item".
	Products                []Path
	ProductsOf, ProductType string
	// Trait, NewTrait, and TraitDeleted lead to the name of the only trait of an identify call, to its value, and to whether it
	// was deleted.
	Trait, NewTrait, TraitDeleted []Path
	// Group leads to the name of the group of a group call, and GroupTraits to its traits. GroupType leads to its type if the call is
	// about the group only, and not about a user in it.
	Group, GroupTraits, GroupType []Path
}

// Operation is an operation on user properties that is elsewhere in an event than the user properties.
type Operation struct {
	// Operator is the operation's name in Amplitude's API.
	Operator string
	// Property is the property that is set to the value at Path. If it is "", that value is a map of properties or, to unset them, a
	// list of their names.
	Property string
	Path     Path
	// IsAttribution reports whether the property says where the user came from. It is left out if the user properties have another
	// value.
	IsAttribution bool
}

// The operators of operations.
const (
	Set     = "$set"
	SetOnce = "$setOnce"
	Unset   = "$unset"
)

// operation is an Operation whose path isn't parsed.
type operation struct{ operator, property, path string }

func compileOperations(all []operation, isAttribution bool) []Operation {
	var compiled []Operation
	for _, o := range all {
		compiled = append(compiled, Operation{
			Operator: o.operator, Property: o.property, Path: mustParse(o.path)[0], IsAttribution: isAttribution,
		})
	}
	return compiled
}

// Added is a property with the name Key.
type Added struct {
	Key   string
	Paths []Path
}

// call is the layout of a call that isn't a track call. It is the preset's, except for the fields that it has itself.
type call struct {
	kind Kind
	// condition is the value by which the preset distinguishes the call, under the key of calls. Its case doesn't matter.
	condition string
	template  string
	// name, category, and those of added, by their key, are the paths of Call.
	name, category []string
	added          []added
	isCommerce     bool
	// trait, newTrait, and traitDeleted are the paths of Call.
	trait, newTrait, traitDeleted []string
	// properties and traits are the paths of properties, and of the traits of a user or group.
	properties, traits []string
	// group and groupType are the paths of Call.
	group, groupType []string
	// operations are those of this call only.
	operations []operation
	// bare reports whether the call lacks the key of calls. It then has one of anyOf, its type is a text at one of types, and its
	// other fields are at paths, except those that a configuration replaces.
	bare  bool
	types []string
	anyOf [][]string
	paths paths
}

type added struct {
	key   string
	paths []string
}

// addedFrom returns properties with the keys that they have in the map at a path.
func addedFrom(path string, keys ...string) []added {
	var all []added
	for _, key := range keys {
		all = append(all, added{key: key, paths: []string{fmt.Sprintf("%s[%q]", path, key)}})
	}
	return all
}

// calls are the calls of a preset.
type calls struct {
	// key is the key of the conditions.
	key string
	all []call
	// first reports whether the calls would be claimed by the layout of the preset, and so come before it.
	first bool
	// traits are the paths of the traits that other calls carry. They are sent if the configuration asks for it, or always, as
	// the producer's own destination does.
	traits     []string
	withTraits bool
	// operations are those of all calls, also of events. attribution are those that say where the user came from.
	operations, attribution []operation
	// needs are paths of which one must lead to a value, in addition to the conditions.
	needs [][]string
}

// segmentCalls returns the calls of a producer with Segment's API (https://segment.com/docs/connections/spec/).
func segmentCalls(page, screen call) calls {
	page.kind, page.condition = Page, "page"
	screen.kind, screen.condition = Screen, "screen"
	of := calls{key: "type", traits: []string{`event["context"]["traits"]`}, all: []call{
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

// withAttribution returns the calls with the given attribution.
func (c calls) withAttribution(operations ...operation) calls {
	c.attribution = operations
	return c
}

// withOperations returns the calls with operations of all calls of a kind.
func (c calls) withOperations(kind Kind, operations ...operation) calls {
	for i := range c.all {
		if c.all[i].kind == kind {
			c.all[i].operations = operations
		}
	}
	return c
}

// CallOptions say what calls send in addition to their own content.
type CallOptions struct {
	// EveryCall makes the traits that any call carries its user properties.
	EveryCall bool
	// Attribution sends the attribution of users, which is where they came from, as user properties.
	Attribution bool
}

// CompileWithCalls is like Compile. It also returns the layouts of the presets' calls that aren't track calls, each beside that of
// its preset. Fields that a configuration replaces are replaced in these too, except the event type and the properties.
func CompileWithCalls(configs []Config, options CallOptions) ([]Layout, error) {
	compiled, err := Compile(configs)
	if err != nil {
		return nil, err
	}
	var layouts []Layout
	for i, config := range configs {
		// Compile has reported the error.
		resolved, _ := config.resolve()
		of := resolved.calls
		base := compiled[i]
		if (options.EveryCall || of.withTraits) && of.traits != nil && config.Paths[event.UserProperties.Key()] == nil {
			base.Paths[event.UserProperties] = append(slices.Clip(base.Paths[event.UserProperties]), mustParse(of.traits...)...)
			base.UserTraits = true
		}
		if config.Paths[event.UserProperties.Key()] == nil {
			base.Operations = compileOperations(of.operations, false)
		}
		var attribution []Operation
		if options.Attribution {
			attribution = compileOperations(of.attribution, true)
		}
		var others []Layout
		for _, c := range of.all {
			others = append(others, c.compile(base, &of, config, attribution))
		}
		base.Operations = append(base.Operations, attribution...)
		if of.first {
			layouts = append(append(layouts, others...), base)
		} else {
			layouts = append(append(layouts, base), others...)
		}
	}
	return layouts, nil
}

// compile returns the layout of a call of a preset. The paths of presets are valid.
func (c *call) compile(l Layout, of *calls, config Config, attribution []Operation) Layout {
	l.Paths[event.Type] = mustParse(fmt.Sprintf("event[%q]", of.key))
	l.Paths[event.Properties] = mustParse(c.properties...)
	// So they are valid whatever they are.
	l.UserTraits = true
	traits := mustParse(c.traits...)
	if c.kind == Identify {
		l.Paths[event.UserProperties], traits = traits, nil
	}
	if l.Revenue == RevenueOnly {
		// RudderStack's destination sends the revenue of track calls only.
		for f := event.Price; f <= event.Currency; f++ {
			l.Paths[f] = nil
		}
	}
	l.Condition = Condition{Key: of.key, Value: c.condition, Needs: of.needs}
	l.Operations = slices.Concat(l.Operations, compileOperations(c.operations, false))
	if c.kind != Group {
		l.Operations = append(l.Operations, attribution...)
	}
	if c.bare {
		c.compileBare(&l, config)
	}
	l.GenericType = ""
	l.Call = Call{
		Kind: c.kind, Template: c.template, Name: mustParse(c.name...), Category: mustParse(c.category...),
		Group: mustParse(c.group...), GroupTraits: traits, GroupType: mustParse(c.groupType...), IsCommerce: c.isCommerce,
		Trait: mustParse(c.trait...), NewTrait: mustParse(c.newTrait...), TraitDeleted: mustParse(c.traitDeleted...),
	}
	if c.isCommerce {
		l.Paths[event.Revenue] = mustParse(`event["data"]["product_action"]["total_amount"]`)
		l.Paths[event.Currency] = mustParse(`event["data"]["currency_code"]`)
		l.Call.Products = mustParse(`event["data"]["product_action"]["products"]`)
	}
	for _, a := range c.added {
		l.Call.Added = append(l.Call.Added, Added{Key: a.key, Paths: mustParse(a.paths...)})
	}
	return l
}

// compileBare changes the layout of a call to that of one without the key of calls.
func (c *call) compileBare(l *Layout, config Config) {
	l.Paths[event.Type] = mustParse(c.types...)
	// No event has this value, so the key must be missing.
	l.Condition.Value, l.Condition.AnyOf, l.NoEnvelope = "\x00", c.anyOf, true
	for f, texts := range c.paths {
		if texts != nil && config.Paths[event.Field(f).Key()] == nil {
			l.Paths[f] = mustParse(texts...)
		}
	}
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
