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

	"github.com/impression-collector/impression-bridge/internal/configkeys"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// Config is the configuration of the processor. config.schema.json describes the same keys.
type Config struct {
	// EventTypes maps the event types that are rewritten to what they become. A given map replaces the default.
	EventTypes map[string]string `mapstructure:"event_types"`
	// Layouts say where the parts of an event are in a record. They are tried in order.
	Layouts []LayoutConfig `mapstructure:"layouts"`
	// UserProperties says what becomes of the user property updates.
	UserProperties UserPropertiesConfig `mapstructure:"user_properties"`
	// Unassigned says what becomes of an impression without a variant, once its user property is unset: keep or drop.
	Unassigned Unassigned `mapstructure:"unassigned"`
	// JSONBody bounds the JSON texts in bodies that are read. Texts beyond stay as they are, and are counted.
	JSONBody JSONBodyConfig `mapstructure:"json_body"`
	// Estimate predicts the number of impressions, as a metric beside the real one.
	Estimate *EstimateConfig `mapstructure:"estimate"`
	// Telemetry bounds what the processor tells of itself.
	Telemetry TelemetryConfig `mapstructure:"telemetry"`
}

// LayoutConfig is an entry of layouts: a preset, a preset with some fields replaced, or every field by hand.
type LayoutConfig = layout.Config

// JSONBodyConfig limits the JSON texts in bodies that are parsed.
type JSONBodyConfig = jsonvalue.Limits

// Unassigned is what becomes of an impression without a variant.
type Unassigned string

const (
	// KeepUnassigned rewrites it as any other.
	KeepUnassigned Unassigned = "keep"
	// DropUnassigned removes it, as Amplitude's client does.
	DropUnassigned Unassigned = "drop"
)

// Emit is the form in which user property updates are emitted.
type Emit string

const (
	// EmitRecord emits a log record before the impression's.
	EmitRecord Emit = "record"
	// EmitInline puts the update into the impression.
	EmitInline Emit = "inline"
	// EmitNone emits none.
	EmitNone Emit = "none"
)

// UserPropertiesConfig says what becomes of the user property updates.
type UserPropertiesConfig struct {
	// Emit is the form in which they are emitted.
	Emit Emit `mapstructure:"emit"`
	// UnsetVariants are variants that unset the user property, as a missing one does.
	UnsetVariants []string `mapstructure:"unset_variants"`
}

// EstimateConfig is what the number of impressions a month is predicted from: their product.
type EstimateConfig struct {
	MonthlyTrackedUsers int64 `mapstructure:"monthly_tracked_users"`
	ExperimentsPerMonth int64 `mapstructure:"experiments_per_month"`
	// PageViewsPerUser is per month.
	PageViewsPerUser int64 `mapstructure:"page_views_per_user"`
}

// TelemetryConfig bounds what the processor tells of itself.
type TelemetryConfig struct {
	// MaxExperiments is the most pairs of flag and variant that are counted each on their own; 0 counts none.
	MaxExperiments int `mapstructure:"max_experiments"`
}

func createDefaultConfig() component.Config {
	return &Config{
		EventTypes:     map[string]string{"$impression": "[Experiment] Impression"},
		Layouts:        []LayoutConfig{{Preset: "otel"}, {Preset: "amplitude"}, {Preset: "segment"}},
		UserProperties: UserPropertiesConfig{Emit: EmitRecord},
		Unassigned:     KeepUnassigned,
		JSONBody:       JSONBodyConfig{MaxBytes: 4 << 20, MaxDepth: 40, MaxValues: 100_000},
		Telemetry:      TelemetryConfig{MaxExperiments: 1500},
	}
}

// Unmarshal reads the configuration. A given event_types replaces the default, which the decoder would merge it into. When
// a key is unknown or does not decode, the values are checked nevertheless, so that all faults are reported at once.
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
		// What did not decode is not also empty.
		c.EventTypes = defaults
	}
	return errors.Join(unknown, decoding, c.Validate())
}

// Validate reports every fault of the configuration at once, each with its key, value, and what is allowed.
func (c *Config) Validate() error {
	_, err := c.compile()
	return err
}

// compiled is the configuration in the form that records are processed with.
type compiled struct {
	eventTypes []eventType
	layouts    []layout.Layout
	// events is cloned for each batch.
	events        *reader.Reader
	limits        jsonvalue.Limits
	emit          Emit
	unsetVariants []string
	drop          bool
	// estimate is the number of impressions a month, 0 without one.
	estimate       int64
	maxExperiments int
}

// eventType is one pair of event_types.
type eventType struct {
	pre, post string
}

func (c *Config) compile() (*compiled, error) {
	eventTypes, eventTypesErr := c.compileEventTypes()
	layouts, layoutsErr := layout.Compile(c.Layouts)
	estimate, estimateErr := c.Estimate.product()
	err := errors.Join(
		eventTypesErr,
		layoutsErr,
		c.checkChoices(),
		c.checkIdentities(),
		estimateErr,
	)
	if err != nil {
		return nil, err
	}
	return &compiled{
		eventTypes: eventTypes,
		layouts:    layouts,
		events: reader.New(reader.Settings{
			Layouts: layouts,
			Types:   preForms(eventTypes),
			Fields:  []event.Field{event.Properties, event.UserID, event.DeviceID, event.InsertID, event.Time},
			Limits:  c.JSONBody,
		}),
		limits:        c.JSONBody,
		emit:          c.UserProperties.Emit,
		unsetVariants: c.UserProperties.UnsetVariants,
		drop:          c.Unassigned == DropUnassigned,
		estimate:      estimate,

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
				"event_types: %q becomes %q, which is a key too, so that its events would be transformed twice; give a post form that is no key",
				t.pre, key))
		}
	}
	return types, errors.Join(faults...)
}

// unescape reads the $$ that stands for $ in the values of a collector's configuration. The collector leaves keys as they
// are, so that both spellings arrive here.
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
		faults = append(faults, fmt.Errorf("event_types: %q: %q: %s is the event type of the emitted updates; give another",
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
		faults = append(faults, errors.New("user_properties.unset_variants: a name is empty; an empty variant always unsets"))
	}
	if c.Unassigned != KeepUnassigned && c.Unassigned != DropUnassigned {
		faults = append(faults, fmt.Errorf("unassigned: %q is not known; allowed: keep, drop", c.Unassigned))
	}
	if c.Unassigned == DropUnassigned && c.UserProperties.Emit == EmitInline {
		faults = append(faults, errors.New(
			"unassigned: drop would remove the events that user_properties.emit: inline puts the unset into; allowed with drop: record, none"))
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

// checkIdentities finds the layouts whose impressions could never give an update.
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

func (e *EstimateConfig) product() (int64, error) {
	if e == nil {
		return 0, nil
	}
	product := uint64(1)
	var faults []error
	for _, factor := range []struct {
		key   string
		value int64
	}{
		{"monthly_tracked_users", e.MonthlyTrackedUsers},
		{"experiments_per_month", e.ExperimentsPerMonth},
		{"page_views_per_user", e.PageViewsPerUser},
	} {
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

// needsIdentity says whether it matters whom an impression was shown to: one without is never dropped.
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
