// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestContendersEncodeTheSame(t *testing.T) {
	want, err := json.Marshal(encoded)
	require.NoError(t, err)
	for _, e := range newEncodeGroup().entries {
		require.NoError(t, e.check(), e.label)
		encode, err := newEncode(e.label)
		require.NoError(t, err, e.label)
		for range 2 {
			text, err := encode()
			require.NoError(t, err, e.label)
			assert.JSONEq(t, string(want), string(text), e.label)
		}
	}
}

func TestEncodingIsMeasured(t *testing.T) {
	g := newEncodeGroup()
	require.NoError(t, g.run(0))
	for _, e := range g.entries {
		assert.GreaterOrEqual(t, len(e.samples), minRounds, e.label)
		assert.Positive(t, e.median(), e.label)
	}
}
