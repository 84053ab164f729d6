// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/configtest"
	"github.com/impression-collector/impression-bridge/internal/impression"
)

// TestMetadataListsAllLabels compares metadata.yaml with the labels that can be emitted.
func TestMetadataListsAllLabels(t *testing.T) {
	labels := configtest.MetricLabels(t)

	var operations, reasons []string
	for _, text := range operationTexts {
		require.NotEmpty(t, text.operation)
		if text.reason != "" {
			reasons = append(reasons, text.reason)
		}
		if len(operations) == 0 || operations[len(operations)-1] != text.operation {
			operations = append(operations, text.operation)
		}
	}
	for _, problem := range untouchedProblems {
		reasons = append(reasons, problem.String())
	}
	assert.ElementsMatch(t, labels["outcome"], outcomeTexts[:])
	assert.ElementsMatch(t, labels["operation"], operations)
	assert.ElementsMatch(t, labels["reason"], reasons)
}

func TestEachFaultHasAnOutcome(t *testing.T) {
	seen := map[outcome]bool{transformed: true, dropped: true, malformedProperties: true}
	for fault := impression.NoFault + 1; fault < impression.NumFaults; fault++ {
		assert.False(t, seen[outcomeOf[fault]], fault)
		seen[outcomeOf[fault]] = true
	}
	assert.Len(t, seen, numOutcomes)
}
