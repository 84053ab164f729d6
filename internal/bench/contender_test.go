// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/layout"
)

func TestAllPresetsAreConfigured(t *testing.T) {
	var names []string
	for _, l := range allPresetsConfig().Layouts {
		names = append(names, l.Preset)
	}
	assert.ElementsMatch(t, layout.Presets(), names)
}

func TestBareParseParsesEachText(t *testing.T) {
	for _, layout := range textLayouts() {
		batch := smallBatch(layout, 10)
		require.NoError(t, newBareParse()(context.Background(), batch))
		for record := range records(batch) {
			require.Equal(t, pcommon.ValueTypeMap, record.Body().Type(), layout)
		}
	}
}
