// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// Config is the configuration of a layout: a preset, a preset with some fields replaced, or every field by hand.
type Config struct {
	// Preset is the name of a known layout.
	Preset string `mapstructure:"preset"`
	// Paths has the paths of fields, by the field's key. A list, even an empty one, replaces the preset's. The first path
	// whose value is present, not null, not empty, and usable for the field is used.
	Paths map[string][]string `mapstructure:",remain"`
}

// Keys returns the keys that a layout can have in a configuration: preset, then those of the fields.
func Keys() []string {
	keys := []string{"preset"}
	for _, f := range event.Fields() {
		keys = append(keys, f.Key())
	}
	return keys
}

// HasIdentity reports whether the layout has a path to a user or device id. It reports true for an unknown preset, so that
// only Compile reports that error.
func (c Config) HasIdentity() bool {
	resolved, err := c.resolve()
	return err != nil || len(resolved.paths[event.UserID])+len(resolved.paths[event.DeviceID]) > 0
}

// resolve returns the preset after replacing the configured fields.
func (c Config) resolve() (preset, error) {
	var resolved preset
	if c.Preset != "" {
		known, found := presets[c.Preset]
		if !found {
			return preset{}, fmt.Errorf(".preset: %q is not known; allowed: %s", c.Preset, strings.Join(Presets(), ", "))
		}
		resolved = known
	}
	if resolved.paths[event.UserProperties] == nil {
		resolved.paths[event.UserProperties] = userPropertiesPaths
	}
	var given paths
	for _, f := range event.Fields() {
		given[f] = c.Paths[f.Key()]
	}
	if given[event.Platform] != nil {
		resolved.Web = Entry{}
	}
	return resolved.with(given), nil
}

// unknownKeys returns an error for each key that isn't a field's.
func (c Config) unknownKeys() []error {
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(c.Paths)) {
		if _, known := event.FieldOf(key); !known {
			faults = append(faults, fmt.Errorf(".%s: no such key; allowed: %s", key, strings.Join(Keys(), ", ")))
		}
	}
	return faults
}

// name returns the layout's name in metrics.
func (c Config) name(index int) string {
	return cmp.Or(c.Preset, fmt.Sprintf("layouts[%d]", index))
}
