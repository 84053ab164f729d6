// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// handled is a transport that calls a server directly, so that both run in the fake time of synctest.
type handled struct {
	*amplitudetest.Server
}

func (h handled) RoundTrip(request *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, request)
	return answer.Result(), nil
}

// onDisk makes an exporter defer events to a disk, although it has no queue in these tests.
func onDisk(c *Config) {
	c.QueueConfig.Get().StorageID = &storagetest.ID
}

func hostOf(d *storagetest.Disk) component.Host {
	return storagetest.HostWith(componenttest.NewNopHost(), d)
}

func startDeferring(t *testing.T, d *storagetest.Disk, server *amplitudetest.Server) *pushed {
	t.Helper()
	return startHandled(t, hostOf(d), server, onDisk)
}

// startThrottled is startDeferring with a server that throttles a user once, and a deferred event of that user.
func startThrottled(t *testing.T, d *storagetest.Disk) *pushed {
	t.Helper()
	server := amplitudetest.New()
	server.Restrict(amplitudetest.ThrottledUser, 1, "busy-1")
	p := startDeferring(t, d, server)
	require.NoError(t, p.push(t.Context(), logsOf(eventOf("busy-1", 0))))
	return p
}

// limitsOnDisk returns the limits of an exporter with a disk.
func limitsOnDisk() deferralLimits {
	config := createDefaultConfig().(*Config)
	onDisk(config)
	return limitsOf(config)
}

// startLimited is startDeferring with other limits.
func startLimited(t *testing.T, d *storagetest.Disk, server *amplitudetest.Server, limits deferralLimits) *pushed {
	t.Helper()
	p := newPushed(t, server, onDisk)
	p.deferral.limits = limits
	return p.startHandled(t, hostOf(d))
}

// startHandled is start in the fake time of synctest. The caller must call stop.
func startHandled(t *testing.T, host component.Host, server *amplitudetest.Server, change func(*Config)) *pushed {
	t.Helper()
	return newPushed(t, server, change).startHandled(t, host)
}

func (p *pushed) startHandled(t *testing.T, host component.Host) *pushed {
	t.Helper()
	require.NoError(t, p.start(t.Context(), host))
	require.NoError(t, p.semaphore.Acquire(t.Context(), 1))
	p.client.Transport = handled{p.server}
	p.semaphore.Release(1)
	return p
}

func (p *pushed) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.shutdown(t.Context()))
	require.NoError(t, p.telemetry.Shutdown(t.Context()))
}

func (p *pushed) assertDeferred(t *testing.T, events int64) {
	t.Helper()
	metadatatest.AssertEqualExporterAmplitudeDeferredEvents(t, p.telemetry,
		[]metricdata.DataPoint[int64]{point(events)}, metricdatatest.IgnoreTimestamp())
}

// eventOf returns an event of a user, with this number.
func eventOf(user string, number int) string {
	return fmt.Sprintf(`{"event":"%d","userId":%q,"messageId":"%s-%d","timestamp":"2026-11-23T10:00:00Z"}`, number, user, user, number)
}

// numbersOf returns the numbers of a user's events on the server, in the order in which they arrived.
func numbersOf(server *amplitudetest.Server, user string) string {
	var numbers []string
	for _, event := range server.User(user).Events {
		numbers = append(numbers, event.Type)
	}
	return strings.Join(numbers, " ")
}

// stored returns how many values of deferred events a disk has.
func stored(d *storagetest.Disk) int {
	chunks := 0
	for key := range d.State() {
		if strings.HasPrefix(key, deferredName+"/chunk-") {
			chunks++
		}
	}
	return chunks
}

func TestOthersDoNotWaitForAThrottledUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		server.Restrict(amplitudetest.ThrottledUser, 1, "busy-1")
		d := storagetest.NewDisk(nil)
		p := startDeferring(t, d, server)
		began := time.Now()
		require.NoError(t, p.push(t.Context(), logsOf(eventOf("quiet", 0), eventOf("busy-1", 0), `no event`, eventOf("busy-1", 1))))
		require.NoError(t, p.push(t.Context(), logsOf(eventOf("busy-1", 2), eventOf("quiet", 1))))
		require.NoError(t, p.push(t.Context(), logsOf(eventOf("quiet", 2))))
		assert.Zero(t, time.Since(began))
		assert.Equal(t, "0 1 2", numbersOf(server, "quiet"))
		assert.Empty(t, numbersOf(server, "busy-1"))
		p.assertDeferred(t, 3)
		p.assertEvents(t, point(3, "outcome", "delivered", "reason", "none"), point(1, "outcome", "dropped", "reason", "not_an_event"))

		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.Equal(t, "0 1 2", numbersOf(server, "busy-1"), "without another batch")
		p.assertDeferred(t, 0)
		p.assertEvents(t, point(6, "outcome", "delivered", "reason", "none"), point(1, "outcome", "dropped", "reason", "not_an_event"))
		assert.Zero(t, stored(d), "delivered events are removed")
		p.stop(t)
	})
}

