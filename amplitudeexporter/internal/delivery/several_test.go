// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// addSeveral adds an item with these events of a user.
func (e *events) addSeveral(user string, numbers ...int) {
	var texts []string
	for _, n := range numbers {
		texts = append(texts, fmt.Sprintf(`{"user_id":%q,"n":%d}`, user, n))
	}
	e.add(strings.Join(texts, ","), user, "")
	e.items[len(e.items)-1].More = len(numbers) - 1
}

// severalEvents returns a batch of items with one, three, two and one events.
func severalEvents() *events {
	batch := batchOf(0, "u1/")
	batch.addSeveral("u2", 1, 2, 3)
	batch.addSeveral("u3", 4, 5)
	batch.addSeveral("u4", 6)
	return batch
}

func TestTheEventsOfAnItemShareTheirFate(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		states string
		sent   [][]int
	}{
		"refused":   {400, `{"code":400,"events_with_invalid_fields":{"price":[2]}}`, "delivered invalid_field delivered delivered", [][]int{{0, 1, 2, 3, 4, 5, 6}, {0, 4, 5, 6}}},
		"throttled": {429, `{"code":429,"throttled_events":[5]}`, "delivered delivered left delivered", [][]int{{0, 1, 2, 3, 4, 5, 6}, {0, 1, 2, 3, 6}}},
		"the last":  {400, `{"code":400,"events_with_invalid_fields":{"price":[6]}}`, "delivered delivered delivered invalid_field", [][]int{{0, 1, 2, 3, 4, 5, 6}, {0, 1, 2, 3, 4, 5}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: accept}
				s.answer = func(*sent) (int, string, error) {
					if len(s.requests) == 1 {
						return test.status, test.body, nil
					}
					return http.StatusOK, success, nil
				}
				batch := severalEvents()
				newDeliverer(t, s, 1).Deliver(t.Context(), batch.items)
				assert.Equal(t, test.states, states(batch))
				var got [][]int
				for _, request := range s.requests {
					got = append(got, request.numbers())
				}
				assert.Equal(t, test.sent, got)
			})
		})
	}
}

// TestRequestsHaveAtMostTheAllowedEvents however many events items have. An item isn't split.
func TestRequestsHaveAtMostTheAllowedEvents(t *testing.T) {
	s := &server{answer: accept}
	d := newDeliverer(t, s, 1)
	d.workers[0].limits.Events, d.workers[0].maxEvents = 4, 4
	batch := severalEvents()
	batch.addSeveral("u5", 7, 8, 9, 10, 11)
	require.NoError(t, d.Deliver(t.Context(), batch.items).Err)
	var got [][]int
	for _, request := range s.requests {
		got = append(got, request.numbers())
	}
	assert.Equal(t, [][]int{{0, 1, 2, 3}, {4, 5, 6}, {7, 8, 9, 10, 11}}, got)
}

// TestARefusalWithoutNamesFindsAnItem with several events, of which one is bad.
func TestARefusalWithoutNamesFindsAnItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.answer = func(request *sent) (int, string, error) {
			if request.has(2) {
				return http.StatusForbidden, "<html>", nil
			}
			return http.StatusOK, success, nil
		}
		d := newDeliverer(t, s, 1)
		batch := severalEvents()
		dropped := ""
		for len(batch.items) > 0 && dropped == "" {
			result := d.Deliver(t.Context(), batch.items)
			for _, item := range batch.items {
				if item.State == Dropped {
					dropped = fmt.Sprint(item.UserID, " ", item.Reason)
				}
			}
			time.Sleep(max(result.Wait, time.Second))
			batch = left(batch)
			batch.addSeveral("u9", 9)
		}
		assert.Equal(t, "u2 forbidden", dropped)
		assert.NotContains(t, s.accepted, 1)
		assert.Contains(t, s.accepted, 5)
	})
}

// TestAThrottledUserGetsABurstOfEvents, not of items.
func TestAThrottledUserGetsABurstOfEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.answer = func(*sent) (int, string, error) {
			if len(s.requests) == 1 {
				return 429, `{"code":429,"throttled_users":{"u1":40}}`, nil
			}
			return http.StatusOK, success, nil
		}
		d := newDeliverer(t, s, 1)
		batch := &events{}
		const each = 100
		for item := range 20 {
			var numbers []int
			for n := range each {
				numbers = append(numbers, item*each+n)
			}
			batch.addSeveral("u1", numbers...)
		}
		d.Deliver(t.Context(), batch.items)
		time.Sleep(time.Minute)
		batch = left(batch)
		require.Len(t, batch.items, 20)
		d.Deliver(t.Context(), batch.items)
		assert.Len(t, s.accepted, 900, "what Amplitude takes in 30 s")
	})
}
