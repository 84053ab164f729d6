// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
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
	// Products says what becomes of the products of an order: list or event.
	Products ProductsAs `mapstructure:"products"`
	// Attribution sends referrers and UTM parameters as user properties, if the CDP's own destination does.
	Attribution bool `mapstructure:"attribution"`
}

// ProductsAs says what becomes of the products of an order.
type ProductsAs string

const (
	// ProductsAsList sends them as a property of the order.
	ProductsAsList ProductsAs = "list"
	// ProductsAsEvents also sends an event for each of them, which then has its revenue in place of the order.
	ProductsAsEvents ProductsAs = "event"
)

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
	// SkipUnchanged leaves out a call that says the same as the one before of its user.
	SkipUnchanged bool `mapstructure:"skip_unchanged"`
}

// ViewConfig configures page or screen calls, which become events.
type ViewConfig struct {
	Enabled bool `mapstructure:"enabled"`
	// Name is the name of the events, with {name} and {category}. If it is "", the preset's default is used.
	Name string `mapstructure:"name"`
}

// GroupConfig configures group calls, which become updates of their user and of the group.
type GroupConfig struct {
	// Type is the type of the groups, such as "company". If it and TypeTrait are "", group calls aren't sent.
	Type string `mapstructure:"type"`
	// TypeTrait is the trait that has the type of a group. A group without it has Type.
	TypeTrait string `mapstructure:"type_trait"`
	// NameTrait is the trait that has the name of a group. A group without it has the id of the group.
	NameTrait string `mapstructure:"name_trait"`
}

// isEnabled reports whether group calls are sent.
func (c *GroupConfig) isEnabled() bool { return c.Type != "" || c.TypeTrait != "" }

