// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"cmp"
	"errors"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// CallsConfig says what becomes of the calls of CDPs that aren't track calls.
type CallsConfig struct {
	Identify IdentifyConfig `mapstructure:"identify"`
	Page     ViewConfig     `mapstructure:"page"`
	Screen   ViewConfig     `mapstructure:"screen"`
	Group    GroupConfig    `mapstructure:"group"`
	// Traits says which calls send the traits that they carry: identify or every_call.
	Traits TraitsFrom `mapstructure:"traits"`
}

// TraitsFrom says which calls send the traits that they carry.
type TraitsFrom string

const (
	// TraitsFromIdentify sends the traits of identify calls.
	TraitsFromIdentify TraitsFrom = "identify"
	// TraitsFromEveryCall also sends the traits in the context of other calls.
	TraitsFromEveryCall TraitsFrom = "every_call"
)

// IdentifyConfig configures identify calls, which become updates of user properties.
type IdentifyConfig struct {
	Enabled bool `mapstructure:"enabled"`
}

// ViewConfig configures page or screen calls, which become events.
type ViewConfig struct {
	Enabled bool `mapstructure:"enabled"`
	// Name is the name of the events, with {name} and {category}. If it is "", the preset's default is used.
	Name string `mapstructure:"name"`
}

// GroupConfig configures group calls, which become updates of their user and of the group.
type GroupConfig struct {
	// Type is the type of the groups, such as "company". If it is "", group calls aren't sent.
	Type string `mapstructure:"type"`
}

func (c *CallsConfig) validate() error {
	group := c.Group.Type
	return errors.Join(
		errorIf(c.Traits != TraitsFromIdentify && c.Traits != TraitsFromEveryCall,
			"calls.traits: %q is not known; allowed: identify, every_call", c.Traits),
		c.Page.validate("page"),
		c.Screen.validate("screen"),
		errorIf(strings.HasPrefix(group, "$"), "calls.group.type: %q is the name of an operation in Amplitude; give a name without $", group),
		errorIf(amplitude.SentText(group) != group, "calls.group.type: %d characters; allowed: up to %d, in UTF-8",
			utf8.RuneCountInString(group), amplitude.MaxStringLength),
	)
}

// placeholders are what the name of page and screen calls may have in braces.
var placeholders = []string{"{name}", "{category}"}

// validate returns an error if the name isn't usable as an event type.
func (c *ViewConfig) validate(key string) error {
	rest := c.Name
	for _, placeholder := range placeholders {
		rest = strings.ReplaceAll(rest, placeholder, "")
	}
	return errorIf(strings.ContainsAny(rest, "{}"), "calls.%s.name: %q has braces around something else; allowed: %s",
		key, c.Name, strings.Join(placeholders, ", "))
}

// readCall makes an event or an update of a call, or returns the reason why it isn't sent. It leaves a track call as it is.
func (r *batchReader) readCall(e *reader.Event) reason {
	call, config := e.Call(), &r.config.Calls
	isSent := true
	switch call.Kind {
	case layout.Track:
		if call.Template != "" {
			e.SetText(event.Type, r.nameOf(e, "", "eCommerce"))
		}
	case layout.Identify:
		isSent = config.Identify.Enabled
		e.SetText(event.Type, impression.IdentifyEventType)
		readTrait(e)
	case layout.Page:
		isSent = config.Page.Enabled
		e.SetText(event.Type, r.nameOf(e, config.Page.Name, "Viewed Page"))
	case layout.Screen:
		isSent = config.Screen.Enabled
		e.SetText(event.Type, r.nameOf(e, config.Screen.Name, "Viewed Screen"))
	case layout.Group:
		if isSent = config.Group.Type != ""; isSent {
			return r.readGroup(e)
		}
	default:
		isSent = false
	}
	if !isSent {
		return reasonOf(call.Kind.String())
	}
	for i := range call.Added {
		if value, present := e.ValueAt(call.Added[i].Paths); present {
			e.AddProperty(call.Added[i].Key, value)
		}
	}
	return reasonNone
}

