// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// small are limits by which a few events have no room in memory.
var small = deferralLimits{loaded: amount{events: 40, bytes: 1 << 20}, perID: amount{events: 10, bytes: 1 << 20}, stored: 1000}

// numbersUpTo returns what numbersOf returns of a user whose first count events arrived in order.
func numbersUpTo(count int) string {
	var numbers []string
	for i := range count {
		numbers = append(numbers, strconv.Itoa(i))
	}
	return strings.Join(numbers, " ")
}

// pushInTurn pushes batches of ten events of a busy user, with one of each other user, and asserts that nobody waits.
func pushInTurn(t *testing.T, p *pushed, batches int, busy string, others ...string) {
	t.Helper()
	for n := range batches {
		var texts []string
		for i := range 10 {
			texts = append(texts, eventOf(busy, 10*n+i))
		}
		for _, other := range others {
			texts = append(texts, eventOf(other, n))
		}
		require.NoError(t, p.push(t.Context(), logsOf(texts...)))
		for _, other := range others {
			assert.Equal(t, numbersUpTo(n+1), numbersOf(p.server, other))
		}
	}
}

func TestOthersDoNotWaitForAUserWithoutRoomInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		server.Restrict(amplitudetest.ThrottledUser, 1, "busy-1")
		d := storagetest.NewDisk(nil)
		p := startLimited(t, d, server, small)
		pushInTurn(t, p, 30, "busy-1", "quiet", "other")
		assert.Empty(t, numbersOf(server, "busy-1"))
		assert.LessOrEqual(t, len(p.batch.items), small.loaded.events, "events in memory")
		p.assertDeferred(t, 300)

		time.Sleep(5 * time.Minute)
		synctest.Wait()
		assert.Equal(t, numbersUpTo(300), numbersOf(server, "busy-1"))
		p.assertDeferred(t, 0)
		assert.Zero(t, stored(d))
		p.stop(t)
	})
}

// TestAThrottledUserDoesNotWaitForAnother who has no room in memory.
func TestAThrottledUserDoesNotWaitForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		server.Restrict(amplitudetest.ThrottledUser, amplitudetest.UntilLifted, "busy-1")
		server.Restrict(amplitudetest.ThrottledUser, 1, "busy-2")
		p := startLimited(t, storagetest.NewDisk(nil), server, small)
		pushInTurn(t, p, 20, "busy-1")
		var texts []string
		for i := range 30 {
			texts = append(texts, eventOf("busy-2", i))
		}
		require.NoError(t, p.push(t.Context(), logsOf(texts...)))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, numbersUpTo(30), numbersOf(server, "busy-2"))
		assert.Empty(t, numbersOf(server, "busy-1"))
		p.stop(t)
	})
}

// TestEventsWithoutRoomAreNotOvertaken by those of users and devices that share events with theirs, before and after a
// restart.
func TestEventsWithoutRoomAreNotOvertaken(t *testing.T) {
	for name, restart := range map[string]bool{"without a restart": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := amplitudetest.New()
				server.Restrict(amplitudetest.ThrottledUser, amplitudetest.UntilLifted, "busy-1")
				server.Restrict(amplitudetest.ThrottledUser, amplitudetest.UntilLifted, "busy-2")
				d := storagetest.NewDisk(nil)
				p := startLimited(t, d, server, small)
				number := 0
				of := func(user, device string) string {
					number++
					return fmt.Sprintf(`{"event":"%d","userId":%q,"anonymousId":%q,"messageId":"%d"}`, number, user, device, number)
				}
				for range 20 {
					require.NoError(t, p.push(t.Context(), logsOf(of("busy-1", "device-1"), of("busy-2", "device-2"))))
				}
				require.NoError(t, p.push(t.Context(), logsOf(of("busy-1", "device-3"), of("quiet", "device-3"), of("free-1", "device-4"))))
				require.NoError(t, p.push(t.Context(), logsOf(of("busy-2", "device-1"))))
				require.NoError(t, p.push(t.Context(), logsOf(of("", "device-3"), of("", "device-2"))))
				assert.Equal(t, "43", numbersOf(server, "free-1"))
				assert.Equal(t, 1, server.Counts().Ingested)
				if restart {
					p.stop(t)
					p = startLimited(t, d, server, small)
					p.assertDeferred(t, 45)
					assert.LessOrEqual(t, len(p.batch.items), small.loaded.events, "events in memory")
				}
				server.LiftAll()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				assertOrderOfIDs(t, server)
				assert.Equal(t, number, server.Counts().Ingested)
				assert.Zero(t, stored(d))
				p.stop(t)
			})
		})
	}
}

