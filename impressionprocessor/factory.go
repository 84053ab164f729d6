// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
)

// NewFactory returns the factory of the impression processor, for logs.
func NewFactory() processor.Factory {
	return processor.NewFactory(
		metadata.Type,
		createDefaultConfig,
		processor.WithLogs(createLogs, metadata.LogsStability),
	)
}

func createLogs(
	ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs,
) (processor.Logs, error) {
	config, err := cfg.(*Config).compile()
	if err != nil {
		return nil, err
	}
	telemetry, err := newTelemetry(set, config)
	if err != nil {
		return nil, err
	}
	p := newProcessor(set, config, telemetry, next)
	return processorhelper.NewLogs(ctx, set, cfg, next, p.processLogs,
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}),
		processorhelper.WithStart(p.start),
		processorhelper.WithShutdown(p.shutdown))
}
