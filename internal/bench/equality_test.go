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

// TestContendersDoTheSameJob compares the output of the peers' configurations with ours for the same events.
func TestContendersDoTheSameJob(t *testing.T) {
	for _, layout := range layouts() {
		assertSameOutputs(t, layout, ottlFanOut, ottlIdealRouter, allPresets)
	}
	assertSameOutputs(t, segmentText, ottlIdealRouter)
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

// TestOutputsAreComplete checks that there are outputs to compare.
func TestOutputsAreComplete(t *testing.T) {
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
	require.ErrorContains(t, compareOutputs(ottlFanOut, segmentBody, batch), "produce different records")
	require.ErrorContains(t, compareOutputs(floor, otel, batch), "ours produces 220 records, floor 0")
}

// TestSelectionSelects checks that the selection, whose time is a limit for ours, finds the impressions.
func TestSelectionSelects(t *testing.T) {
	for _, layout := range layouts() {
		records, err := output(ottlSelection, layout, smallBatch(layout, 10))
		require.NoError(t, err)
		assert.Len(t, records, 180, layout)
	}
}

func TestEnvelopesAreUnrolled(t *testing.T) {
	for _, percent := range []int{0, 10, 100} {
		g := newEnvelopeGroup(percent)
		impressions := recordsBehindEnvelope * percent / 100
		for label, want := range map[string]int{
			ours: recordsBehindEnvelope + impressions,
			// The envelope holds an impression, which gets an update, and another call.
			behindEnvelope: recordsBehindEnvelope + impressions + 3,
		} {
			p := g.find(label).job.(*processing)
			records, err := output(p.contender, p.layout, p.batch(0))
			require.NoError(t, err)
			assert.Len(t, records, want, "%s, %d%%", label, percent)
		}
	}
}