// TestDeferredEventsAreNotOvertaken: an event that shares a user or a device with a deferred one waits too, in any batch.
func TestDeferredEventsAreNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		server.Restrict(amplitudetest.ThrottledDevice, 1, "device-1")
		p := startDeferring(t, storagetest.NewDisk(nil), server)
		of := func(number int, user, device string) string {
			return fmt.Sprintf(`{"event":"%d","userId":%q,"anonymousId":%q,"messageId":"%d"}`, number, user, device, number)
		}
		require.NoError(t, p.push(t.Context(), logsOf(of(0, "user-1", "device-1"))))
		require.NoError(t, p.push(t.Context(), logsOf(of(1, "user-1", "device-2"), of(2, "user-2", "device-2"), of(3, "user-3", "device-3"))))
		require.NoError(t, p.push(t.Context(), logsOf(of(4, "user-2", ""))))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		var arrived []string
		for _, event := range server.Events() {
			arrived = append(arrived, event.Type)
		}
		assert.Equal(t, []string{"3", "0", "1", "2", "4"}, arrived)
		p.stop(t)
	})
}

// TestABusyUserIsSentAtAmplitudesRate, however long that takes, and others don't wait.
func TestABusyUserIsSentAtAmplitudesRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New(amplitudetest.WithRateLimit(amplitudetest.RateLimit{Window: 30 * time.Second}))
		d := storagetest.NewDisk(nil)
		p := startDeferring(t, d, server)
		const batches, perBatch = 20, 200
		for batch := range batches {
			texts := []string{eventOf("quiet", batch)}
			for i := range perBatch {
				texts = append(texts, eventOf("busy-1", batch*perBatch+i))
			}
			require.NoError(t, p.push(t.Context(), logsOf(texts...)))
			assert.Len(t, server.User("quiet").Events, batch+1)
			time.Sleep(time.Second)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		busy := server.User("busy-1").Events
		require.Len(t, busy, batches*perBatch)
		for i, event := range busy {
			assert.Equal(t, strconv.Itoa(i), event.Type)
		}
		assert.Zero(t, stored(d))
		p.stop(t)
	})
}

func TestDeferredEventsAreRetriedAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startThrottled(t, storagetest.NewDisk(nil))
		p.server.AnswerAll(unavailable)
		time.Sleep(time.Minute)
		require.Error(t, p.push(t.Context(), logsOf(eventOf("busy-1", 1))), "a failure isn't a throttle")
		p.server.AnswerUsually()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, "0", numbersOf(p.server, "busy-1"))
		p.stop(t)
	})
}

func TestDeferredEventsSurviveAShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		server.Restrict(amplitudetest.ThrottledUser, 1, "busy-1")
		d := storagetest.NewDisk(nil)
		p := startDeferring(t, d, server)
		require.NoError(t, p.push(t.Context(), logsOf(eventOf("busy-1", 0), eventOf("busy-1", 1))))
		p.stop(t)
		p = startDeferring(t, d, server)
		require.NoError(t, p.push(t.Context(), logsOf(eventOf("busy-1", 2))))
		synctest.Wait()
		assert.Equal(t, "0 1 2", numbersOf(server, "busy-1"))
		assert.Zero(t, stored(d))
		p.stop(t)
	})
}

// TestACrashKeepsDeferredEvents starts an exporter on each state that the disk, including the queue, was in since all
// events were accepted.
func TestACrashKeepsDeferredEvents(t *testing.T) {
	server := amplitudetest.Start(t)
	server.Restrict(amplitudetest.ThrottledUser, amplitudetest.UntilLifted, "user-17")
	d := storagetest.NewDisk(nil)
	e := startOnDisk(t, server, d)
	fill(t, e)
	accepted := len(d.History()) - 1
	require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Requests > 0 }))
	require.NoError(t, e.Shutdown(t.Context()))
	require.Positive(t, stored(d))

	for _, state := range d.History()[accepted:] {
		back := amplitudetest.Start(t)
		e := startOnDisk(t, back, storagetest.NewDisk(state))
		assertAllInOrder(t, back)
		require.NoError(t, e.Shutdown(t.Context()))
	}
}

