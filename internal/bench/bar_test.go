// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMissedBarsAreNamed gives each entry a time and asks which bars it misses.
func TestMissedBarsAreNamed(t *testing.T) {
	groups, err := newGroups("otel/10/")
	require.NoError(t, err)
	for label, perEvent := range map[string]float64{floor: 10, ours: 100, fanOut: 800, favourable: 299} {
		groups[0].find(label).perEvent = []float64{perEvent}
	}
	require.EqualError(t, missed(groups), "missed: otel/10, OTTL favourable: 2.99, wanted at least 3 × ours")

	groups, err = newGroups("otel/0/")
	require.NoError(t, err)
	for label, perEvent := range map[string]float64{floor: 10, ours: 21, allPresets: 250, fanOut: 1, favourable: 1} {
		groups[0].find(label).perEvent = []float64{perEvent}
	}
	groups[0].find(ours).allocs = 0.01
	require.EqualError(t, missed(groups),
		"missed: otel/0, ours: 2.10, wanted at most 2 × floor\nmissed: otel/0, ours: 0.01, wanted at most 0 allocs")
}

// TestParseAndTransformationHaveTheirOwnPrices adds them up: 1.6 × 100 + 50.
func TestParseAndTransformationHaveTheirOwnPrices(t *testing.T) {
	groups, err := newGroups("segment-text-batch/100/")
	require.NoError(t, err)
	g := groups[0]
	for label, perEvent := range map[string]float64{bareScan: 1, bareParse: 100, transformation: 50, ours: 210} {
		g.find(label).perEvent = []float64{perEvent}
	}
	require.NoError(t, missed(groups))
	g.find(ours).perEvent = []float64{220}
	require.EqualError(t, missed(groups),
		"missed: segment-text-batch/100, ours: 1.70, wanted at most 1.6 × bare parse beyond transformation alone")
}

func TestAllBarsAreThere(t *testing.T) {
	groups, err := newGroups("")
	require.NoError(t, err)
	bars := 0
	for _, g := range groups {
		for _, e := range g.entries {
			e.perEvent = []float64{1}
		}
		for _, e := range g.entries {
			bars += len(g.bars(e))
		}
	}
	assert.Equal(t, 29, bars)
}
