// SPDX-License-Identifier: Apache-2.0

package ratio

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// draw returns the index of a variant with these weights, which must sum to 1.
func draw(random *rand.Rand, weights []float64) int {
	at := random.Float64()
	for i, w := range weights {
		if at -= w; at < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// alarmAfter returns after how many users a test of the intended weights raises the alarm if it is looked at after each user, or 0.
func alarmAfter(seed uint64, intended, actual []float64, users int) int {
	random := rand.New(rand.NewPCG(seed, 0))
	test := New(intended, nil)
	for n := range users {
		test.Add(draw(random, actual))
		if test.IsUnlikely() {
			return n + 1
		}
	}
	return 0
}

func TestFairStreamsRaiseFewFalseAlarms(t *testing.T) {
	const streams, users = 1000, 5_000
	for name, weights := range map[string][]float64{
		"two": {.5, .5}, "one in ten": {.9, .1}, "three": {1. / 3, 1. / 3, 1. / 3}, "ten": {.1, .1, .1, .1, .1, .1, .1, .1, .1, .1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alarms := 0
			for seed := range uint64(streams) {
				if alarmAfter(seed, weights, weights, users) > 0 {
					alarms++
				}
			}
			t.Logf("%d false alarms in %d streams of %d users", alarms, streams, users)
			assert.LessOrEqual(t, float64(alarms)/streams, Alpha)
		})
	}
}

func TestWrongSplitsAreFound(t *testing.T) {
	for name, row := range map[string]struct {
		intended, actual []float64
		within           int
	}{
		"52/48":             {[]float64{50, 50}, []float64{.52, .48}, 41_203},
		"55/45":             {[]float64{1, 1}, []float64{.55, .45}, 5_000},
		"one variant fails": {[]float64{50, 50}, []float64{1, 0}, 40},
		"90/10 sent 88/12":  {[]float64{90, 10}, []float64{.88, .12}, 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			found := 0
			for seed := range uint64(100) {
				if alarmAfter(seed, row.intended, row.actual, row.within) > 0 {
					found++
				}
			}
			assert.GreaterOrEqual(t, found, 99)
		})
	}
}

func TestEvidenceDoesNotDependOnTheOrder(t *testing.T) {
	one, other := New([]float64{2, 1, 1}, nil), New([]float64{50, 25, 25}, []int64{30, 5})
	for i := range 60 {
		one.Add(i % 3)
	}
	for range 60 {
		one.Add(0)
	}
	for range 50 {
		other.Add(0)
	}
	for range 15 {
		other.Add(1)
	}
	for range 20 {
		other.Add(2)
	}
	assert.Equal(t, one.Counts(), other.Counts())
	assert.InDelta(t, one.evidence, other.evidence, 1e-9)
	assert.Equal(t, int64(120), other.Users())
}

func TestAnAlarmStays(t *testing.T) {
	test := New([]float64{1, 1}, nil)
	assert.InDelta(t, 1, test.PValue(), 0)
	for range 100 {
		test.Add(0)
	}
	assert.True(t, test.IsUnlikely())
	p := test.PValue()
	for range 100 {
		test.Add(1)
	}
	assert.True(t, test.IsUnlikely())
	assert.InDelta(t, p, test.PValue(), 0)
}
