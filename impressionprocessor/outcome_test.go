// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/impression-collector/impression-bridge/internal/impression"
)

// TestMetadataListsAllLabels compares metadata.yaml, from which the documentation is generated, with what can be emitted.
func TestMetadataListsAllLabels(t *testing.T) {
	text, err := os.ReadFile("metadata.yaml")
	require.NoError(t, err)
	var metadata struct {
		Attributes map[string]struct{ Enum []string }
	}
	require.NoError(t, yaml.Unmarshal(text, &metadata))

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
	assert.ElementsMatch(t, metadata.Attributes["outcome"].Enum, outcomeTexts[:])
	assert.ElementsMatch(t, metadata.Attributes["operation"].Enum, operations)
	assert.ElementsMatch(t, metadata.Attributes["reason"].Enum, reasons)
}

func TestEachFaultHasAnOutcome(t *testing.T) {
	seen := map[outcome]bool{transformed: true, dropped: true, malformedProperties: true}
	for fault := impression.NoFault + 1; fault < impression.NumFaults; fault++ {
		assert.False(t, seen[outcomeOf[fault]], fault)
		seen[outcomeOf[fault]] = true
	}
	assert.Len(t, seen, numOutcomes)
}
