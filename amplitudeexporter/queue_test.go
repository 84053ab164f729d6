// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sync/errgroup"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// startOnDisk starts the exporter as a collector does, with batches of at least two events.
func startOnDisk(t *testing.T, server *amplitudetest.Server, d *storagetest.Disk) exporter.Logs {
	t.Helper()
	return startOnDiskWith(t, server, d, func(*Config) {})
}

func startOnDiskWith(t *testing.T, server *amplitudetest.Server, d *storagetest.Disk, change func(*Config)) exporter.Logs {
	t.Helper()
	config := createDefaultConfig().(*Config)
	config.APIKey = "key"
	config.ClientConfig.Endpoint = server.URL(amplitude.HTTPV2)
	config.RetryConfig.InitialInterval = 10 * time.Millisecond
	queue := config.QueueConfig.Get()
	queue.StorageID = &storagetest.ID
	queue.Batch = configoptional.Some(exporterhelper.BatchConfig{
		Sizer: exporterhelper.RequestSizerTypeItems, MinSize: 2, FlushTimeout: time.Millisecond,
	})
	change(config)
	require.NoError(t, config.Validate())
	set := exportertest.NewNopSettings(metadata.Type)
	// With the default, each exporter would have a queue of its own.
	set.ID = component.NewID(metadata.Type)
	e, err := NewFactory().CreateLogs(t.Context(), set, config)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), hostOf(d)))
	return e
}

const queued = 12

// fill pushes events of one user to the exporter, one by one.
func fill(t *testing.T, e exporter.Logs) {
	t.Helper()
	for n := range queued {
		require.NoError(t, e.ConsumeLogs(t.Context(), logsOf(newEvent(strconv.Itoa(n)))))
	}
}

// assertAllInOrder waits until the server has all events, and asserts that they are in order.
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

// outage returns an exporter whose queue is full of events that it can't deliver, and that has tried.
func outage(t *testing.T, server *amplitudetest.Server, d *storagetest.Disk) exporter.Logs {
	t.Helper()
	server.AnswerAll(unavailable)
	e := startOnDisk(t, server, d)
	fill(t, e)
	require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Requests > 0 }))
	return e
}

// TestACrashKeepsAllInOrder starts an exporter on each state that a disk was in: during an outage, and while an exporter
// started after a crash in the outage.
func TestACrashKeepsAllInOrder(t *testing.T) {
	server := amplitudetest.Start(t)
	first := storagetest.NewDisk(nil)
	e := outage(t, server, first)
	second := storagetest.NewDisk(first.State())
	require.NoError(t, e.Shutdown(t.Context()))
	again := startOnDisk(t, server, second)
	before := server.Counts().Requests
	require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Requests > before }))
	require.NoError(t, again.Shutdown(t.Context()))

	for _, state := range second.History() {
		back := amplitudetest.Start(t)
		e := startOnDisk(t, back, storagetest.NewDisk(state))
		assertAllInOrder(t, back)
		require.NoError(t, e.Shutdown(t.Context()))
	}
}

// TestAShutdownKeepsAllInOrder while Amplitude accepts all but the first event: the others must wait for it.
func TestAShutdownKeepsAllInOrder(t *testing.T) {
	server := amplitudetest.Start(t)
	d := storagetest.NewDisk(nil)
	e := outage(t, server, d)
	server.AnswerFunc(func(r *amplitudetest.Request) (amplitudetest.Answer, bool) {
		if r.Events[0].Type == "0" {
			return unavailable, true
		}
		return amplitudetest.Answer{}, true
	})
	require.NoError(t, e.Shutdown(t.Context()))

	server.AnswerUsually()
	e = startOnDisk(t, server, storagetest.NewDisk(d.State()))
	assertAllInOrder(t, server)
	require.NoError(t, e.Shutdown(t.Context()))
}

