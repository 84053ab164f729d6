// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/persistentqueue"
)

// resumingQueue wraps exporterhelper's exporter. After a shutdown or a crash, its queue continues where it was.
type resumingQueue struct {
	exporter.Logs
	id component.ID
	// storageID is nil for a queue in memory.
	storageID *component.ID
	// interrupt ends deliveries that didn't come from the queue, because its shutdown would wait for them.
	interrupt func()
}

// Start implements component.Component.
func (q *resumingQueue) Start(ctx context.Context, host component.Host) error {
	client, err := openStorage(ctx, host, q.storageID, q.id, pipeline.SignalLogs.String())
	if client != nil && err == nil {
		err = errors.Join(persistentqueue.Resume(ctx, client), client.Close(ctx))
	}
	if err != nil {
		return fmt.Errorf("sending_queue.storage: %w", err)
	}
	return q.Logs.Start(ctx, host)
}

// Shutdown implements component.Component.
func (q *resumingQueue) Shutdown(ctx context.Context) error {
	q.interrupt()
	return q.Logs.Shutdown(ctx)
}

// openStorage returns the exporter's storage client of this name, nil if there is no such storage.
func openStorage(ctx context.Context, host component.Host, storageID *component.ID, exporterID component.ID, name string) (storage.Client, error) {
	if storageID == nil {
		return nil, nil
	}
	extension, isStorage := host.GetExtensions()[*storageID].(storage.Extension)
	if !isStorage {
		// The queue reports this when it starts.
		return nil, nil
	}
	return extension.GetClient(ctx, component.KindExporter, exporterID, name)
}
