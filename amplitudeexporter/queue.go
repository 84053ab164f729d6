// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/persistentqueue"
)

// resumingQueue wraps exporterhelper's exporter. After a shutdown or a crash, its queue continues where it was, and while the
// storage can't be written, it loses nothing.
type resumingQueue struct {
	exporter.Logs
	storages *storages
	logger   *zap.Logger
	// client is nil for a queue in memory.
	client *persistentqueue.Client
	// offers has room for one token, which a sender holds while it offers events to the queue. The queue may block forever if
	// several senders give up while they wait for room in it (exporterhelper v0.161.0, cond.go;
	// open-telemetry/opentelemetry-collector#15700). Like config, it is nil if senders wait for more than that.
	offers  chan struct{}
	config  *exporterhelper.QueueBatchConfig
	removal removal
	// beginShutdown bounds how long deliveries take, because the shutdown of the queue waits for them.
	beginShutdown func()
}

// newResumingQueue returns the exporter with a queue and retries.
func newResumingQueue(ctx context.Context, set exporter.Settings, e *amplitudeExporter) (*resumingQueue, error) {
	if e.config.storageID() != nil {
		set.Logger = set.Logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return keptLog{core} }))
	}
	logs, err := exporterhelper.NewLogs(ctx, set, e.config, e.push,
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
		// push unrolls envelopes in place and removes the records that are done.
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}),
		// The HTTP client's timeout applies to each request, and a batch may need many.
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
		exporterhelper.WithRetry(e.config.RetryConfig),
		exporterhelper.WithQueue(e.config.QueueConfig))
	if err != nil {
		return nil, err
	}
	q := &resumingQueue{
		Logs: logs, storages: &e.storages, logger: set.Logger, beginShutdown: e.beginShutdown,
	}
	if queue := e.config.QueueConfig; queue.HasValue() && !queue.Get().WaitForResult {
		q.config = queue.Get()
		q.offers = make(chan struct{}, 1)
	}
	return q, nil
}

// Start implements component.Component.
func (q *resumingQueue) Start(ctx context.Context, host component.Host) error {
	opened, err := q.storages.openQueue(ctx, host)
	if err != nil {
		return fmt.Errorf("sending_queue.storage: %w", err)
	}
	if opened == nil {
		return q.Logs.Start(ctx, host)
	}
	q.client = persistentqueue.NewClient(opened, q.logger)
	rebuilt, err := persistentqueue.Resume(ctx, q.client, opened.keys)
	if err != nil {
		return fmt.Errorf("sending_queue.storage: %s: %w", opened.Name, errors.Join(err, q.client.Close(ctx)))
	}
	if rebuilt != nil {
		q.logger.Error("the queue's metadata is damaged, or an earlier version of the exporter changed it; it is rebuilt from the items, and the events that were delivered last may be sent again",
			zap.String("storage", opened.Name), zap.Error(rebuilt))
	}
	if err := q.Logs.Start(ctx, &queueHost{Host: host, id: *q.storages.id, client: q.client}); err != nil {
		return errors.Join(err, q.client.Close(ctx))
	}
	q.removal.start(opened.watch, host, q.logger)
	return nil
}

// ConsumeLogs implements consumer.Logs.
func (q *resumingQueue) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	setObserved(logs, time.Now())
	if q.offers != nil {
		if err := q.checkSize(logs); err != nil {
			return err
		}
		select {
		case q.offers <- struct{}{}:
			defer func() { <-q.offers }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if q.client == nil {
		return q.Logs.ConsumeLogs(ctx, logs)
	}
	if err := q.removal.check(); err != nil {
		return err
	}
	size := func() int { return (&plog.ProtoMarshaler{}).LogsSize(logs) }
	if err := q.client.Offer(ctx, size, func(ctx context.Context) error { return q.Logs.ConsumeLogs(ctx, logs) }); err != nil {
		return err
	}
	// If it was removed since the first check, the events may be lost.
	return q.removal.check()
}

// setObserved gives records without an ObservedTimestamp one. How long an event has waited, and the time of an event without one, then
// don't depend on how often it is tried.
func setObserved(logs plog.Logs, now time.Time) {
	at := pcommon.NewTimestampFromTime(now)
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				if record.ObservedTimestamp() == 0 {
					record.SetObservedTimestamp(at)
				}
			}
		}
	}
}

// checkSize returns an error if the queue has no room for a batch even when it is empty. A stored queue would have its sender wait
// forever.
func (q *resumingQueue) checkSize(logs plog.Logs) error {
	size := 1
	switch q.config.Sizer {
	case exporterhelper.RequestSizerTypeItems:
		size = logs.LogRecordCount()
	case exporterhelper.RequestSizerTypeBytes:
		size = (&plog.ProtoMarshaler{}).LogsSize(logs)
	}
	if int64(size) <= q.config.QueueSize {
		return nil
	}
	return fmt.Errorf("a batch of %d %s is more than sending_queue.queue_size, %d %[2]s; raise it, or send fewer records at once",
		size, &q.config.Sizer, q.config.QueueSize)
}

// Shutdown implements component.Component.
func (q *resumingQueue) Shutdown(ctx context.Context) error {
	q.beginShutdown()
	q.removal.stop()
	if q.client != nil {
		q.client.Interrupt()
	}
	return q.Logs.Shutdown(ctx)
}

// queueHost is a host whose storage gives the queue our client.
type queueHost struct {
	component.Host
	id     component.ID
	client storage.Client
}

// GetExtensions implements component.Host.
func (h *queueHost) GetExtensions() map[component.ID]component.Component {
	extensions := maps.Clone(h.Host.GetExtensions())
	extensions[h.id] = &queueStorage{Extension: extensions[h.id].(storage.Extension), client: h.client}
	return extensions
}

// Report implements componentstatus.Reporter.
func (h *queueHost) Report(event *componentstatus.Event) {
	componentstatus.ReportStatus(h.Host, event)
}

// queueStorage is a storage that gives the queue our client.
type queueStorage struct {
	storage.Extension
	client storage.Client
}

// GetClient implements storage.Extension.
func (s *queueStorage) GetClient(ctx context.Context, kind component.Kind, id component.ID, name string) (storage.Client, error) {
	if name == queueName {
		return s.client, nil
	}
	return s.Extension.GetClient(ctx, kind, id, name)
}
