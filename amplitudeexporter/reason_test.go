// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/configtest"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// droppedReasons returns the reasons for which records may be dropped or filtered, and "none".
func droppedReasons() []string {
	reasons := []string{reasonNone.String(), reasonNotAnImpression.String(), reasonOlderUpdate.String(), reasonUnpairedUpdate.String(), reasonNothingToSend.String(), reasonUnchanged.String()}
	reasons = append(reasons, calls()...)
	for _, fault := range []amplitude.IDFault{{}, {Refused: 1}, {TooShort: 1}} {
		reasons = append(reasons, fault.DropReason())
	}
	for p := reader.NotAnEvent; p < reader.NumProblems; p++ {
		reasons = append(reasons, p.String())
	}
	for r := 1; r < amplitude.Reasons; r++ {
		reasons = append(reasons, amplitude.Reason(r).String())
	}
	return reasons
}

// calls returns the kinds of calls that aren't track calls.
func calls() []string {
	var kinds []string
	for k := layout.Track + 1; k < layout.Kinds; k++ {
		kinds = append(kinds, k.String())
	}
	return kinds
}

// TestMetadataListsAllLabels compares metadata.yaml with the labels that can be emitted.
func TestMetadataListsAllLabels(t *testing.T) {
	labels := configtest.MetricLabels(t)

	reasons := droppedReasons()
	changes := []string{reasonRefusedID.String(), reasonIDTooShort.String()}
	for c := range amplitude.Changes {
		changes = append(changes, amplitude.Change(c).String())
	}
	var requestOutcomes []string
	for o := amplitude.Outcome(0); o.String() != "unknown"; o++ {
		requestOutcomes = append(requestOutcomes, o.String())
	}
	for name, emitted := range map[string][]string{
		"call":            calls(),
		"kind":            kindTexts[:],
		"outcome":         outcomeTexts[:],
		"reason":          reasons,
		"change":          changes,
		"request_outcome": requestOutcomes,
		"status_class":    statusClasses[:],

		"dead_letter_outcome": deadLetterOutcomes[:],
	} {
		assert.ElementsMatch(t, labels[name], emitted, name)
	}

	all := slices.Compact(slices.Sorted(slices.Values(append(reasons, changes...))))
	assert.ElementsMatch(t, all, reasonTexts[:])
	for _, text := range all {
		assert.Equal(t, text, reasonOf(text).String())
	}
	assert.Equal(t, "filtered", outcomeFiltered.String(), "the last one")
	assert.Equal(t, "missing_id", reasonMissingID.String(), "the last one")
}
