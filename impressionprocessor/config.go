// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/configkeys"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// Config is the configuration of the processor. config.schema.json describes the same keys.
type Config struct {
	// EventTypes maps the event types of impressions as sent (pre form) to the event types that replace them (post form). If
	// it is set, it replaces the default.
	EventTypes map[string]string `mapstructure:"event_types"`
	// Layouts locate the fields of an event in a log record. The first that finds an event type is used.
	Layouts []LayoutConfig `mapstructure:"layouts"`
	// MinIDLength is how many characters a user or device id needs so that it doesn't give way to a later path's. It must be
	// that of the Amplitude exporter. Otherwise, an impression and its update may have different ids there.
	MinIDLength int `mapstructure:"min_id_length"`
	// UserProperties configures the user property updates.
	UserProperties UserPropertiesConfig `mapstructure:"user_properties"`
	// Unassigned configures what happens to an impression whose update unsets the user property: keep or drop.
	Unassigned Unassigned `mapstructure:"unassigned"`
	// JSONBody limits the JSON texts in bodies that are parsed. A text beyond the limits is left as it is, and counted.
	JSONBody JSONBodyConfig `mapstructure:"json_body"`
	// Estimate, if set, adds a metric with the expected number of impressions, to compare with the real one.
	Estimate *EstimateConfig `mapstructure:"estimate"`
	// Telemetry limits the processor's own metrics.
	Telemetry TelemetryConfig `mapstructure:"telemetry"`
}

// LayoutConfig is an entry of layouts: a preset, a preset with some fields replaced, or every field by hand.
type LayoutConfig = layout.Config

// JSONBodyConfig limits the JSON texts in bodies that are parsed.
type JSONBodyConfig = jsonvalue.Limits

// Unassigned is what happens to an impression whose update unsets the user property.
type Unassigned string

const (
	// KeepUnassigned rewrites it like any other impression.
	KeepUnassigned Unassigned = "keep"
	// DropUnassigned removes it, as Amplitude's client SDKs do.
	DropUnassigned Unassigned = "drop"
)

// Emit is the form in which user property updates are emitted.
type Emit string

const (
	// EmitRecord inserts a log record before the impression's.
	EmitRecord Emit = "record"
	// EmitInline adds the update to the impression itself, under user_properties.
	EmitInline Emit = "inline"
	// EmitNone emits no updates.
	EmitNone Emit = "none"
)

// UserPropertiesConfig configures the user property updates.
type UserPropertiesConfig struct {
	// Emit is the form in which updates are emitted.
	Emit Emit `mapstructure:"emit"`
	// UnsetVariants are variants that unset the user property, as a missing variant does.
	UnsetVariants []string `mapstructure:"unset_variants"`
}

// EstimateConfig has the factors of the expected number of impressions per month. All three are required.
type EstimateConfig struct {
	MonthlyTrackedUsers int64 `mapstructure:"monthly_tracked_users"`
	ExperimentsPerMonth int64 `mapstructure:"experiments_per_month"`
	// PageViewsPerUser is the number of page views per user and month.
	PageViewsPerUser int64 `mapstructure:"page_views_per_user"`
}

// TelemetryConfig limits the processor's own metrics.
type TelemetryConfig struct {
	// MaxExperiments is the maximum number of pairs of flag and variant with a series of their own in the metric by
	// experiment. 0 turns the metric off.
	MaxExperiments int `mapstructure:"max_experiments"`
}

func createDefaultConfig() component.Config {
	return &Config{
		EventTypes:     map[string]string{"$impression": "[Experiment] Impression"},
		Layouts:        []LayoutConfig{{Preset: "otel"}, {Preset: "amplitude"}, {Preset: "segment"}},
		MinIDLength:    amplitude.DefaultMinIDLength,
		UserProperties: UserPropertiesConfig{Emit: EmitRecord},
		Unassigned:     KeepUnassigned,
		JSONBody:       JSONBodyConfig{MaxBytes: 4 << 20, MaxDepth: 40, MaxValues: 100_000},
		Telemetry:      TelemetryConfig{MaxExperiments: 1500},
	}
}

// Unmarshal decodes the configuration. The decoder would merge event_types into the default, so the default is removed
// first. If a key is unknown or doesn't decode, Unmarshal also validates the values, so that all errors are reported at once.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	defaults := c.EventTypes
	if given, isSet := conf.Get("event_types").(map[string]any); isSet && given != nil {
		c.EventTypes = nil
	}
	unknown := configkeys.Unknown(conf.ToStringMap(), c)
	decoding := conf.Unmarshal(c, confmap.WithIgnoreUnused())
	if unknown == nil && decoding == nil {
		return nil
	}
	if decoding != nil && len(c.EventTypes) == 0 {
		// An event_types that doesn't decode isn't also empty.
		c.EventTypes = defaults
	}
	return errors.Join(unknown, decoding, c.Validate())
}

