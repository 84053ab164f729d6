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
	for label, perRecord := range map[string]float64{floor: 10, ours: 100, fanOut: 800, favourable: 299} {
		groups[0].find(label).perRecord = []float64{perRecord}
	}
	require.EqualError(t, missed(groups), "missed: otel/10, OTTL favourable: 2.99, wanted at least 3 × ours")

	groups, err = newGroups("otel/0/")
	require.NoError(t, err)
	for label, perRecord := range map[string]float64{floor: 10, ours: 21, fanOut: 1, favourable: 1} {
		groups[0].find(label).perRecord = []float64{perRecord}
	}
	groups[0].find(ours).allocs = 0.01
	require.EqualError(t, missed(groups),
		"missed: otel/0, ours: 2.10, wanted at most 2 × floor\nmissed: otel/0, ours: 0.01, wanted at most 0 allocs")
}

func TestAllBarsAreThere(t *testing.T) {
	groups, err := newGroups("")
	require.NoError(t, err)
	bars := 0
	for _, g := range groups {
		for _, e := range g.entries {
			e.perRecord = []float64{1}
		}
		for _, e := range g.entries {
			bars += len(g.bars(e))
		}
	}
	assert.Equal(t, 12, bars)
}
