// SPDX-License-Identifier: Apache-2.0

// Package volume counts the factors of the number of impressions: distinct users, experiments, and page views. It keeps all users until
// there are too many pairs of a user and an experiment. Then it keeps only users whose hash is below a bound, which it halves each time
// there are too many again.
package volume // import "github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/volume"

import (
	"math"
	"slices"
)

// maxExperiments is how many experiments are counted at most.
const maxExperiments = 4096

// Counter counts impressions. It isn't safe for concurrent use.
type Counter struct {
	// maxPairs is how many pairs of a user and an experiment are kept.
	maxPairs, pairs int
	// dropped is how often the bound was halved. A user is kept if that many of the hash's highest bits are 0.
	dropped     int
	users       map[uint64]*user
	experiments map[uint64]struct{}
}

// user has the experiments that a user saw.
type user struct {
	experiments []uint64
	impressions int64
}

// New returns a counter that keeps at most this many pairs of a user and an experiment.
func New(maxPairs int) *Counter {
	return &Counter{maxPairs: maxPairs, users: map[uint64]*user{}, experiments: map[uint64]struct{}{}}
}

// Add counts an impression. Both arguments are hashes, and that of the user must be uniform.
func (c *Counter) Add(userHash, experiment uint64) {
	if len(c.experiments) < maxExperiments {
		c.experiments[experiment] = struct{}{}
	}
	if userHash>>(64-c.dropped) != 0 {
		return
	}
	u := c.users[userHash]
	if u == nil {
		u = &user{}
		c.users[userHash] = u
	}
	u.impressions++
	if slices.Contains(u.experiments, experiment) {
		return
	}
	u.experiments = append(u.experiments, experiment)
	c.pairs++
	for c.pairs > c.maxPairs {
		c.halve()
	}
}

func (c *Counter) halve() {
	c.dropped++
	for hash, u := range c.users {
		if hash>>(64-c.dropped) != 0 {
			c.pairs -= len(u.experiments)
			delete(c.users, hash)
		}
	}
}

// Numbers are the factors of the number of impressions.
type Numbers struct {
	// Users are the distinct users, and Experiments the experiments that any of them saw.
	Users, Experiments float64
	// PageViewsPerUser are the impressions of an experiment for each user who saw it. A page view in which an experiment is shown has
	// one.
	PageViewsPerUser float64
}

// Numbers returns the numbers until now.
func (c *Counter) Numbers() Numbers {
	n := Numbers{Users: math.Ldexp(float64(len(c.users)), c.dropped), Experiments: float64(len(c.experiments))}
	var impressions int64
	for _, u := range c.users {
		impressions += u.impressions
	}
	if c.pairs > 0 {
		n.PageViewsPerUser = float64(impressions) / float64(c.pairs)
	}
	return n
}
