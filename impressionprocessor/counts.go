// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"strings"

	"go.opentelemetry.io/otel/metric"

	"github.com/impression-collector/impression-bridge/internal/impression"
)

// outcome is what became of an event of a listed type.
type outcome uint8

const (
	transformed outcome = iota
	dropped
	malformedFlagKey
	malformedVariant
	malformedProperties

	outcomes = iota
)

// String is the outcome's name in metrics.
func (o outcome) String() string {
	return [outcomes]string{"transformed", "dropped", "malformed_flag_key", "malformed_variant", "malformed_properties"}[o]
}

var outcomeOf = map[impression.Fault]outcome{
	impression.MalformedFlagKey: malformedFlagKey,
	impression.MalformedVariant: malformedVariant,
}

// experiment is what impressions are counted by.
type experiment struct {
	flagKey, variant string
}

// use is what is known of an experiment, from batch to batch.
type use struct {
	experiment
	// property is the name of the flag's user property.
	property string
	// impressions are those of the current batch.
	impressions int64
	// series is the experiment's own or that of the overflow, nil until it is counted first.
	series []metric.AddOption
}

// What is kept of experiments. More of them at once, or longer names, cost some allocations an impression.
const (
	maxUses      = 4096
	maxNameBytes = 512
)

// counts is what happened in one batch.
type counts struct {
	records int64
	// events is by index into compiled.eventTypes.
	events  [][outcomes]int64
	updates [impression.Operations]int64
	// used are the uses with impressions in this batch.
	used []*use
	uses map[experiment]*use
	// tooLong are the impressions whose names are not kept.
	tooLong int64
}

func newCounts(eventTypes int) counts {
	return counts{events: make([][outcomes]int64, eventTypes), uses: map[experiment]*use{}}
}

func (c *counts) event(eventType int, o outcome) {
	c.events[eventType][o]++
}

// impression counts an impression of an experiment, and returns the name of the flag's user property.
func (c *counts) impression(flagKey, variant string) string {
	if len(flagKey)+len(variant) > maxNameBytes {
		c.tooLong++
		return impression.Property(flagKey)
	}
	u, known := c.uses[experiment{flagKey, variant}]
	if !known {
		u = newUse(flagKey, variant)
		c.uses[u.experiment] = u
	}
	if u.impressions == 0 {
		c.used = append(c.used, u)
	}
	u.impressions++
	return u.property
}

// newUse copies the strings, which may be parts of a whole request.
func newUse(flagKey, variant string) *use {
	property := impression.Property(flagKey)
	return &use{
		experiment: experiment{flagKey: property[len(property)-len(flagKey):], variant: strings.Clone(variant)},
		property:   property,
	}
}

func (c *counts) reset() {
	c.records = 0
	clear(c.events)
	c.updates = [impression.Operations]int64{}
	for _, u := range c.used {
		u.impressions = 0
	}
	c.used = c.used[:0]
	c.tooLong = 0
	if len(c.uses) > maxUses {
		clear(c.uses)
	}
}