// TestStartSaysHowToAddTheStorage: validation can't see the extensions.
func TestStartSaysHowToAddTheStorage(t *testing.T) {
	for name, test := range map[string]struct {
		extensions map[component.ID]component.Component
		says       string
	}{
		"no extension": {nil, "sending_queue.storage: there is no extension disk; add it under extensions:, with its directory, " +
			"and to the list service.extensions"},
		"another extension": {
			map[component.ID]component.Component{storagetest.ID: nopExtension{}},
			"sending_queue.storage: disk isn't a storage; give a storage extension such as file_storage",
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := createDefaultConfig().(*Config)
			config.APIKey = "key"
			config.QueueConfig.Get().StorageID = &storagetest.ID
			e, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), config)
			require.NoError(t, err)
			require.EqualError(t, e.Start(t.Context(), &extensionsHost{componenttest.NewNopHost(), test.extensions}), test.says)
			require.NoError(t, e.Shutdown(t.Context()))
		})
	}
}

type nopExtension struct {
	component.StartFunc
	component.ShutdownFunc
}

type extensionsHost struct {
	component.Host
	extensions map[component.ID]component.Component
}

func (h *extensionsHost) GetExtensions() map[component.ID]component.Component { return h.extensions }

// TestAStopSaysWhatStaysInTheQueue: exporterhelper logs the same error whether the events stay in the queue or not.
func TestAStopSaysWhatStaysInTheQueue(t *testing.T) {
	const kept = "Stopping: undelivered events stay in the queue, and are sent after the next start."
	for name, test := range map[string]struct {
		storage *component.ID
		level   zapcore.Level
		logged  map[string]zapcore.Level
	}{
		"storage":              {&storagetest.ID, zap.DebugLevel, map[string]zapcore.Level{kept: zap.InfoLevel}},
		"storage, only errors": {&storagetest.ID, zap.ErrorLevel, map[string]zapcore.Level{}},
		"memory":               {nil, zap.DebugLevel, map[string]zapcore.Level{droppingData: zap.ErrorLevel}},
	} {
		t.Run(name, func(t *testing.T) {
			server := amplitudetest.Start(t)
			server.AnswerAll(amplitudetest.Answer{Status: http.StatusServiceUnavailable})
			config := createDefaultConfig().(*Config)
			config.APIKey = "key"
			config.ClientConfig.Endpoint = server.URL(amplitude.HTTPV2)
			config.QueueConfig.Get().StorageID = test.storage
			set := exportertest.NewNopSettings(metadata.Type)
			core, logs := observer.New(test.level)
			set.Logger = zap.New(core).With(zap.String("component", "amplitude"))
			e, err := NewFactory().CreateLogs(t.Context(), set, config)
			require.NoError(t, err)
			require.NoError(t, e.Start(t.Context(), hostOf(storagetest.NewDisk(nil))))
			require.NoError(t, e.ConsumeLogs(t.Context(), logsOf(newEvent("one"))))
			require.Eventually(t, func() bool { return server.Counts().Requests > 0 }, time.Minute, time.Millisecond)
			require.NoError(t, e.Shutdown(t.Context()))
			logged := map[string]zapcore.Level{}
			for _, entry := range logs.All() {
				if entry.Message == kept || strings.HasPrefix(entry.Message, droppingData) {
					logged[entry.Message] = entry.Level
					assert.Contains(t, entry.ContextMap()["error"], "status 503")
					assert.Equal(t, "amplitude", entry.ContextMap()["component"])
				}
			}
			assert.Equal(t, test.logged, logged)
		})
	}
}

