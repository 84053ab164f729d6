// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

var fileStorageID = component.MustNewID("file_storage")

// fileHost is a host with a file_storage and one exporter.
type fileHost struct {
	component.Host
	storage component.Component

	mutex    sync.Mutex
	statuses []componentstatus.Status
}

func (h *fileHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{fileStorageID: h.storage}
}

func (*fileHost) GetExporters() map[pipeline.Signal]map[component.ID]component.Component {
	return map[pipeline.Signal]map[component.ID]component.Component{pipeline.SignalLogs: {component.NewID(metadata.Type): nil}}
}

func (h *fileHost) Report(event *componentstatus.Event) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.statuses = append(h.statuses, event.Status())
}

func (h *fileHost) reported() []componentstatus.Status {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.statuses
}

// onFile is an exporter whose queue is in a file.
type onFile struct {
	*pushed
	queue *resumingQueue
	host  *fileHost
	path  string
}

// newOnFile returns an exporter that isn't started, with a file in this folder.
func newOnFile(t *testing.T, server *amplitudetest.Server, folder string) *onFile {
	t.Helper()
	p := newPushed(t, server, func(c *Config) {
		c.ClientConfig.Endpoint = server.URL(amplitude.HTTPV2)
		c.RetryConfig.InitialInterval = 10 * time.Millisecond
		queue := c.QueueConfig.Get()
		queue.StorageID = &fileStorageID
		queue.Batch.Get().MinSize = 2
		queue.Batch.Get().FlushTimeout = time.Millisecond
	})
	set := metadatatest.NewSettings(p.telemetry)
	set.ID, set.Logger = component.NewID(metadata.Type), p.settings.Logger
	queue, err := newResumingQueue(t.Context(), set, p.amplitudeExporter)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.telemetry.Shutdown(context.Background())) })
	host := &fileHost{Host: componenttest.NewNopHost(), storage: newFileStorage(t, folder)}
	return &onFile{pushed: p, queue: queue, host: host, path: filepath.Join(folder, "exporter_amplitude__logs")}
}

func newFileStorage(t *testing.T, folder string) storage.Extension {
	t.Helper()
	factory := filestorage.NewFactory()
	config := factory.CreateDefaultConfig().(*filestorage.Config)
	config.Directory = folder
	extension, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), config)
	require.NoError(t, err)
	return extension.(storage.Extension)
}

func (o *onFile) startQueue(t *testing.T) {
	t.Helper()
	require.NoError(t, o.queue.Start(t.Context(), o.host))
}

func (o *onFile) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, o.queue.Shutdown(context.WithoutCancel(t.Context())))
}

func (o *onFile) assertUnreadable(t *testing.T, items int64) {
	t.Helper()
	metadatatest.AssertEqualExporterAmplitudeUnreadableItems(t, o.telemetry, []metricdata.DataPoint[int64]{
		point(items, "storage", "logs"), point(0, "storage", "deferred"),
	}, metricdatatest.IgnoreTimestamp())
}

// waiting returns a folder with a queue of events that couldn't be delivered.
func waiting(t *testing.T, server *amplitudetest.Server) (folder string) {
	t.Helper()
	folder = t.TempDir()
	server.AnswerAll(unavailable)
	o := newOnFile(t, server, folder)
	o.startQueue(t)
	fill(t, o.queue)
	o.stop(t)
	server.AnswerUsually()
	return folder
}

// change calls change with the queue's storage, without its seals.
func change(t *testing.T, folder string, change func(client storage.Client)) {
	t.Helper()
	client, err := newFileStorage(t, folder).GetClient(t.Context(), component.KindExporter, component.NewID(metadata.Type), queueName)
	require.NoError(t, err)
	change(client)
	require.NoError(t, client.Close(t.Context()))
}

func TestUnreadableMetadataLosesNothing(t *testing.T) {
	server := amplitudetest.Start(t)
	folder := waiting(t, server)
	change(t, folder, func(client storage.Client) { require.NoError(t, client.Set(t.Context(), "qmv0", []byte("garbage"))) })
	o := newOnFile(t, server, folder)
	o.startQueue(t)
	assertAllInOrder(t, server)
	assert.Equal(t, 1, o.logs.FilterMessageSnippet("rebuilt").Len())
	o.stop(t)
	o.assertUnreadable(t, 0)
}

func TestAQueueOfALaterVersionIsRefused(t *testing.T) {
	server := amplitudetest.Start(t)
	folder := waiting(t, server)
	change(t, folder, func(client storage.Client) {
		require.NoError(t, client.Set(t.Context(), "qmv1", []byte("metadata")))
		require.NoError(t, client.Delete(t.Context(), "qmv0"))
	})
	o := newOnFile(t, server, folder)
	err := o.queue.Start(t.Context(), o.host)
	require.ErrorContains(t, err, "sending_queue.storage: "+o.path+": ")
	require.ErrorContains(t, err, `unknown key "qmv1"`)
}

