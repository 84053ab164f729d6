// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/configtest"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// TestMetadataListsAllLabels compares metadata.yaml with the labels that can be emitted.
func TestMetadataListsAllLabels(t *testing.T) {
	labels := configtest.MetricLabels(t)
	var reasons []string
	for r := range reason(numReasons) {
		reasons = append(reasons, r.String())
	}
	assert.ElementsMatch(t, labels["reason"], reasons)
	assert.ElementsMatch(t, labels["credential"], []string{credentialSignature, credentialHeader})
}

func TestEveryRefusalHasAStatusAndAText(t *testing.T) {
	for r := accepted + 1; r < numReasons; r++ {
		assert.GreaterOrEqual(t, answers[r].status, 400, r)
		assert.NotEqual(t, 429, answers[r].status, r)
		assert.NotEmpty(t, answers[r].text, r)
	}
}

// TestReasonsOfProblems holds the names of reasons and of the reader's problems equal.
func TestReasonsOfProblems(t *testing.T) {
	for _, p := range []reader.Problem{reader.MixedEvents, reader.EnvelopeTooLarge, reader.EnvelopeTooDeep} {
		assert.Equal(t, p.String(), reasonOfProblem(p).String())
	}
	assert.Equal(t, accepted, reasonOfProblem(reader.NotAnEvent))
}

// TestREADMEHasEveryReason compares the table of answers with the reasons and their statuses.
func TestREADMEHasEveryReason(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## Answers\n")
	require.True(t, found)
	rows := map[string]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) > 3 {
			rows[strings.TrimSpace(cells[1])] = cells[2]
		}
		if strings.HasPrefix(line, "## ") {
			break
		}
	}
	for r := range reason(numReasons) {
		assert.Contains(t, rows[strconv.Itoa(answers[r].status)], "`"+r.String()+"`", "status of %s", r)
	}
}
