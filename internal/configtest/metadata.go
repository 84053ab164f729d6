// SPDX-License-Identifier: Apache-2.0

package configtest // import "github.com/impression-collector/impression-bridge/internal/configtest"

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// MetricLabels returns the values that the metadata.yaml in the current folder lists for each metric attribute. The
// documentation of a component is generated from that file.
func MetricLabels(tb testing.TB) map[string][]string {
	tb.Helper()
	text, err := os.ReadFile("metadata.yaml")
	require.NoError(tb, err)
	var metadata struct {
		Attributes map[string]struct{ Enum []string }
	}
	require.NoError(tb, yaml.Unmarshal(text, &metadata))
	labels := make(map[string][]string, len(metadata.Attributes))
	for name, attribute := range metadata.Attributes {
		labels[name] = attribute.Enum
	}
	return labels
}
