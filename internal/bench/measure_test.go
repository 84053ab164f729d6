// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEachEntryIsMeasured(t *testing.T) {
	groups, err := newGroups("otel/10/")
	require.NoError(t, err)
	g := groups[0]
	for _, e := range g.entries {
		e.job.(*processing).records = 20
	}
	require.NoError(t, g.prepare())
	require.NoError(t, g.measure(0))
	require.NoError(t, g.close())
	for _, e := range g.entries {
		assert.Len(t, e.samples, minRounds*distinct, e.label)
		assert.Positive(t, e.median(), e.label)
	}

	var table strings.Builder
	require.NoError(t, printTable(&table, groups))
	assert.Equal(t, 8, strings.Count(table.String(), "\n"), table.String())
	assert.Contains(t, table.String(), "otel/10 ")
}

func TestUnknownGroup(t *testing.T) {
	_, err := newGroups("otel/11")
	assert.EqualError(t, err, `no entry starts with "otel/11"; entries are named like otel/10/ours`)
}
