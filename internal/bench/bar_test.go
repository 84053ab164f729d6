// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// setSamples gives entries of a group one sample each.
func setSamples(g *group, samples map[string]float64) {
	for label, sample := range samples {
		g.find(label).samples = []float64{sample}
	}
}

func TestMissedBarsAreNamed(t *testing.T) {
	groups, err := newGroups("otel/10/")
	require.NoError(t, err)
	setSamples(groups[0], map[string]float64{floor: 10, ours: 100, ottlFanOut: 800, ottlIdealRouter: 299})
	require.EqualError(t, missed(groups), "otel/10: OTTL ideal router takes 2.99 × ours, want at least 3")

	groups, err = newGroups("otel/0/")
	require.NoError(t, err)
	setSamples(groups[0], map[string]float64{floor: 10, ours: 21, allPresets: 25})
	groups[0].find(ours).allocs = 0.01
	require.EqualError(t, missed(groups),
		"otel/0: ours takes 2.10 × floor, want at most 2\notel/0: ours takes 0.01 allocs/event, want at most 0")
}

// TestParsingAndTransformationHaveSeparateLimits has a limit of 1.6 × 100 + 50.
func TestParsingAndTransformationHaveSeparateLimits(t *testing.T) {
	groups, err := newGroups("segment-text-batch/100/")
	require.NoError(t, err)
	samples := map[string]float64{neededSearch: 1, bareParse: 100, transformation: 50, ours: 210}
	setSamples(groups[0], samples)
	require.NoError(t, missed(groups))
	samples[ours] = 220
	setSamples(groups[0], samples)
	require.EqualError(t, missed(groups),
		"segment-text-batch/100: ours takes 1.70 × bare parse beyond transformation alone, want at most 1.6")
}

// TestBarsCompareSamplesOfTheSameRound simulates a machine that slows down: each sample of ours is 0.9 times OTTL's of the same
// round, although our median is higher.
func TestBarsCompareSamplesOfTheSameRound(t *testing.T) {
	groups, err := newGroups("segment-body/0/")
	require.NoError(t, err)
	g := groups[0]
	g.entries = []*entry{g.find(ours), g.find(ottlSelection)}
	g.find(ours).samples = []float64{90, 900, 9000, 99}
	g.find(ottlSelection).samples = []float64{100, 1000, 10_000}
	require.NoError(t, missed(groups))
	g.find(ours).samples = []float64{90, 1100, 11_000}
	require.EqualError(t, missed(groups), "segment-body/0: ours takes 1.10 × OTTL selection, want at most 1")
}

func TestAllBarsAreChecked(t *testing.T) {
	groups, err := newGroups("")
	require.NoError(t, err)
	bars := 0
	for _, g := range groups {
		for _, e := range g.entries {
			e.samples = []float64{1}
		}
		for _, e := range g.entries {
			bars += len(g.bars(e))
		}
	}
	assert.Equal(t, 39, bars)
}