// TestABatchLargerThanTheQueueIsRefused at once. It would wait forever for room, and hold up other senders.
func TestABatchLargerThanTheQueueIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		sizer exporterhelper.RequestSizerType
		size  int64
		unit  string
	}{
		"items": {exporterhelper.RequestSizerTypeItems, queued - 1, "items"},
		"bytes": {exporterhelper.RequestSizerTypeBytes, 1000, "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			server := amplitudetest.Start(t)
			e := startOnDiskWith(t, server, storagetest.NewDisk(nil), func(config *Config) {
				queue := config.QueueConfig.Get()
				queue.Sizer, queue.QueueSize = test.sizer, test.size
			})
			err := e.ConsumeLogs(t.Context(), logsOf(slices.Repeat([]string{newEvent("large")}, queued)...))
			require.ErrorContains(t, err, fmt.Sprintf("more than sending_queue.queue_size, %d %s; raise it, or send fewer records at once", test.size, test.unit))
			assert.False(t, consumererror.IsPermanent(err), "the sender must keep it")
			require.NoError(t, e.ConsumeLogs(t.Context(), logsOf(newEvent(name))))
			require.NoError(t, server.WaitUntil(t.Context(), func(amplitudetest.Counts) bool { return len(server.User("user-17").Events) == 1 }))
			require.NoError(t, e.Shutdown(t.Context()))
		})
	}
}

// TestCanceledSendersDoNotBlockTheQueue has senders give up while they wait for room in the queue, just when a delivery makes room.
func TestCanceledSendersDoNotBlockTheQueue(t *testing.T) {
	server := amplitudetest.Start(t)
	e := startOnDiskWith(t, server, storagetest.NewDisk(nil), func(config *Config) { config.QueueConfig.Get().QueueSize = 10 })
	for range 100 {
		server.AnswerAll(unavailable)
		ctx, cancel := context.WithCancel(t.Context())
		var senders errgroup.Group
		for range 30 {
			senders.Go(func() error {
				_ = e.ConsumeLogs(ctx, logsOf(newEvent("any")))
				return nil
			})
		}
		before := server.Counts().Requests
		require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Requests > before }))
		server.AnswerFunc(func(*amplitudetest.Request) (amplitudetest.Answer, bool) {
			cancel()
			return amplitudetest.Answer{}, true
		})
		ended := make(chan error)
		go func() { ended <- senders.Wait() }()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(time.Minute):
			t.Fatal("the queue is blocked")
		}
	}
	require.NoError(t, e.Shutdown(t.Context()))
}

// TestEventsWithoutAnyTime requires that an event waits from when it came, and has that time, however often it is tried.
func TestEventsWithoutAnyTime(t *testing.T) {
	server := amplitudetest.Start(t)
	server.AnswerAll(amplitudetest.Answer{Status: http.StatusServiceUnavailable})
	p := newPushed(t, server, func(c *Config) {
		c.ClientConfig.Endpoint = server.URL(amplitude.HTTPV2)
		c.RetryConfig.InitialInterval = 10 * time.Millisecond
		c.RetryConfig.MaxInterval = 10 * time.Millisecond
		c.Lanes = 1
	})
	q, err := newResumingQueue(t.Context(), metadatatest.NewSettings(p.telemetry), p.amplitudeExporter)
	require.NoError(t, err)
	require.NoError(t, q.Start(t.Context(), componenttest.NewNopHost()))
	before := time.Now()
	require.NoError(t, q.ConsumeLogs(t.Context(), logsOf(`{"event_type":"a","user_id":"user-17"}`)))
	after := time.Now()
	require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Requests >= 3 }))
	waited := time.Since(after).Seconds()
	metric, err := p.telemetry.GetMetric("otelcol_exporter_amplitude_lane_queue_age")
	require.NoError(t, err)
	assert.GreaterOrEqual(t, metric.Data.(metricdata.Gauge[float64]).DataPoints[0].Value, waited)

	server.AnswerUsually()
	require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Ingested == 1 }))
	sent, _ := server.User("user-17").Events[0].Fields["time"].(float64)
	assert.True(t, float64(before.UnixMilli()) <= sent && sent <= float64(after.UnixMilli()), "%f isn't from %v to %v", sent, before, after)
	require.NoError(t, q.Shutdown(t.Context()))
	require.NoError(t, p.telemetry.Shutdown(t.Context()))
}
