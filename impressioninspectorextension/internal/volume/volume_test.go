// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNumbersAreExactAsLongAsAllUsersAreKept(t *testing.T) {
	c := New(100)
	assert.Zero(t, c.Numbers())
	for user := range uint64(10) {
		for experiment := range uint64(3) {
			for range 4 {
				c.Add(user<<60, experiment)
			}
		}
	}
	// One user saw one experiment only, twice.
	c.Add(15<<60, 0)
	c.Add(15<<60, 0)
	assert.Equal(t, Numbers{Users: 11, Experiments: 3, PageViewsPerUser: 122.0 / 31}, c.Numbers())
}

func TestNumbersAreEstimatedFromASample(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	c := New(2000)
	const users = 50_000
	for range users {
		hash := random.Uint64()
		for experiment := range uint64(2) {
			for range 1 + random.IntN(9) {
				c.Add(hash, experiment)
			}
		}
	}
	assert.LessOrEqual(t, c.pairs, 2000, "memory is bounded")
	n := c.Numbers()
	assert.InEpsilon(t, users, n.Users, 0.15)
	assert.InEpsilon(t, 5, n.PageViewsPerUser, 0.1)
	assert.InDelta(t, 2, n.Experiments, 0)
}

func TestExperimentsAreBounded(t *testing.T) {
	c := New(10)
	for experiment := range uint64(2 * maxExperiments) {
		c.Add(1<<63, experiment)
	}
	assert.InDelta(t, maxExperiments, c.Numbers().Experiments, 0)
	assert.LessOrEqual(t, c.pairs, 10)
}