func TestEventsThatCannotBeDeferredWaitInTheQueue(t *testing.T) {
	for name, fails := range map[string]func(string) bool{
		"full disk":     func(key string) bool { return strings.HasPrefix(key, deferredName) },
		"much too many": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := amplitudetest.New()
				server.Restrict(amplitudetest.ThrottledUser, amplitudetest.UntilLifted, "busy-1")
				d := storagetest.NewDisk(nil)
				limits := limitsOnDisk()
				limits.perID.events, limits.stored = 5, 5
				p := startLimited(t, d, server, limits)
				d.FailIf(fails)
				var texts []string
				for i := range 11 {
					texts = append(texts, eventOf("busy-1", i))
				}
				logs := logsOf(texts...)
				require.ErrorContains(t, p.push(t.Context(), logs), "throttled")
				left := logs.LogRecordCount()
				assert.Positive(t, left)
				if fails != nil {
					assert.Equal(t, len(texts), left)
					assert.Zero(t, stored(d))
				}
				p.assertDeferred(t, int64(len(texts)-left))
				server.LiftAll()
				d.Fail(false)
				time.Sleep(30 * time.Second)
				require.NoError(t, p.push(t.Context(), logs), "there is room for what is left")
				time.Sleep(time.Hour)
				synctest.Wait()
				assert.Equal(t, len(texts), server.Counts().Ingested)
				p.stop(t)
			})
		})
	}
}

func TestADeferredUpdateMakesALaterOlderOneStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		server.Restrict(amplitudetest.ThrottledUser, 1, "user-1")
		p := startDeferring(t, storagetest.NewDisk(nil), server)
		// The fake time starts before the time of the events.
		time.Sleep(time.Until(time.Unix(noon, 0).Add(time.Hour)))
		require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", "first", 10), update("user-1", "a", "second", 20))))
		require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", "older", 15))))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		user := server.User("user-1")
		assert.Equal(t, "$identify $identify", numbersOf(server, "user-1"))
		assert.Equal(t, map[string]any{"[Experiment] a": "second"}, user.Properties)
		require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", "older", 15))))
		assert.Equal(t, map[string]any{"[Experiment] a": "second"}, server.User("user-1").Properties)
		p.assertEvents(t, point(2, "outcome", "delivered", "reason", "none"), point(2, "outcome", "dropped", "reason", "older_update"))
		p.stop(t)
	})
}

// TestOtherBatchesDoNotSendDeferredEventsEarly, whether they have other users' events or none.
func TestOtherBatchesDoNotSendDeferredEventsEarly(t *testing.T) {
	for name, answer := range map[string]amplitudetest.Answer{
		"Retry-After": {Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "600"}},
		"refused key": {Status: http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := startThrottled(t, storagetest.NewDisk(nil))
				p.server.AnswerFunc(func(r *amplitudetest.Request) (amplitudetest.Answer, bool) {
					return answer, r.Events[0].UserID == "busy-1"
				})
				time.Sleep(31 * time.Second)
				before := p.server.Counts().Requests
				for i := range 100 {
					require.NoError(t, p.push(t.Context(), logsOf(eventOf("quiet", i), `no event`)))
					time.Sleep(time.Millisecond)
				}
				assert.Equal(t, before+100, p.server.Counts().Requests)
				p.stop(t)
			})
		})
	}
}

// TestAShutdownRemovesDeliveredEvents: those that were stored with a waiting event aren't sent again with it.
func TestAShutdownRemovesDeliveredEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		server.Restrict(amplitudetest.ThrottledUser, 1, "busy-1")
		server.Restrict(amplitudetest.ThrottledUser, amplitudetest.UntilLifted, "stuck")
		d := storagetest.NewDisk(nil)
		p := startDeferring(t, d, server)
		require.NoError(t, p.push(t.Context(), logsOf(eventOf("busy-1", 0), eventOf("stuck", 0), eventOf("stuck", 1), eventOf("stuck", 2))))
		time.Sleep(2 * time.Minute)
		assert.Equal(t, "0", numbersOf(server, "busy-1"))
		p.stop(t)
		p = startDeferring(t, d, server)
		p.assertDeferred(t, 3)
		time.Sleep(time.Minute)
		server.LiftAll()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Empty(t, server.Duplicates())
		assert.Equal(t, "0 1 2", numbersOf(server, "stuck"))
		p.stop(t)
	})
}

