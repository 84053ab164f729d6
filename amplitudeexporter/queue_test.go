// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// disk is a storage extension for one component. Each state that it has been in is what a crash would have left.
type disk struct {
	component.StartFunc
	component.ShutdownFunc

	mutex  sync.Mutex
	states []map[string][]byte
	// fails says which keys can be neither read nor written.
	fails func(key string) bool
}

// partition is the disk as one client of it sees it.
type partition struct {
	*disk
	storage.Client
	name string
}

func newDisk(state map[string][]byte) *disk {
	return &disk{states: []map[string][]byte{state}}
}

func (d *disk) GetClient(_ context.Context, _ component.Kind, _ component.ID, name string) (storage.Client, error) {
	return &partition{disk: d, name: name}, nil
}

func (p *partition) Get(ctx context.Context, key string) ([]byte, error) {
	get := storage.GetOperation(key)
	err := p.Batch(ctx, get)
	return get.Value, err
}

func (p *partition) Set(ctx context.Context, key string, value []byte) error {
	return p.Batch(ctx, storage.SetOperation(key, value))
}

func (p *partition) Batch(_ context.Context, operations ...*storage.Operation) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	state := maps.Clone(p.states[len(p.states)-1])
	for _, operation := range operations {
		key := p.name + "/" + operation.Key
		if operation.Type != storage.Delete && p.fails != nil && p.fails(key) {
			return errors.New("the disk fails")
		}
		switch operation.Type {
		case storage.Get:
			operation.Value = state[key]
		case storage.Set:
			state[key] = operation.Value
		case storage.Delete:
			delete(state, key)
		}
	}
	p.states = append(p.states, state)
	return nil
}

func (p *partition) Close(context.Context) error { return nil }

// history returns all states up to now.
func (d *disk) history() []map[string][]byte {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.states
}

func (d *disk) last() map[string][]byte {
	history := d.history()
	return history[len(history)-1]
}

// diskHost has a disk as its only extension.
type diskHost struct {
	component.Host
	disk *disk
}

var diskID = component.MustNewID("disk")

func (h diskHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{diskID: h.disk}
}

// startOnDisk starts the exporter as a collector does, with batches of at least two events.
func startOnDisk(t *testing.T, server *amplitudetest.Server, d *disk) exporter.Logs {
	t.Helper()
	config := createDefaultConfig().(*Config)
	config.APIKey = "key"
	config.ClientConfig.Endpoint = server.URL(amplitude.HTTPV2)
	config.RetryConfig.InitialInterval = 10 * time.Millisecond
	queue := config.QueueConfig.Get()
	queue.StorageID = &diskID
	queue.Batch = configoptional.Some(exporterhelper.BatchConfig{
		Sizer: exporterhelper.RequestSizerTypeItems, MinSize: 2, FlushTimeout: time.Millisecond,
	})
	require.NoError(t, config.Validate())
	set := exportertest.NewNopSettings(metadata.Type)
	// Else each exporter would look for a queue of its own.
	set.ID = component.NewID(metadata.Type)
	e, err := NewFactory().CreateLogs(t.Context(), set, config)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), hostOf(d)))
	return e
}

const queued = 12

// fill has the exporter accept events of one user, each in a request of its own.
func fill(t *testing.T, e exporter.Logs) {
	t.Helper()
	for n := range queued {
		require.NoError(t, e.ConsumeLogs(t.Context(), logsOf(event(strconv.Itoa(n)))))
	}
}

// assertAllInOrder waits until the server has all events, and asserts that none overtook another.
func assertAllInOrder(t *testing.T, server *amplitudetest.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := server.WaitUntil(ctx, func(amplitudetest.Counts) bool { return len(server.User("user-17").Events) == queued })
	require.NoError(t, err, "lost")
	for n, event := range server.User("user-17").Events {
		assert.Equal(t, strconv.Itoa(n), event.Type)
	}
}

var unavailable = amplitudetest.Answer{Status: http.StatusServiceUnavailable}

// outage fills the queue of an exporter that has sent what it could not deliver, and returns the exporter.
func outage(t *testing.T, server *amplitudetest.Server, d *disk) exporter.Logs {
	t.Helper()
	server.AnswerAll(unavailable)
	e := startOnDisk(t, server, d)
	fill(t, e)
	require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Requests > 0 }))
	return e
}

// TestACrashKeepsAllInOrder takes each state of the disk for that in which a crash left it: while events are sent in vain,
// and while the exporter starts after such a crash.
func TestACrashKeepsAllInOrder(t *testing.T) {
	server := amplitudetest.Start(t)
	first := newDisk(map[string][]byte{})
	e := outage(t, server, first)
	second := newDisk(first.last())
	require.NoError(t, e.Shutdown(t.Context()))
	again := startOnDisk(t, server, second)
	before := server.Counts().Requests
	require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Requests > before }))
	require.NoError(t, again.Shutdown(t.Context()))

	for _, state := range second.history() {
		back := amplitudetest.Start(t)
		e := startOnDisk(t, back, newDisk(state))
		assertAllInOrder(t, back)
		require.NoError(t, e.Shutdown(t.Context()))
	}
}

// TestAStopKeepsAllInOrder stops the exporter when Amplitude takes all but the first event: what follows must wait for it.
func TestAStopKeepsAllInOrder(t *testing.T) {
	server := amplitudetest.Start(t)
	d := newDisk(map[string][]byte{})
	e := outage(t, server, d)
	server.AnswerFunc(func(r *amplitudetest.Request) (amplitudetest.Answer, bool) {
		if r.Events[0].Type == "0" {
			return unavailable, true
		}
		return amplitudetest.Answer{}, true
	})
	require.NoError(t, e.Shutdown(t.Context()))

	server.AnswerUsually()
	e = startOnDisk(t, server, newDisk(d.last()))
	assertAllInOrder(t, server)
	require.NoError(t, e.Shutdown(t.Context()))
}