func TestUnreadableItemsAreCountedAndKept(t *testing.T) {
	server := amplitudetest.Start(t)
	folder := waiting(t, server)
	change(t, folder, func(client storage.Client) {
		for key, damage := range map[string]func([]byte) []byte{
			"3": func(item []byte) []byte { item[len(item)/2] ^= 1; return item },
			// As if an older version had written it.
			"5": func([]byte) []byte { return []byte("\xff\xff") },
		} {
			item, err := client.Get(t.Context(), key)
			require.NoError(t, err)
			require.NoError(t, client.Set(t.Context(), key, damage(item)))
		}
		require.NoError(t, client.Delete(t.Context(), "7"))
	})
	o := newOnFile(t, server, folder)
	o.startQueue(t)
	require.NoError(t, server.WaitUntil(t.Context(), func(amplitudetest.Counts) bool { return len(server.User("user-17").Events) == queued-3 }))
	o.stop(t)
	o.assertUnreadable(t, 3)
	assert.Equal(t, 3, o.logs.FilterMessageSnippet("an item of it can't be read").Len())
	change(t, folder, func(client storage.Client) {
		kept, err := client.Get(t.Context(), "unreadable-5")
		require.NoError(t, err)
		assert.Equal(t, "\xff\xff", string(kept))
		kept, err = client.Get(t.Context(), "unreadable-3")
		require.NoError(t, err)
		assert.NotEmpty(t, kept)
		rest, err := client.Get(t.Context(), "3")
		require.NoError(t, err)
		assert.Nil(t, rest)
	})

	o = newOnFile(t, server, folder)
	o.startQueue(t)
	o.stop(t)
	o.assertUnreadable(t, 0)
}

// TestADamagedFileIsNamed: without the check, bbolt panics in a goroutine of its own, which ends the test.
func TestADamagedFileIsNamed(t *testing.T) {
	server := amplitudetest.Start(t)
	folder := waiting(t, server)
	o := newOnFile(t, server, folder)
	file, err := os.ReadFile(o.path)
	require.NoError(t, err)
	// The flags of all leaf pages.
	for at := 2 * os.Getpagesize(); at < len(file); at += os.Getpagesize() {
		if file[at+8] == 2 {
			file[at+8] = 0x80
		}
	}
	require.NoError(t, os.WriteFile(o.path, file, 0o600))
	err = o.queue.Start(t.Context(), o.host)
	require.ErrorContains(t, err, "sending_queue.storage: "+o.path+" is damaged: page ")
	require.ErrorContains(t, err, "restore it, or move it away")
	require.NoError(t, os.Rename(o.path, o.path+".damaged"))
	o.startQueue(t)
	o.stop(t)
}

func TestAFileThatMayLackTheLastWriteIsCounted(t *testing.T) {
	server := amplitudetest.Start(t)
	folder := waiting(t, server)
	o := newOnFile(t, server, folder)
	file, err := os.ReadFile(o.path)
	require.NoError(t, err)
	file[40] ^= 1
	require.NoError(t, os.WriteFile(o.path, file, 0o600))
	o.startQueue(t)
	o.stop(t)
	o.assertUnreadable(t, 1)
}

// TestARemovedStorageRefusesEvents: it must not answer with success, and delivers what it has.
func TestARemovedStorageRefusesEvents(t *testing.T) {
	server := amplitudetest.Start(t)
	server.AnswerAll(unavailable)
	folder := filepath.Join(t.TempDir(), "storage")
	require.NoError(t, os.Mkdir(folder, 0o700))
	o := newOnFile(t, server, folder)
	o.startQueue(t)
	fill(t, o.queue)
	assert.Empty(t, o.host.reported())

	require.NoError(t, os.RemoveAll(folder))
	require.ErrorContains(t, o.queue.ConsumeLogs(t.Context(), logsOf(newEvent("late"))), o.path+" was removed")
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.ErrorContains(t, o.queue.ConsumeLogs(t.Context(), logsOf(newEvent("late"))), o.path+" was removed")
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusPermanentError}, o.host.reported())
	assert.Equal(t, 1, o.logs.FilterMessageSnippet("events are refused").Len())

	server.AnswerUsually()
	assertAllInOrder(t, server)
	o.stop(t)
}

func TestAnOrphanIsNamed(t *testing.T) {
	server := amplitudetest.Start(t)
	folder := waiting(t, server)
	renamed := filepath.Join(folder, "exporter_amplitude_renamed_logs")
	content, err := os.ReadFile(filepath.Join(folder, "exporter_amplitude__logs"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(renamed, content, 0o600))
	o := newOnFile(t, server, folder)
	o.startQueue(t)
	lines := o.logs.FilterMessageSnippet("belongs to no exporter").All()
	require.Len(t, lines, 1)
	assert.Equal(t, renamed, lines[0].ContextMap()["file"])
	assert.Equal(t, strconv.Itoa(queued), strconv.FormatInt(lines[0].ContextMap()["items"].(int64), 10))
	assertAllInOrder(t, server)
	o.stop(t)
	after, err := os.ReadFile(renamed)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content, after))
}
