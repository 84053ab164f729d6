// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// deliverAll delivers a batch until nothing is left, as exporterhelper does, and returns how long that took.
func deliverAll(t *testing.T, d *Deliverer, batch *events) time.Duration {
	t.Helper()
	began := time.Now()
	for rounds := 0; len(batch.items) > 0; rounds++ {
		require.Less(t, rounds, 1000)
		result := d.Deliver(t.Context(), batch.items)
		if batch = left(batch); len(batch.items) > 0 {
			require.Error(t, result.Err)
			time.Sleep(max(result.Wait, 500*time.Millisecond))
		}
	}
	return time.Since(began)
}

// throttled answers 429 to requests with events of a user, until a time.
func throttled(user string, until time.Time) func(*sent) (int, string, error) {
	return func(r *sent) (int, string, error) {
		for _, event := range r.Events {
			if event.UserID == user && time.Now().Before(until) {
				return http.StatusTooManyRequests, fmt.Sprintf(`{"throttled_users":{%q:31}}`, user), nil
			}
		}
		return accept(r)
	}
}

func TestAThrottledUserWaitsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: throttled("busy", time.Now().Add(30*time.Second))}
		d := newDeliverer(t, s, 1)
		batch := batchOf(0, "quiet/", "busy/", "other/", "busy/", "quiet/")
		began := time.Now()
		result := d.Deliver(t.Context(), batch.items)
		require.ErrorContains(t, result.Err, "2 events wait because their users or devices are throttled")
		assert.Equal(t, 30*time.Second, result.Wait)
		assert.Equal(t, "delivered left delivered left delivered", states(batch))
		assert.Zero(t, time.Since(began), "the others don't wait")

		// The user's later events wait behind them.
		next := batchOf(5, "busy/", "quiet/")
		d.Deliver(t.Context(), next.items)
		assert.Equal(t, "left delivered", states(next))

		time.Sleep(30 * time.Second)
		require.NoError(t, d.Deliver(t.Context(), left(batch).items).Err)
		require.NoError(t, d.Deliver(t.Context(), left(next).items).Err)
		assert.Equal(t, []int{0, 2, 4, 6, 1, 3, 5}, s.accepted)
		assert.Empty(t, d.throttles.users)
	})
}

// TestOtherUsersWaitNoLongerThanThePause: batches follow each other, so those behind a batch with a throttled user wait, but
// only for Amplitude's pause.
func TestOtherUsersWaitNoLongerThanThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: throttled("busy", time.Now().Add(10*time.Second))}
		d := newDeliverer(t, s, 8)
		assert.Equal(t, 30*time.Second, deliverAll(t, d, batchOf(0, "busy/", "quiet/")))
		assert.Zero(t, deliverAll(t, d, batchOf(2, "busy/", "quiet/")))
	})
}

func TestAThrottledEventBlocksItsUserAndDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		s := &server{answer: func(r *sent) (int, string, error) {
			if first {
				first = false
				return http.StatusTooManyRequests, `{"throttled_events":[0]}`, nil
			}
			return accept(r)
		}}
		d := newDeliverer(t, s, 1)
		batch := batchOf(0, "u1/d1", "u2/d1", "u1/d2", "u3/d2", "u4/d4", "u4/d3", "u3/d3")
		d.Deliver(t.Context(), batch.items)
		// Events that share a user or a device with a waiting one wait too, so that they don't overtake it.
		assert.Equal(t, "left left left left delivered delivered left", states(batch))
		time.Sleep(30 * time.Second)
		require.NoError(t, d.Deliver(t.Context(), left(batch).items).Err)
		assert.Equal(t, []int{4, 5, 0, 1, 2, 3, 6}, s.accepted)
	})
}

// TestABusyUserGetsThroughAtAmplitudesRate: Amplitude accepts a number of a user's events in 30 seconds. A request with more
// of them would be refused forever.
func TestABusyUserGetsThroughAtAmplitudesRate(t *testing.T) {
	for name, most := range map[string]int{"30 a second": 900, "much less": 50} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				taken, since := 0, time.Now()
				s := &server{answer: func(r *sent) (int, string, error) {
					if time.Since(since) >= 30*time.Second {
						taken, since = 0, time.Now()
					}
					if taken += len(r.Events); taken > most {
						return http.StatusTooManyRequests, `{"throttled_users":{"busy":99}}`, nil
					}
					return accept(r)
				}}
				batch := &events{}
				for n := range 3000 {
					batch.add(fmt.Sprintf(`{"n":%d,"user_id":"busy"}`, n), "busy", "")
				}
				took := deliverAll(t, newDeliverer(t, s, 8), batch)
				assert.Len(t, s.accepted, 3000)
				assert.True(t, slices.IsSorted(s.accepted))
				assert.Less(t, took, 2*time.Hour)
			})
		})
	}
}

func TestDailyQuotaDropsOnlyTheDevicesEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(r *sent) (int, string, error) {
			for _, event := range r.Events {
				if event.DeviceID == "spam" {
					return http.StatusTooManyRequests, `{"exceeded_daily_quota_devices":{"spam":500001}}`, nil
				}
			}
			return accept(r)
		}}
		batch := batchOf(0, "/good", "/spam", "/good", "/spam")
		require.NoError(t, newDeliverer(t, s, 1).Deliver(t.Context(), batch.items).Err)
		assert.Equal(t, "delivered daily_quota delivered daily_quota", states(batch))
	})
}

// TestAUserOfAThrottledDeviceWaitsForTheDevice: although the user's own pause is over, an immediate retry would fail.
func TestAUserOfAThrottledDeviceWaitsForTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := `{"throttled_users":{"u1":31}}`
		s := &server{answer: func(r *sent) (int, string, error) {
			if body == "" {
				return accept(r)
			}
			said := body
			body = ""
			return http.StatusTooManyRequests, said, nil
		}}
		d := newDeliverer(t, s, 1)
		d.Deliver(t.Context(), batchOf(0, "u1/").items)
		time.Sleep(20 * time.Second)
		body = `{"throttled_devices":{"d1":31}}`
		d.Deliver(t.Context(), batchOf(1, "u2/d1").items)
		time.Sleep(10 * time.Second)
		tied := batchOf(2, "u1/d1")
		assert.Equal(t, 20*time.Second, d.Deliver(t.Context(), tied.items).Wait)
		time.Sleep(20 * time.Second)
		require.NoError(t, d.Deliver(t.Context(), tied.items).Err)
	})
}
