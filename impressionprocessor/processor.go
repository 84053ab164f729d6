// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processorhelper"

	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// impressionProcessor transforms batches. Between batches, it keeps only buffers and metrics.
type impressionProcessor struct {
	config    *compiled
	telemetry *telemetry
	// batches pools *batch, so that a batch without impressions costs no allocation.
	batches sync.Pool
}

func newProcessor(config *compiled, telemetry *telemetry) *impressionProcessor {
	p := &impressionProcessor{config: config, telemetry: telemetry}
	p.batches.New = func() any { return newBatch(config) }
	return p
}

// processLogs transforms the impressions in place, so the caller must not share logs. If nothing is left, it returns
// ErrSkipProcessingData.
func (p *impressionProcessor) processLogs(ctx context.Context, logs plog.Logs) (plog.Logs, error) {
	b := p.batches.Get().(*batch)
	left := b.process(logs)
	p.telemetry.record(ctx, b)
	b.reset()
	p.batches.Put(b)
	if !left {
		return logs, processorhelper.ErrSkipProcessingData
	}
	return logs, nil
}

func (*impressionProcessor) start(context.Context, component.Host) error {
	return pdatautil.RefusePooling()
}

func (p *impressionProcessor) shutdown(context.Context) error {
	p.telemetry.shutdown()
	return nil
}
