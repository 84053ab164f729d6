// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impressionprocessor/impressionprocessor"

import "github.com/impression-collector/impressionprocessor/internal/impression"

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

// counts is what happened in one batch.
type counts struct {
	// events is by index into compiled.eventTypes.
	events  [][outcomes]int64
	updates [impression.Operations]int64
	// experiments is nil where they are not counted.
	experiments map[experiment]int64
}

func newCounts(config *compiled) counts {
	c := counts{events: make([][outcomes]int64, len(config.eventTypes))}
	if config.maxExperiments > 0 {
		c.experiments = map[experiment]int64{}
	}
	return c
}

func (c *counts) event(eventType int, o outcome) {
	c.events[eventType][o]++
}

func (c *counts) experiment(flagKey, variant string) {
	if c.experiments != nil {
		c.experiments[experiment{flagKey, variant}]++
	}
}

func (c *counts) reset() {
	clear(c.events)
	clear(c.experiments)
	c.updates = [impression.Operations]int64{}
}
