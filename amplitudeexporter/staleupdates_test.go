// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// noon is the time of the tests' updates, in seconds since the epoch. Each adds a number of seconds.
const noon = 1795428000

func update(user, flag, variant string, second int) string {
	return fmt.Sprintf(`{"event_type":"$identify","user_id":%q,"insert_id":"%s-%s-%d","time":%d,"user_properties":{"$set":{"[Experiment] %s":%q}}}`,
		user, user, flag, second, (noon+second)*1000, flag, variant)
}

func TestAStaleUpdateIsLeftOut(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", "new", 10), update("user-2", "a", "own", 1))))
	require.NoError(t, p.push(t.Context(), logsOf(
		update("user-1", "a", "old", 5),
		update("user-1", "b", "other flag", 5),
		update("user-2", "a", "newer", 2), update("user-2", "a", "old", 1),
	)))
	assert.Equal(t, map[string]any{"[Experiment] a": "new", "[Experiment] b": "other flag"}, p.server.User("user-1").Properties)
	assert.Equal(t, map[string]any{"[Experiment] a": "newer"}, p.server.User("user-2").Properties)
	p.assertEvents(t, point(4, "outcome", "delivered", "reason", "none"), point(2, "outcome", "dropped", "reason", "older_update"))
}

func TestARepeatedUpdateIsNotStale(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	for range 2 {
		require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", "on", 10))))
	}
	assert.Equal(t, 2, p.server.Counts().Received)
	assert.Len(t, p.server.User("user-1").Events, 1)
}

// TestARetryIsNotStale: the updates of a failed batch don't make its retry stale.
func TestARetryIsNotStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startHandled(t, componenttest.NewNopHost(), amplitudetest.New(), nil)
		// The fake time starts before the time of the events.
		time.Sleep(time.Until(time.Unix(noon, 0).Add(time.Hour)))
		p.server.AnswerNext(1, amplitudetest.Answer{Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "7"}})
		err := p.push(t.Context(), logsOf(update("user-1", "a", "first", 1), update("user-1", "a", "second", 2)))
		var failed consumererror.Logs
		require.ErrorAs(t, err, &failed)
		time.Sleep(7 * time.Second)
		require.NoError(t, p.push(t.Context(), failed.Data()))
		assert.Len(t, p.server.User("user-1").Events, 2)
		assert.Equal(t, map[string]any{"[Experiment] a": "second"}, p.server.User("user-1").Properties)
		p.stop(t)
	})
}

func TestAnImpressionIsSentWithoutItsStaleUpdate(t *testing.T) {
	impression := func(variant string, second int) string {
		return fmt.Sprintf(`{"event":"[Experiment] Impression","userId":"user-1","messageId":"m-%d","properties":{"time":%d},
			"user_properties":{"$set":{"[Experiment] a":%q}}}`, second, (noon+second)*1000, variant)
	}
	p := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, p.push(t.Context(), logsOf(impression("new", 10), impression("old", 5))))
	user := p.server.User("user-1")
	assert.Equal(t, map[string]any{"[Experiment] a": "new"}, user.Properties)
	require.Len(t, user.Events, 2)
	assert.Empty(t, user.Events[1].UserProperties)
}

// TestAnImpressionKeepsItsInsertIDWithoutItsStaleUpdate, although the id is a hash of the whole event.
func TestAnImpressionKeepsItsInsertIDWithoutItsStaleUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		impression := func(variant string, second int) string {
			return fmt.Sprintf(`{"event":"[Experiment] Impression","userId":"user-1","properties":{"time":%d},
				"user_properties":{"$set":{"[Experiment] a":%q}}}`, (noon+second)*1000, variant)
		}
		p := startHandled(t, componenttest.NewNopHost(), amplitudetest.New(), nil)
		// The fake time starts before the time of the events.
		time.Sleep(time.Until(time.Unix(noon, 0).Add(time.Hour)))
		require.NoError(t, p.push(t.Context(), logsOf(impression("old", 5))))
		require.NoError(t, p.push(t.Context(), logsOf(impression("new", 10))))
		p.server.AnswerNext(1, amplitudetest.Answer{Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "7"}})
		err := p.push(t.Context(), logsOf(impression("old", 5)))
		var failed consumererror.Logs
		require.ErrorAs(t, err, &failed)
		time.Sleep(7 * time.Second)
		require.NoError(t, p.push(t.Context(), failed.Data()))
		user := p.server.User("user-1")
		assert.Len(t, user.Events, 2)
		assert.Equal(t, map[string]any{"[Experiment] a": "new"}, user.Properties)
		p.stop(t)
	})
}

func TestOtherUserPropertiesAreLeftAlone(t *testing.T) {
	identify := func(second int) string {
		return fmt.Sprintf(`{"event_type":"$identify","user_id":"user-1","insert_id":"i-%d","time":%d,"user_properties":{"$set":{"plan":"%d"}}}`,
			second, (noon+second)*1000, second)
	}
	p := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, p.push(t.Context(), logsOf(identify(10), identify(5))))
	assert.Equal(t, map[string]any{"plan": "5"}, p.server.User("user-1").Properties)
}