// assertOrderOfIDs asserts that the events of each user and of each device arrived by number.
func assertOrderOfIDs(t *testing.T, server *amplitudetest.Server) {
	t.Helper()
	last := map[string]int{}
	for _, event := range server.Events() {
		number, err := strconv.Atoi(event.Type)
		require.NoError(t, err)
		for _, id := range []string{event.UserID, event.DeviceID} {
			assert.LessOrEqual(t, last[id], number, "%s was overtaken", id)
			if id != "" {
				last[id] = number
			}
		}
	}
}

// TestUpdatesWithoutRoomMakeLaterOlderOnesStale, but not each other when they are loaded.
func TestUpdatesWithoutRoomMakeLaterOlderOnesStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		server.Restrict(amplitudetest.ThrottledUser, 1, "user-1")
		limits := small
		limits.perID.events = 2
		p := startLimited(t, storagetest.NewDisk(nil), server, limits)
		// The fake time starts before the time of the events.
		time.Sleep(time.Until(time.Unix(noon, 0).Add(time.Hour)))
		for second := range 10 {
			require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", strconv.Itoa(second), 10*second))))
		}
		require.NoError(t, p.push(t.Context(), logsOf(update("user-1", "a", "older", 85))))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		user := server.User("user-1")
		assert.Len(t, user.Events, 10)
		assert.Equal(t, map[string]any{"[Experiment] a": "9"}, user.Properties)
		p.assertEvents(t, point(10, "outcome", "delivered", "reason", "none"), point(1, "outcome", "dropped", "reason", "older_update"))
		p.stop(t)
	})
}

// TestEventsThatCannotBeLoadedAreTriedAgain while later ones of the same user wait behind them.
func TestEventsThatCannotBeLoadedAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		server.Restrict(amplitudetest.ThrottledUser, 1, "busy-1")
		d := storagetest.NewDisk(nil)
		p := startLimited(t, d, server, small)
		pushInTurn(t, p, 5, "busy-1", "quiet")
		d.FailIf(func(key string) bool { return strings.HasPrefix(key, deferredName) })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		logs := logsOf(eventOf("busy-1", 50))
		require.ErrorContains(t, p.push(t.Context(), logs), "too many events of throttled users")
		assert.Len(t, p.logs.FilterMessageSnippet("can't be read").All(), 1, "it is logged once")
		d.Fail(false)
		time.Sleep(2 * time.Minute)
		require.NoError(t, p.push(t.Context(), logs))
		synctest.Wait()
		assert.Equal(t, numbersUpTo(51), numbersOf(server, "busy-1"))
		p.stop(t)
	})
}

// TestStoredEnvelopesAreReadToTheEnd, which there are if the configuration has changed, although they are read in parts.
func TestStoredEnvelopesAreReadToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const envelopes, eventsOfEach = 10, 10
		d := storagetest.NewDisk(nil)
		p := startThrottled(t, d)
		p.stop(t)
		var texts []string
		for n := range envelopes {
			var events []string
			for i := range eventsOfEach {
				events = append(events, eventOf("busy-1", eventsOfEach*n+i))
			}
			texts = append(texts, fmt.Sprintf(`{"context":{"x":%q},"batch":[%s]}`, strings.Repeat("x", 1<<20), strings.Join(events, ",")))
		}
		stored, err := (&plog.ProtoMarshaler{}).MarshalLogs(logsOf(texts...))
		require.NoError(t, err)
		state := d.State()
		state[deferredName+"/chunk-0"] = stored
		p = startDeferring(t, storagetest.NewDisk(state), p.server)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, numbersUpTo(envelopes*eventsOfEach), numbersOf(p.server, "busy-1"))
		p.stop(t)
	})
}