func (c *CallsConfig) validate() error {
	group := c.Group.Type
	return errors.Join(
		errorIf(c.Traits != TraitsFromIdentify && c.Traits != TraitsFromEveryCall,
			"calls.traits: %q is not known; allowed: identify, every_call", c.Traits),
		errorIf(c.Products != ProductsAsList && c.Products != ProductsAsEvents,
			"calls.products: %q is not known; allowed: list, event", c.Products),
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
		if call.IsCommerce {
			e.SetText(event.Type, r.nameOf(e, "", "eCommerce"))
			settleCommerce(e)
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
		if isSent = config.Group.isEnabled(); isSent {
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
	call, config := e.Call(), &r.config.Calls.Group
	groupType := cmp.Or(groupTrait(e, config.TypeTrait), config.Type)
	name := cmp.Or(groupTrait(e, config.NameTrait), e.TextAt(call.Group))
	if call.GroupType != nil {
		groupType, name = e.TextAt(call.GroupType), e.TextAt(call.Group)
	}
	// A property can't have the name of an operation.
	if groupType == "" || amplitude.IsOperation(groupType) || name == "" {
		return reasonNothingToSend
	}
	groups := pcommon.NewMap()
	groups.PutStr(groupType, name)
	e.SetMap(event.Groups, groups)
	if call.GroupType != nil {
		if !r.readGroupTraits(e) {
			return reasonNothingToSend
		}
		return reasonNone
	}
	e.SetText(event.Type, impression.IdentifyEventType)
	// As a user property too, as Amplitude's SDKs and the destinations of Segment and RudderStack do.
	e.SetMap(event.UserProperties, groups)
	e.UserTraits = true
	return reasonNone
}

// groupTrait returns a trait of a group call's group that is a text or a number, or "" if there is none.
func groupTrait(e *reader.Event, key string) string {
	if key == "" {
		return ""
	}
	traits, present := e.ValueAt(e.Call().GroupTraits)
	if !present || traits.Type() != pcommon.ValueTypeMap {
		return ""
	}
	v, present := traits.Map().Get(key)
	if !present || v.Type() == pcommon.ValueTypeBool {
		return ""
	}
	text, _ := pdatautil.Text(v)
	return text
}

// settleCommerce removes the amount of an action that isn't a purchase, makes that of a refund negative, and reports whether the action
// is either.
func settleCommerce(e *reader.Event) bool {
	switch e.TextAt(e.Call().Name) {
	case "purchase":
		return true
	case "refund":
		for _, f := range []event.Field{event.Price, event.Revenue} {
			if n, has := e.Number(f); has {
				e.SetNumber(f, -n)
			}
		}
		return true
	default:
		e.RemoveRevenue()
		return false
	}
}

// encode makes an item of an event, with the further events that its call becomes.
func (r *batchReader) encode(b *batch, it *item, e *reader.Event) {
	if products := r.productsOf(e); len(products) > 0 {
		r.encodeProducts(b, it, e, products)
		return
	}
	it.JSON = b.encode(&r.encoder, &e.Event)
	if e.Call().Kind == layout.Group && e.Call().GroupType == nil && r.readGroupTraits(e) {
		setInsertID(e, e.Text(event.InsertID), "-group")
		b.extend(it, &r.encoder, &e.Event)
	}
}

// groupIdentifyType is the event type of an update of a group's properties.
const groupIdentifyType = "$groupidentify"

// readGroupTraits makes a group call the update of its group, and reports whether there is anything to update.
func (*batchReader) readGroupTraits(e *reader.Event) bool {
	traits, present := e.ValueAt(e.Call().GroupTraits)
	if !present || traits.Type() != pcommon.ValueTypeMap || !amplitude.HasTraits(traits.Map()) {
		return false
	}
	e.SetText(event.Type, groupIdentifyType)
	e.SetMap(event.UserProperties, pcommon.Map{})
	e.GroupTraits = traits.Map()
	return true
}

// maxProducts is how many products of an order become events. An item must fit into a request.
const maxProducts = 100

// productsOf returns the products of an event that become events of their own.
func (r *batchReader) productsOf(e *reader.Event) []pcommon.Map {
	call := e.Call()
	if r.config.Calls.Products != ProductsAsEvents || call.Products == nil ||
		call.ProductsOf != "" && call.ProductsOf != e.Text(event.Type) {
		return nil
	}
	list, present := e.ValueAt(call.Products)
	if !present || list.Type() != pcommon.ValueTypeSlice || list.Slice().Len() > maxProducts {
		return nil
	}
	var products []pcommon.Map
	for _, product := range list.Slice().All() {
		if product.Type() == pcommon.ValueTypeMap {
			products = append(products, product.Map())
		}
	}
	return products
}

// encodeProducts encodes an order, then its products. If these have revenue, the order has none, because it would count twice.
func (r *batchReader) encodeProducts(b *batch, it *item, e *reader.Event, products []pcommon.Map) {
	call, order, hasRevenue := e.Call(), e.Event, false
	for _, product := range products {
		hasRevenue = r.readProduct(e, product) || hasRevenue
	}
	e.Event = order
	if hasRevenue {
		e.RemoveRevenueOfOrder()
	}
	it.JSON = b.encode(&r.encoder, &e.Event)
	id := order.Text(event.InsertID)
	if id == "" && order.Time(event.Time) != 0 {
		// Two products may be the same.
		id = r.encoder.InsertHash(&e.Event)
	}
	for i, product := range products {
		e.Event = order
		r.readProduct(e, product)
		e.SetText(event.Type, cmp.Or(call.ProductType, order.Text(event.Type)+" - Item"))
		setInsertID(e, id, "-"+strconv.Itoa(i+1))
		b.extend(it, &r.encoder, &e.Event)
	}
}

// readProduct makes an order the event of one of its products, and reports whether that has revenue.
func (r *batchReader) readProduct(e *reader.Event, product pcommon.Map) (hasRevenue bool) {
	hasRevenue = e.ReadProduct(product)
	if e.Call().IsCommerce {
		hasRevenue = settleCommerce(e) && hasRevenue
	}
	return hasRevenue
}

// setInsertID sets an event's insert id to that of its call with a suffix, because Amplitude would take the events of one call for the
// same. Without an id, each event has a hash of its own.
func setInsertID(e *reader.Event, id, suffix string) {
	if id != "" {
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