// readTrait reads the trait of a call that changes only one.
func readTrait(e *reader.Event) {
	call := e.Call()
	name := e.TextAt(call.Trait)
	if name == "" {
		return
	}
	traits := pcommon.NewMap()
	trait := traits.PutEmpty(name)
	isDeleted, present := e.ValueAt(call.TraitDeleted)
	if value, isSet := e.ValueAt(call.NewTrait); isSet && (!present || isDeleted.AsString() != "true") {
		value.CopyTo(trait)
	}
	e.SetMap(event.UserProperties, traits)
}

// readGroup makes a group call the update that adds its user to the group. addFurther adds the update of the group.
func (r *batchReader) readGroup(e *reader.Event) reason {
	name := e.TextAt(e.Call().Group)
	if name == "" {
		return reasonNothingToSend
	}
	groups := pcommon.NewMap()
	groups.PutStr(r.config.Calls.Group.Type, name)
	e.SetText(event.Type, impression.IdentifyEventType)
	e.SetMap(event.Groups, groups)
	// As a user property too, as Amplitude's SDKs and the destinations of Segment and RudderStack do.
	e.SetMap(event.UserProperties, groups)
	e.UserTraits = true
	return reasonNone
}

// groupIdentifyType is the event type of an update of a group's properties.
const groupIdentifyType = "$groupidentify"

// addFurther adds the events to an item that its call becomes besides the one that it has.
func (r *batchReader) addFurther(b *batch, it *item, e *reader.Event) {
	if e.Call().Kind != layout.Group {
		return
	}
	traits, present := e.ValueAt(e.Call().GroupTraits)
	if !present || traits.Type() != pcommon.ValueTypeMap || !amplitude.HasTraits(traits.Map()) {
		return
	}
	e.SetText(event.Type, groupIdentifyType)
	e.SetMap(event.UserProperties, pcommon.Map{})
	e.GroupTraits = traits.Map()
	r.setInsertID(e, "-group")
	b.extend(it, &r.encoder, &e.Event)
}

// setInsertID adds a suffix to an event's insert id, because Amplitude would take the events of one call for the same. Without an
// insert id, each event has a hash of its own.
func (r *batchReader) setInsertID(e *reader.Event, suffix string) {
	if id := e.Text(event.InsertID); id != "" {
		e.SetText(event.InsertID, string(amplitude.AppendInsertID(nil, id, suffix)))
	}
}

// nameOf returns the name of a call's event. A value that is missing is left out of the template, which may be "" for the default
// one. If all are missing, the name is unnamed.
func (r *batchReader) nameOf(e *reader.Event, template, unnamed string) string {
	call := e.Call()
	template = cmp.Or(template, call.Template)
	if !strings.Contains(template, "{") {
		return template
	}
	r.name = r.name[:0]
	isNamed := false
	for template != "" {
		text, rest, _ := strings.Cut(template, "{")
		r.name = append(r.name, text...)
		placeholder, rest, isPlaceholder := strings.Cut(rest, "}")
		template = rest
		if !isPlaceholder {
			break
		}
		paths := call.Name
		if placeholder == "category" {
			paths = call.Category
		}
		value := e.TextAt(paths)
		isNamed = isNamed || value != ""
		if value == "" && strings.HasPrefix(rest, " ") && strings.HasSuffix(text, " ") {
			template = rest[1:]
		}
		if call.IsCommerce {
			value = camelCase(value)
		}
		r.name = append(r.name, value...)
	}
	name := strings.TrimSpace(string(r.name))
	if !isNamed || name == "" {
		return unnamed
	}
	return name
}

// camelCase returns a text such as add_to_cart as AddToCart.
func camelCase(text string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(text, "_") {
		if word != "" {
			name.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return name.String()
}

// hasNothingToSend reports whether an identify call has no traits, and no two ids that Amplitude could connect.
func hasNothingToSend(e *event.Event) bool {
	if !e.UserTraits || e.Text(event.Type) != impression.IdentifyEventType {
		return false
	}
	traits, _ := e.Map(event.UserProperties)
	return !amplitude.HasTraits(traits) && (e.Text(event.UserID) == "" || e.Text(event.DeviceID) == "")
}