// TestAnUpdateFromTheFutureMakesNothingStale: a device's wrong clock must not stop later updates.
func TestAnUpdateFromTheFutureMakesNothingStale(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	soon := int(time.Now().Add(24*time.Hour).Unix() - noon)
	require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", "future", soon), update("user-1", "a", "now", 5))))
	assert.Equal(t, map[string]any{"[Experiment] a": "now"}, p.server.User("user-1").Properties)
}

// TestTheCollectorsClockMakesNothingStale: it may step back, and says nothing about when an event without a time happened.
func TestTheCollectorsClockMakesNothingStale(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	update := func(variant string, observed int) plog.Logs {
		logs := logsOf(fmt.Sprintf(`{"event_type":"$identify","user_id":"user-1","insert_id":%q,"user_properties":{"$set":{"[Experiment] a":%q}}}`,
			variant, variant))
		record := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		record.SetObservedTimestamp(pcommon.NewTimestampFromTime(time.Unix(int64(noon+observed), 0)))
		return logs
	}
	require.NoError(t, p.push(t.Context(), update("before the step", 3600)))
	require.NoError(t, p.push(t.Context(), update("after the step", 0)))
	assert.Equal(t, map[string]any{"[Experiment] a": "after the step"}, p.server.User("user-1").Properties)
	user := p.server.User("user-1")
	assert.Equal(t, int64(noon+3600)*1000, user.Events[0].Time, "the time is sent")
}

// TestARefusedUpdateShutsOutNoOlderOne of its batch: if Amplitude refuses the newest, the one before it counts.
func TestARefusedUpdateShutsOutNoOlderOne(t *testing.T) {
	for name, texts := range map[string][]string{
		"one older":         {"new", "old"},
		"two older":         {"new", "older", "old"},
		"two older, sorted": {"new", "old", "older"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := amplitudetest.New()
				server.AnswerFunc(func(r *amplitudetest.Request) (amplitudetest.Answer, bool) {
					at := slices.IndexFunc(r.Events, func(e amplitudetest.Event) bool { return strings.Contains(string(e.Raw), `"new"`) })
					return amplitudetest.Answer{
						Status: 400, Body: fmt.Sprintf(`{"code":400,"events_with_invalid_fields":{"time":[%d]}}`, at),
					}, at >= 0
				})
				p := startHandled(t, componenttest.NewNopHost(), server, nil)
				time.Sleep(time.Until(time.Unix(noon, 0).Add(time.Hour)))
				seconds := map[string]int{"new": 10, "old": 5, "older": 1}
				var records []string
				for _, variant := range texts {
					records = append(records, update("user-1", "a", variant, seconds[variant]))
				}
				p.pushAll(t, logsOf(records...))
				assert.Equal(t, map[string]any{"[Experiment] a": "old"}, server.User("user-1").Properties)
				refused := point(1, "outcome", "dropped", "reason", "invalid_field")
				if len(texts) == 2 || texts[1] == "older" {
					// The updates are in the order of their times.
					p.assertEvents(t, point(int64(len(texts)-1), "outcome", "delivered", "reason", "none"), refused)
				} else {
					p.assertEvents(t, point(1, "outcome", "delivered", "reason", "none"), refused, point(1, "outcome", "dropped", "reason", "older_update"))
				}
				p.stop(t)
			})
		})
	}
}

// TestAWithheldUpdateWaits as long as the newer one does, and is then left out.
func TestAWithheldUpdateWaits(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			disk := storagetest.NewDisk(nil)
			server := amplitudetest.New()
			server.Restrict(amplitudetest.ThrottledUser, 1, "user-1")
			p := startDeferring(t, disk, server)
			time.Sleep(time.Until(time.Unix(noon, 0).Add(time.Hour)))
			require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", "new", 10), update("user-1", "a", "old", 5))))
			assert.Empty(t, server.User("user-1").Events)
			want := "new"
			if refuses {
				want = "old"
				server.AnswerFunc(func(r *amplitudetest.Request) (amplitudetest.Answer, bool) {
					isNew := strings.Contains(string(r.Events[0].Raw), `"new"`)
					return amplitudetest.Answer{Status: 400, Body: `{"code":400,"events_with_invalid_fields":{"time":[0]}}`}, isNew
				})
			}
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			assert.Equal(t, map[string]any{"[Experiment] a": want}, server.User("user-1").Properties)
			assert.Len(t, server.User("user-1").Events, 1)
			p.stop(t)
		})
	}
}

func TestOlderUpdatesCanBeSent(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.OlderUpdates = SendOlderUpdates })
	require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", "new", 10), update("user-1", "a", "old", 5))))
	assert.Equal(t, map[string]any{"[Experiment] a": "old"}, p.server.User("user-1").Properties)
}

func TestAnUpdateWithoutTimeIsSent(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", "new", 10),
		`{"event_type":"$identify","user_id":"user-1","insert_id":"i-1","user_properties":{"$unset":{"[Experiment] a":"-"}}}`)))
	assert.Empty(t, p.server.User("user-1").Properties)
}