// TestTheTimerIsSetAgain if it fires during a batch that has already set it.
func TestTheTimerIsSetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startThrottled(t, storagetest.NewDisk(nil))
		require.True(t, p.semaphore.TryAcquire(1))
		time.Sleep(31 * time.Second)
		p.semaphore.Release(1)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, "0", numbersOf(p.server, "busy-1"))
		p.stop(t)
	})
}

// TestStartFailsIfTheStorageFails: later events would overtake those that can't be read.
func TestStartFailsIfTheStorageFails(t *testing.T) {
	for _, key := range []string{"deferred/chunks", "deferred/chunk-0"} {
		synctest.Test(t, func(t *testing.T) {
			d := storagetest.NewDisk(nil)
			p := startThrottled(t, d)
			p.stop(t)
			d.FailIf(func(failing string) bool { return failing == key })
			p = newPushed(t, p.server, onDisk)
			require.ErrorContains(t, p.start(t.Context(), hostOf(d)), "the disk fails")
			p.stop(t)
		})
	}
}

// TestUnreadableDeferredEventsStay in the storage under another key, are counted, and are logged.
func TestUnreadableDeferredEventsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := storagetest.NewDisk(nil)
		p := startThrottled(t, d)
		p.stop(t)
		state := d.State()
		state["deferred/chunk-0"] = []byte("\xff")
		d = storagetest.NewDisk(state)
		p = startDeferring(t, d, p.server)
		lines := p.logs.FilterMessageSnippet("can't be read").All()
		require.Len(t, lines, 1)
		assert.Equal(t, "unreadable-chunk-0", lines[0].ContextMap()["kept_as"])
		metadatatest.AssertEqualExporterAmplitudeUnreadableItems(t, p.telemetry,
			[]metricdata.DataPoint[int64]{point(1, "storage", "deferred")}, metricdatatest.IgnoreTimestamp())
		require.NoError(t, p.push(t.Context(), logsOf(eventOf("busy-1", 1))))
		assert.Equal(t, "1", numbersOf(p.server, "busy-1"))
		assert.Equal(t, "\xff", string(d.State()["deferred/unreadable-chunk-0"]))
		p.stop(t)
	})
}

// TestWithoutStorageEventsAreDeferredInMemory: an event that is refused doesn't hold up a queue in memory.
func TestWithoutStorageEventsAreDeferredInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		server.AnswerFunc(refusing(http.StatusForbidden, "<html>"))
		p := startHandled(t, componenttest.NewNopHost(), server, func(*Config) {})
		require.NoError(t, p.push(t.Context(), logsOf(bad)))
		p.assertDeferred(t, 1)
		for n := range 3 {
			require.NoError(t, p.push(t.Context(), logsOf(eventOf("quiet", n))))
		}
		assert.Equal(t, "0 1 2", numbersOf(server, "quiet"))
		// Lanes run concurrently, so the last refusal may come before the first acceptance.
		time.Sleep(time.Hour)
		synctest.Wait()
		p.assertDeferred(t, 0)
		p.assertEvents(t, point(3, "outcome", "delivered", "reason", "none"), point(1, "outcome", "dropped", "reason", "forbidden"))
		p.stop(t)
	})
}

func TestAShutdownLogsHowManyEventsInMemoryAreLost(t *testing.T) {
	const message = "waiting events are lost; give sending_queue.storage to keep them"
	for name, test := range map[string]struct {
		event string
		lost  int
	}{
		"one waits":  {event: bad, lost: 1},
		"none waits": {event: eventOf("quiet", 0)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := amplitudetest.New()
				server.AnswerFunc(refusing(http.StatusForbidden, "<html>"))
				p := startHandled(t, componenttest.NewNopHost(), server, func(*Config) {})
				require.NoError(t, p.push(t.Context(), logsOf(test.event)))
				p.stop(t)
				lines := p.logs.FilterMessage(message).All()
				require.Len(t, lines, test.lost)
				for _, line := range lines {
					assert.Equal(t, map[string]any{"events": int64(1)}, line.ContextMap())
				}
			})
		})
	}
	t.Run("on disk", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := startThrottled(t, storagetest.NewDisk(nil))
			p.stop(t)
			assert.Empty(t, p.logs.FilterMessage(message).All())
		})
	})
}
