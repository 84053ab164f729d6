// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

func smallBatch(layout string, percent int) plog.Logs {
	w := newWorkload(layout, percent)
	w.records = 200 / w.eventsPerRecord
	return w.batch(0)
}

// TestContendersDoTheSameJob holds the peers' configurations to what ours makes of the same events.
func TestContendersDoTheSameJob(t *testing.T) {
	for _, layout := range layouts() {
		assertSameOutputs(t, layout, fanOut, favourable, allPresets)
	}
	assertSameOutputs(t, segmentText, favourable)
}

func assertSameOutputs(t *testing.T, layout string, names ...string) {
	t.Helper()
	reference := mustCollect(t, ours, layout)
	for _, name := range names {
		contender := mustCollect(t, name, layout)
		for _, percent := range []int{0, 10, 100} {
			want, err := reference.output(smallBatch(layout, percent))
			require.NoError(t, err)
			got, err := contender.output(smallBatch(layout, percent))
			require.NoError(t, err)
			assert.NoError(t, compareRecords(name, want, got), "%s, %s, %d%%", name, layout, percent)
		}
	}
}

// TestOutputsAreOfTheWholeJob keeps the comparison from being one of nothing with nothing.
func TestOutputsAreOfTheWholeJob(t *testing.T) {
	for _, layout := range slices.Concat(layouts(), textLayouts()) {
		records, err := output(ours, layout, smallBatch(layout, 10))
		require.NoError(t, err)
		assert.Len(t, records, 220)
		isUpdate := func(record string) bool { return strings.HasPrefix(record, "$identify ") }
		assert.True(t, slices.ContainsFunc(records, isUpdate))
	}
}

func TestDifferencesAreFound(t *testing.T) {
	batch := smallBatch(otel, 10)
	require.ErrorContains(t, compareOutputs(fanOut, segmentBody, batch), "different records")
	require.ErrorContains(t, compareOutputs(floor, otel, batch), "ours makes 220 records of a batch, floor 0")
}
