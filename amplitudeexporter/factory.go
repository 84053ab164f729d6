// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
)

// NewFactory returns the factory of the amplitude exporter for logs.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		metadata.Type,
		createDefaultConfig,
		exporter.WithLogs(createLogs, metadata.LogsStability),
	)
}

func createLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	config := cfg.(*Config)
	e, err := newExporter(set, config)
	if err != nil {
		return nil, err
	}
	logs, err := exporterhelper.NewLogs(ctx, set, cfg, e.push,
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
		// push unrolls envelopes in place and removes the records that are done.
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}),
		// The HTTP client's timeout applies to each request, and a batch may need many.
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
		exporterhelper.WithRetry(config.RetryConfig),
		exporterhelper.WithQueue(config.QueueConfig))
	if err != nil {
		return nil, err
	}
	return &resumingQueue{Logs: logs, id: set.ID, storageID: config.storageID(), interrupt: func() { e.interruptDeferred() }}, nil
}