// Validate returns all errors of the configuration, joined. Each names the key, the value, and what is allowed.
func (c *Config) Validate() error {
	_, err := c.compile()
	return err
}

// compiled is the configuration in the form that processing needs.
type compiled struct {
	eventTypes []eventType
	layouts    []layout.Layout
	// events is the reader that each batch clones.
	events *reader.Reader
	// allEvents finds events of any type, to describe them to the inspector.
	allEvents     *reader.Reader
	limits        jsonvalue.Limits
	emit          Emit
	unsetVariants []string
	drop          bool
	// estimate is the expected number of impressions per month, the product of factors. They are 0 and nil if no estimate is
	// configured.
	estimate       int64
	factors        []factor
	maxExperiments int
}

// eventType is one entry of event_types.
type eventType struct {
	pre, post string
}

// layoutNames returns the layouts as metrics name them.
func (c *compiled) layoutNames() []string {
	names := make([]string, 0, len(c.layouts))
	for i := range c.layouts {
		names = append(names, c.layouts[i].Name)
	}
	return names
}

func (c *Config) compile() (*compiled, error) {
	eventTypes, eventTypesErr := c.compileEventTypes()
	layouts, layoutsErr := layout.Compile(c.Layouts)
	estimate, estimateErr := c.Estimate.product()
	err := errors.Join(
		eventTypesErr,
		layoutsErr,
		c.checkChoices(),
		c.checkNumbers(),
		c.checkIdentities(),
		estimateErr,
	)
	if err != nil {
		return nil, err
	}
	settings := reader.Settings{
		Layouts: layouts,
		Types:   preForms(eventTypes),
		Fields:  []event.Field{event.Properties, event.UserID, event.DeviceID, event.InsertID, event.Time},
		Limits:  c.JSONBody,

		MinIDLength: c.MinIDLength,
	}
	events := reader.New(settings)
	settings.Types = nil
	return &compiled{
		eventTypes:    eventTypes,
		layouts:       layouts,
		events:        events,
		allEvents:     reader.New(settings),
		limits:        c.JSONBody,
		emit:          c.UserProperties.Emit,
		unsetVariants: c.UserProperties.UnsetVariants,
		drop:          c.Unassigned == DropUnassigned,
		estimate:      estimate,
		factors:       c.Estimate.factors(),

		maxExperiments: c.Telemetry.MaxExperiments,
	}, nil
}

func (c *Config) compileEventTypes() ([]eventType, error) {
	if len(c.EventTypes) == 0 {
		return nil, errors.New(`event_types: empty; give at least one "<pre form>": "<post form>"`)
	}
	spellings := map[string]string{}
	var types []eventType
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(c.EventTypes)) {
		t := eventType{pre: unescape(key), post: c.EventTypes[key]}
		if before, repeated := spellings[t.pre]; repeated {
			faults = append(faults, fmt.Errorf("event_types: %q and %q are the same event type; give one of them", before, key))
		}
		spellings[t.pre] = key
		faults = append(faults, t.check()...)
		types = append(types, t)
	}
	for _, t := range types {
		if key, chained := spellings[t.post]; chained && t.post != "" {
			faults = append(faults, fmt.Errorf(
				"event_types: %q becomes %q, which is a key too, so its events would be transformed twice; use a post form that isn't a key",
				t.pre, key))
		}
	}
	return types, errors.Join(faults...)
}

// unescape replaces a leading $$ by $. In values, the collector does so itself; in keys it doesn't, so users write both.
func unescape(key string) string {
	if strings.HasPrefix(key, "$$") {
		return key[1:]
	}
	return key
}

func (t eventType) check() []error {
	var faults []error
	if t.pre == "" {
		faults = append(faults, errors.New("event_types: a key is empty; give the event type to rewrite"))
	}
	if t.post == "" {
		faults = append(faults, fmt.Errorf("event_types: the value of %q is empty; give the event type that it becomes", t.pre))
	}
	if t.pre == impression.IdentifyEventType || t.post == impression.IdentifyEventType {
		faults = append(faults, fmt.Errorf("event_types: %q: %q: %s is the event type of the emitted updates; use another",
			t.pre, t.post, impression.IdentifyEventType))
	}
	return faults
}

