// SPDX-License-Identifier: Apache-2.0

package pdatautil

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/featuregate"
	_ "go.opentelemetry.io/collector/pdata/plog" // registers the gate
)

func TestRefusePooling(t *testing.T) {
	require.NoError(t, RefusePooling())
	require.NoError(t, featuregate.GlobalRegistry().Set(poolingGate, true), "pdata no longer has this gate")
	t.Cleanup(func() { require.NoError(t, featuregate.GlobalRegistry().Set(poolingGate, false)) })
	require.ErrorContains(t, RefusePooling(), "--feature-gates")
}
