// SPDX-License-Identifier: Apache-2.0

package users

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/ratio"
)

func TestUsersAreExactWhileTheyFit(t *testing.T) {
	s := NewPool(100).NewSample()
	random := rand.New(rand.NewPCG(1, 0))
	hashes := make([]uint64, 60)
	for i := range hashes {
		hashes[i] = random.Uint64()
		assert.True(t, s.See(hashes[i], uint8(i%2), 10, true))
		assert.False(t, s.See(hashes[i], uint8(i%2), 11, true), "seen before")
	}
	s.See(hashes[0], 1, 12, true)
	s.See(hashes[0], 1, 13, true)
	count := s.Count(2, 13)
	assert.Equal(t, Count{Recent: []int64{30, 31}, Several: 1, Share: 1}, count)
	assert.Zero(t, count.Error(30))
	assert.Equal(t, []int64{0, 1}, s.Count(2, 11+Window).Recent, "only the last sight is recent")
	assert.Equal(t, []int64{0, 0}, s.Count(2, 13+Window).Recent)
}

func TestUnassignedUsersCountOnceTheyAreAssigned(t *testing.T) {
	s := NewPool(100).NewSample()
	assert.False(t, s.See(1, 0, 1, false))
	assert.True(t, s.See(1, 1, 1, true))
	assert.False(t, s.See(1, 1, 1, true))
}

// TestManyUsersAreEstimated fills a pool many times over. Memory stays bounded, and estimates are as near as they claim to be.
func TestManyUsersAreEstimated(t *testing.T) {
	const maxUsers = 4000
	outside := 0
	for seed := range uint64(50) {
		pool := NewPool(maxUsers)
		large, small := pool.NewSample(), pool.NewSample()
		random := rand.New(rand.NewPCG(seed, 0))
		for i := range 50_000 {
			hash := random.Uint64()
			large.See(hash, uint8(i%2), 1, true)
			large.See(hash, uint8(i%2), 2, true)
			if i%100 == 0 {
				small.See(random.Uint64(), 0, 1, true)
			}
			if pool.kept > maxUsers {
				t.Fatal(pool.kept)
			}
		}
		assert.Equal(t, pool.kept, len(large.users)+len(small.users))
		assert.Equal(t, Count{Recent: []int64{500}, Share: 1}, small.Count(1, 2), "a small experiment stays exact")
		count := large.Count(2, 2)
		for _, kept := range count.Recent {
			if math.Abs(float64(kept)/count.Share-25_000) > count.Error(kept)*float64(kept)/count.Share {
				outside++
			}
		}
	}
	assert.LessOrEqual(t, outside, 10, "95%% of 100 intervals should include the truth")
}

// TestSampledUsersRaiseFewFalseAlarms looks at fair streams after each user, while the sample shrinks and users return.
func TestSampledUsersRaiseFewFalseAlarms(t *testing.T) {
	const streams = 1000
	alarms := 0
	for seed := range uint64(streams) {
		s := NewPool(500).NewSample()
		test := ratio.New([]float64{1, 1}, nil)
		random := rand.New(rand.NewPCG(seed, 1))
		for range 5000 {
			hash := random.Uint64()
			variant := uint8(random.IntN(2))
			for range 1 + random.IntN(3) {
				if s.See(hash, variant, 1, true) {
					test.Add(int(variant))
				}
			}
		}
		if test.IsUnlikely() {
			alarms++
		}
	}
	assert.LessOrEqual(t, float64(alarms)/streams, ratio.Alpha)
}