func (c *Config) checkChoices() error {
	var faults []error
	if !slices.Contains([]Emit{EmitRecord, EmitInline, EmitNone}, c.UserProperties.Emit) {
		faults = append(faults, fmt.Errorf("user_properties.emit: %q is not known; allowed: record, inline, none", c.UserProperties.Emit))
	}
	if slices.Contains(c.UserProperties.UnsetVariants, "") {
		faults = append(faults, errors.New("user_properties.unset_variants: a name is empty; remove it, because an empty variant always unsets"))
	}
	if c.Unassigned != KeepUnassigned && c.Unassigned != DropUnassigned {
		faults = append(faults, fmt.Errorf("unassigned: %q is not known; allowed: keep, drop", c.Unassigned))
	}
	if c.Unassigned == DropUnassigned && c.UserProperties.Emit == EmitInline {
		faults = append(faults, errors.New(
			"unassigned: drop would remove the events to which user_properties.emit: inline adds the update; allowed with drop: record, none"))
	}
	return errors.Join(faults...)
}

func (c *Config) checkNumbers() error {
	var faults []error
	if c.MinIDLength < 1 || c.MinIDLength > amplitude.MaxStringLength {
		faults = append(faults, fmt.Errorf("min_id_length: %d; allowed: 1 to %d", c.MinIDLength, amplitude.MaxStringLength))
	}
	if c.JSONBody.MaxBytes < 1 {
		faults = append(faults, fmt.Errorf("json_body.max_bytes: %d; allowed: 1 or more", c.JSONBody.MaxBytes))
	}
	if c.JSONBody.MaxDepth < 1 {
		faults = append(faults, fmt.Errorf("json_body.max_depth: %d; allowed: 1 or more", c.JSONBody.MaxDepth))
	}
	if c.JSONBody.MaxValues < 1 {
		faults = append(faults, fmt.Errorf("json_body.max_values: %d; allowed: 1 or more", c.JSONBody.MaxValues))
	}
	if c.Telemetry.MaxExperiments < 0 {
		faults = append(faults, fmt.Errorf("telemetry.max_experiments: %d is negative; allowed: 0 (off) or more", c.Telemetry.MaxExperiments))
	}
	return errors.Join(faults...)
}

// checkIdentities returns an error for each layout without a user or device, because its impressions can't give an update.
func (c *Config) checkIdentities() error {
	if c.UserProperties.Emit == EmitNone {
		return nil
	}
	var faults []error
	for i, l := range c.Layouts {
		if !l.HasIdentity() {
			faults = append(faults, fmt.Errorf(
				"layouts[%d]: no user_id and no device_id; give a path for at least one of them, or user_properties.emit: none", i))
		}
	}
	return errors.Join(faults...)
}

// factor is a factor of the estimate, by its key in the configuration.
type factor struct {
	key   string
	value int64
}

// factors returns the factors, or none if there is no estimate.
func (e *EstimateConfig) factors() []factor {
	if e == nil {
		return nil
	}
	return []factor{
		{"monthly_tracked_users", e.MonthlyTrackedUsers},
		{"experiments_per_month", e.ExperimentsPerMonth},
		{"page_views_per_user", e.PageViewsPerUser},
	}
}

func (e *EstimateConfig) product() (int64, error) {
	if e == nil {
		return 0, nil
	}
	product := uint64(1)
	var faults []error
	for _, factor := range e.factors() {
		if factor.value <= 0 {
			faults = append(faults, fmt.Errorf("estimate.%s: %d, or not given; allowed: 1 or more, all three together", factor.key, factor.value))
			continue
		}
		high, low := bits.Mul64(product, uint64(factor.value))
		if high != 0 || low > 1<<63-1 {
			faults = append(faults, fmt.Errorf("estimate: %d x %d x %d is more than 2^63-1; give smaller numbers",
				e.MonthlyTrackedUsers, e.ExperimentsPerMonth, e.PageViewsPerUser))
			break
		}
		product = low
	}
	return int64(product), errors.Join(faults...)
}

// needsIdentity reports whether the user and device of impressions must be read. With unassigned: drop they must be, even
// without updates, because an impression without identity isn't dropped.
func (c *compiled) needsIdentity() bool {
	return c.emit != EmitNone || c.drop
}

// preForms returns the event types that are rewritten, in order.
func preForms(eventTypes []eventType) []string {
	var types []string
	for _, t := range eventTypes {
		types = append(types, t.pre)
	}
	return types
}

// types returns the event types before the processor, then those after it.
func (c *compiled) types() []string {
	types := preForms(c.eventTypes)
	for _, t := range c.eventTypes {
		types = append(types, t.post)
	}
	return types
}
