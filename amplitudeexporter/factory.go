// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/persistentqueue"
)

// NewFactory returns the factory of the amplitude exporter, for logs.
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
		// Envelopes are unrolled in place, and what was delivered is taken out.
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}),
		// Timeout is that of one request, which the HTTP client has; a batch may need many.
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
		exporterhelper.WithRetry(config.RetryConfig),
		exporterhelper.WithQueue(config.QueueConfig))
	if err != nil {
		return nil, err
	}
	return &resuming{Logs: logs, id: set.ID, storageID: config.storageID(), interrupt: e.interruptDeferral}, nil
}

// resuming is an exporter whose queue goes on where it was.
type resuming struct {
	exporter.Logs
	id component.ID
	// storageID is nil for a queue in memory.
	storageID *component.ID
	// interrupt ends what the exporter does beside the queue, for which the queue's end would wait.
	interrupt func()
}

// Shutdown implements component.Component.
func (r *resuming) Shutdown(ctx context.Context) error {
	r.interrupt()
	return r.Logs.Shutdown(ctx)
}

// Start implements component.Component.
func (r *resuming) Start(ctx context.Context, host component.Host) error {
	if err := r.resume(ctx, host); err != nil {
		return fmt.Errorf("sending_queue.storage: %w", err)
	}
	return r.Logs.Start(ctx, host)
}

func (r *resuming) resume(ctx context.Context, host component.Host) error {
	client, err := openStorage(ctx, host, r.storageID, r.id, pipeline.SignalLogs.String())
	if client == nil || err != nil {
		return err
	}
	return errors.Join(persistentqueue.Resume(ctx, client), client.Close(ctx))
}

// openStorage returns the client of this name that an exporter has of a storage, nil without a storage.
func openStorage(ctx context.Context, host component.Host, storageID *component.ID, exporterID component.ID, name string) (storage.Client, error) {
	if storageID == nil {
		return nil, nil
	}
	extension, isStorage := host.GetExtensions()[*storageID].(storage.Extension)
	if !isStorage {
		// The queue says so when it starts.
		return nil, nil
	}
	return extension.GetClient(ctx, component.KindExporter, exporterID, name)
}
