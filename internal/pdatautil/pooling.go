// SPDX-License-Identifier: Apache-2.0

package pdatautil // import "github.com/impression-collector/impression-bridge/internal/pdatautil"

import (
	"fmt"

	"go.opentelemetry.io/collector/featuregate"
)

// poolingGate is pdata's feature gate for reusing the memory of records.
const poolingGate = "pdata.useProtoPooling"

// RefusePooling returns an error if the collector reuses the memory of records that are still in use. Records then change
// while they wait, and are lost, reordered, or mixed with others.
func RefusePooling() error {
	isEnabled := false
	featuregate.GlobalRegistry().VisitAll(func(gate *featuregate.Gate) {
		isEnabled = isEnabled || gate.ID() == poolingGate && gate.IsEnabled()
	})
	if isEnabled {
		return fmt.Errorf("the feature gate %s is enabled, with which events are lost and reordered; remove it from --feature-gates", poolingGate)
	}
	return nil
}
