// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pipeline"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/persistentqueue"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagefile"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/verified"
)

// storages opens the exporter's storages: one for the queue, and one for the events of throttled users.
type storages struct {
	exporter component.ID
	// id is that of the storage extension, nil for a queue in memory.
	id        *component.ID
	logger    *zap.Logger
	telemetry *telemetry
}

// deferredName distinguishes the storage of deferred events from the queue's, whose name is the queue's choice.
const deferredName = "deferred"

var queueName = pipeline.SignalLogs.String()

// openedStorage is an open storage.
type openedStorage struct {
	*verified.Client
	// keys are the keys in it, nil if they aren't known.
	keys []string
	// watch is nil if the storage has no file.
	watch *storagefile.Watch
}

// openQueue opens the queue's storage. It returns nil if there is none.
func (s *storages) openQueue(ctx context.Context, host component.Host) (*openedStorage, error) {
	if err := s.check(host); err != nil {
		return nil, err
	}
	s.warnOfOrphans(host)
	return s.open(ctx, host, queueName, verified.Settings{
		Index: persistentqueue.MetadataKey, IsItem: persistentqueue.IsItem, Decode: persistentqueue.Decode,
	})
}

// openDeferred opens the storage of deferred events. It returns nil if there is none.
func (s *storages) openDeferred(ctx context.Context, host component.Host) (*openedStorage, error) {
	return s.open(ctx, host, deferredName, verified.Settings{Index: deferred.IndexKey, IsItem: deferred.IsItem, Decode: deferred.Decode})
}

// check returns an error if the storage extension is missing, because validation can't see it, and the queue's own error doesn't say
// what to do.
func (s *storages) check(host component.Host) error {
	if s.id == nil {
		return nil
	}
	extension, found := host.GetExtensions()[*s.id]
	if !found {
		return fmt.Errorf("there is no extension %s; add it under extensions:, with its directory, and to the list service.extensions", s.id)
	}
	if _, isStorage := extension.(storage.Extension); !isStorage {
		return fmt.Errorf("%s isn't a storage; give a storage extension such as file_storage", s.id)
	}
	return nil
}

// extension returns the storage extension, nil if there is none.
func (s *storages) extension(host component.Host) storage.Extension {
	if s.id == nil {
		return nil
	}
	extension, _ := host.GetExtensions()[*s.id].(storage.Extension)
	if ours, isOurs := extension.(*queueStorage); isOurs {
		return ours.Extension
	}
	return extension
}

func (s *storages) open(ctx context.Context, host component.Host, name string, settings verified.Settings) (*openedStorage, error) {
	extension := s.extension(host)
	if extension == nil {
		return nil, nil
	}
	settings.Name = fmt.Sprintf("%s of %s in %s", name, s.exporter, s.id)
	folder, hasFiles := storagefile.FolderOf(extension)
	if hasFiles {
		settings.Name = folder.File(s.exporter, name)
		if err := s.checkFile(ctx, settings.Name, name); err != nil {
			return nil, err
		}
	}
	settings.OnError = func() { s.telemetry.addStorageErrors(context.WithoutCancel(ctx), name, 1) }
	settings.OnUnreadable = func(key, keptAs string, reason error) {
		s.reportUnreadable(ctx, name, zap.String("storage", settings.Name), zap.String("key", key), zap.String("kept_as", keptAs), zap.Error(reason))
	}
	s.telemetry.addStorageErrors(ctx, name, 0)
	s.telemetry.addUnreadableItems(ctx, name, 0)
	client, err := verified.Open(settings, func() (storage.Client, error) {
		return extension.GetClient(ctx, component.KindExporter, s.exporter, name)
	})
	if err != nil && hasFiles {
		err = errors.Join(err, storagefile.EmptyUnfinished(settings.Name))
	}
	if err != nil {
		return nil, fmt.Errorf("%s can't be opened; if the disk is full, make room, and if another collector uses it, give each its own: %w",
			settings.Name, err)
	}
	o := &openedStorage{Client: client}
	if hasFiles {
		// A file with another name can't be watched.
		o.watch, _ = folder.Watch(settings.Name)
	}
	if o.keys, _, err = client.Keys(ctx); err != nil {
		return nil, errors.Join(err, client.Close(ctx))
	}
	return o, nil
}

// checkFile returns an error if the file is damaged so that not even what is left can be read.
func (s *storages) checkFile(ctx context.Context, path, name string) error {
	lastWriteLost, err := storagefile.Check(path, func([]byte) {})
	if err != nil {
		return fmt.Errorf("%w; restore it, or move it away to start without the events in it", err)
	}
	if lastWriteLost {
		s.reportUnreadable(ctx, name, zap.String("storage", path), zap.String("reason", "a damaged page hides what was written last"))
	}
	return nil
}

func (s *storages) reportUnreadable(ctx context.Context, name string, fields ...zap.Field) {
	s.telemetry.addUnreadableItems(context.WithoutCancel(ctx), name, 1)
	s.logger.Error("the storage is damaged; an item of it can't be read, and the events in it aren't delivered", fields...)
}

// exporterLister is a host that knows all exporters.
type exporterLister interface {
	GetExporters() map[pipeline.Signal]map[component.ID]component.Component
}

// warnOfOrphans warns of files that an exporter left behind when it was renamed or removed.
func (s *storages) warnOfOrphans(host component.Host) {
	folder, hasFiles := storagefile.FolderOf(s.extension(host))
	lister, canList := host.(exporterLister)
	if !hasFiles || !canList {
		return
	}
	var exporters []component.ID
	for id := range lister.GetExporters()[pipeline.SignalLogs] {
		exporters = append(exporters, id)
	}
	for _, path := range folder.Orphans(s.exporter.Type(), exporters, queueName, deferredName) {
		items := 0
		_, err := storagefile.Check(path, func(key []byte) {
			if persistentqueue.IsItem(string(key)) || deferred.IsItem(string(key)) {
				items++
			}
		})
		if items > 0 || err != nil {
			s.logger.Warn("a file of this storage belongs to no exporter, and what waits in it isn't delivered; "+
				"give an exporter its old name again, or remove the file", zap.String("file", path), zap.Int("items", items), zap.Error(err))
		}
	}
}
