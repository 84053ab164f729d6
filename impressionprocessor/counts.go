// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"strings"

	"go.opentelemetry.io/otel/metric"

	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// experiment is a flag with one of its variants.
type experiment struct {
	flagKey, variant string
}

// use counts the impressions of an experiment. It is reused by later batches.
type use struct {
	experiment
	// impressions is the number of impressions in the current batch.
	impressions int64
	// series is the experiment's own series or the overflow series. It is nil until the first count.
	series []metric.AddOption
}

// Limits of what counts keeps between batches.
const (
	// maxUses is the number of experiments. If a batch exceeds it, all are removed afterward.
	maxUses = 4096
	// maxNameBytes is the length of flag and variant together. Experiments with longer names aren't kept, and are counted in
	// the overflow series.
	maxNameBytes = 512
)

// counts has the numbers of one batch.
type counts struct {
	// events is by index into compiled.eventTypes.
	events   [][numOutcomes]int64
	updates  [impression.NumOperations]int64
	problems [reader.NumProblems]int64
	// used has the elements of uses with impressions in this batch.
	used []*use
	uses map[experiment]*use
	// tooLong counts the impressions whose names are longer than maxNameBytes.
	tooLong int64
}

func newCounts(eventTypes int) counts {
	return counts{events: make([][numOutcomes]int64, eventTypes), uses: map[experiment]*use{}}
}

func (c *counts) event(eventType int, o outcome) {
	c.events[eventType][o]++
}

// impression counts an impression of an experiment.
func (c *counts) impression(flagKey, variant string) {
	if len(flagKey)+len(variant) > maxNameBytes {
		c.tooLong++
		return
	}
	u, known := c.uses[experiment{flagKey, variant}]
	if !known {
		// The strings may share the memory of a whole request.
		u = &use{experiment: experiment{flagKey: strings.Clone(flagKey), variant: strings.Clone(variant)}}
		c.uses[u.experiment] = u
	}
	if u.impressions == 0 {
		c.used = append(c.used, u)
	}
	u.impressions++
}

func (c *counts) reset() {
	clear(c.events)
	c.updates = [impression.NumOperations]int64{}
	c.problems = [reader.NumProblems]int64{}
	for _, u := range c.used {
		u.impressions = 0
	}
	c.used = c.used[:0]
	c.tooLong = 0
	if len(c.uses) > maxUses {
		clear(c.uses)
	}
}
