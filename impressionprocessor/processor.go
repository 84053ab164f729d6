// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// impressionProcessor transforms batches. Between batches, it keeps only buffers and metrics.
type impressionProcessor struct {
	config    *compiled
	telemetry *telemetry
	next      consumer.Logs
	id        string
	reporter  inspection.Reporter
	logger    *zap.Logger
	// batches pools *batch, so that a batch without impressions costs no allocation.
	batches sync.Pool
}

func newProcessor(set processor.Settings, config *compiled, telemetry *telemetry, next consumer.Logs) *impressionProcessor {
	p := &impressionProcessor{id: set.ID.String(), config: config, telemetry: telemetry, next: next, logger: set.Logger}
	p.batches.New = func() any { return newBatch(config) }
	return p
}

// processLogs transforms the impressions in place, so the caller must not share logs. If nothing is left, it returns
// ErrSkipProcessingData. If what it adds would take much memory, it passes on the logs in parts, and returns the last one.
func (p *impressionProcessor) processLogs(ctx context.Context, logs plog.Logs) (plog.Logs, error) {
	b := p.batches.Get().(*batch)
	inspector := p.reporter.Watched()
	if inspector != nil {
		b.tap = newTap(p.config, logs)
	}
	defer func() {
		p.telemetry.record(ctx, b)
		if inspector != nil {
			inspector.Processed(b.tap.finish(p.id, b))
			b.tap = nil
		}
		b.reset()
		p.batches.Put(b)
	}()
	for {
		switch left := b.process(logs); {
		case !left:
			return logs, processorhelper.ErrSkipProcessingData
		case !b.isCut:
			return logs, nil
		}
		// If a later part fails, the sender repeats all, with the same insert ids.
		if part := pdatautil.Split(logs, b.end); part.LogRecordCount() > 0 {
			if err := p.next.ConsumeLogs(ctx, part); err != nil {
				return logs, err
			}
		}
		b.startPart()
	}
}

func (p *impressionProcessor) start(ctx context.Context, host component.Host) error {
	if p.reporter = inspection.Find(host.GetExtensions()); p.reporter.Inspector != nil {
		p.reporter.Inspector.ExplainProcessor(p.id, func(logs plog.Logs) []inspection.Event { return explain(p.config, logs) })
	}
	if err := pdatautil.RefusePooling(); err != nil {
		return err
	}
	p.telemetry.startAtZero(ctx, p.config.emit != EmitNone)
	p.logger.Info("rewriting impressions", zap.Strings("layouts", p.config.layoutNames()), zap.Strings("event_types", preForms(p.config.eventTypes)),
		zap.String("emit", string(p.config.emit)))
	return nil
}

func (p *impressionProcessor) shutdown(context.Context) error {
	p.telemetry.shutdown()
	return nil
}
