// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sender delivers batches as the exporter does with a storage: what is blocked waits beside the queue, and comes first in
// the next batch.
type sender struct {
	t *testing.T
	d *Deliverer

	deferred  *events
	dropped   map[string]string
	unhealthy bool
	// unhealthyFor is how many batches ended unhealthy.
	unhealthyFor int
	began        time.Time
}

func newSender(t *testing.T, s *server, lanes int) *sender {
	t.Helper()
	return &sender{t: t, d: newDeliverer(t, s, lanes), deferred: &events{}, dropped: map[string]string{}, began: time.Now()}
}

// send delivers a batch until none of its events holds up the queue.
func (s *sender) send(batch *events) {
	s.t.Helper()
	for rounds := 0; ; rounds++ {
		require.Less(s.t, rounds, 10_000)
		all := &events{items: slices.Concat(s.deferred.items, batch.items)}
		result := s.d.Deliver(s.t.Context(), all.items)
		if s.unhealthy = result.Unhealthy != nil; s.unhealthy {
			s.unhealthyFor++
		}
		for _, item := range all.items {
			if item.State == Dropped {
				s.dropped[string(item.JSON)] = item.Reason.String()
			}
		}
		s.deferred, batch = left(s.deferred), left(batch)
		switch {
		case len(batch.items) == 0:
			return
		case result.Blocked:
			s.deferred.items = append(s.deferred.items, batch.items...)
			return
		}
		time.Sleep(max(result.Wait, time.Second))
	}
}

// finish delivers what is deferred, beside one good event of another user in a second or so.
func (s *sender) finish() {
	s.t.Helper()
	for n := 0; len(s.deferred.items) > 0; n++ {
		require.Less(s.t, n, 1000, "events wait forever: %d", len(s.deferred.items))
		time.Sleep(1370 * time.Millisecond)
		s.send(batchOf(1_000_000+n, fmt.Sprintf("other-%d/", n)))
	}
}

// sendAll sends batches of events of the users user-0 to user-<users-1>, numbered in order.
func (s *sender) sendAll(batches, perBatch, users int) {
	s.t.Helper()
	for b := range batches {
		batch := &events{}
		for i := range perBatch {
			n := b*perBatch + i
			user := fmt.Sprintf("user-%d", n%users)
			batch.add(numbered(user, n), user, "")
		}
		s.send(batch)
	}
}

func numbered(user string, n int) string { return fmt.Sprintf(`{"user_id":%q,"n":%d}`, user, n) }

// requireDelivered requires that each event except the bad ones was accepted once, those of each user in order.
func requireDelivered(t *testing.T, s *server, events, users int, isBad func(n int) bool) {
	t.Helper()
	times, last := make([]int, events), map[int]int{}
	var problems []string
	for _, n := range s.accepted {
		if n >= events {
			continue
		}
		times[n]++
		if before, known := last[n%users]; known && n <= before {
			problems = append(problems, fmt.Sprintf("%d after %d", n, before))
		}
		last[n%users] = n
	}
	for n, accepted := range times {
		if want := 1; isBad(n) && accepted != 0 || !isBad(n) && accepted != want {
			problems = append(problems, fmt.Sprintf("%d accepted %d times", n, accepted))
		}
	}
	require.Empty(t, problems)
}

func none(int) bool { return false }

// firewall refuses requests that have a bad event. The events of finish are good.
func firewall(isBad func(n int) bool, status int, body string) func(*sent) (int, string, error) {
	return func(r *sent) (int, string, error) {
		if slices.ContainsFunc(r.numbers(), func(n int) bool { return n < 1_000_000 && isBad(n) }) {
			return status, body, nil
		}
		return accept(r)
	}
}

// alone returns how many requests had only this event.
func (s *server) alone(n int) int {
	alone := 0
	for _, request := range s.requests {
		if slices.Equal(request.numbers(), []int{n}) {
			alone++
		}
	}
	return alone
}

// refusals are answers that refuse a request without naming an event, by the reason to drop.
var refusals = []struct {
	name, body, reason string
	status             int
}{
	{"firewall", "<html><h1>403 Forbidden</h1></html>", "forbidden", http.StatusForbidden},
	{"forbidden by Amplitude", `{"code":403,"error":"Forbidden"}`, "forbidden", http.StatusForbidden},
	{"bad request", `{"code":400,"error":"Invalid JSON request body"}`, "bad_request", http.StatusBadRequest},
	{"bad request of a proxy", "<html>400</html>", "bad_request", http.StatusBadRequest},
	{"bad request without a body", "", "bad_request", http.StatusBadRequest},
	{"bad request that names nobody", `{"code":400,"silenced_devices":["nobodys-device"]}`, "bad_request", http.StatusBadRequest},
	{"too large", "", "too_large", http.StatusRequestEntityTooLarge},
}

// TestARefusedEventHoldsUpOnlyItsUser: of events that are sent one after the other, two are refused for their content.
func TestARefusedEventHoldsUpOnlyItsUser(t *testing.T) {
	isBad := func(n int) bool { return n == 10 || n == 31 }
	for _, refusal := range refusals {
		t.Run(refusal.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: firewall(isBad, refusal.status, refusal.body)}
				of := newSender(t, s, 8)
				of.sendAll(60, 1, 30)
				assert.LessOrEqual(t, time.Since(of.began), 2*time.Second, "nobody waits for long")
				of.finish()
				requireDelivered(t, s, 60, 30, isBad)
				assert.Equal(t, map[string]string{
					numbered("user-10", 10): refusal.reason, numbered("user-1", 31): refusal.reason,
				}, of.dropped)
				for _, bad := range []int{10, 31} {
					assert.LessOrEqual(t, s.alone(bad), 5)
				}
			})
		})
	}
}

// TestFindsBadEventsInLargeBatches, also many of them in a row.
func TestFindsBadEventsInLargeBatches(t *testing.T) {
	for name, isBad := range map[string]func(n int) bool{
		"two":                   func(n int) bool { return n == 700 || n == 1999 },
		"many in a row":         func(n int) bool { return n >= 100 && n < 150 },
		"the first of all":      func(n int) bool { return n < 40 },
		"every tenth":           func(n int) bool { return n%10 == 0 },
		"all of one user":       func(n int) bool { return n%500 == 3 },
		"the first of requests": func(n int) bool { return n%2000 == 0 },
	} {
		for _, lanes := range []int{1, 8} {
			t.Run(fmt.Sprintf("%s, %d lanes", name, lanes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &server{answer: firewall(isBad, http.StatusForbidden, "")}
					of := newSender(t, s, lanes)
					of.sendAll(2, 3000, 500)
					assert.Less(t, time.Since(of.began), 5*time.Minute)
					of.finish()
					requireDelivered(t, s, 6000, 500, isBad)
					for n := range 6000 {
						if isBad(n) {
							require.LessOrEqual(t, s.alone(n), 1+5, "the last of the halving, and five")
						}
					}
				})
			})
		}
	}
}

// TestNothingIsDroppedWhileEverythingIsRefused, as by a block of a region.
func TestNothingIsDroppedWhileEverythingIsRefused(t *testing.T) {
	for _, refusal := range refusals {
		t.Run(refusal.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end := time.Now().Add(time.Hour)
				s := &server{}
				of := newSender(t, s, 8)
				s.answer = func(r *sent) (int, string, error) {
					if time.Now().Before(end) {
						return refusal.status, refusal.body, nil
					}
					return accept(r)
				}
				of.sendAll(1, 1000, 100)
				during := 0
				for _, request := range s.requests {
					if request.at.Before(end) {
						during++
					}
				}
				assert.Less(t, during, 8*60*60/10*2, "retried slowly")
				assert.Positive(t, of.unhealthyFor)
				assert.False(t, of.unhealthy)
				of.finish()
				assert.Empty(t, of.dropped)
				requireDelivered(t, s, 1000, 100, none)
			})
		})
	}
}

// TestAFirewallAndABlockInTurns drops only what the firewall refuses.
func TestAFirewallAndABlockInTurns(t *testing.T) {
	isBad := func(n int) bool { return n%97 == 5 }
	refuse := firewall(isBad, http.StatusForbidden, "")
	for _, test := range []struct {
		name      string
		lanes     int
		isBlocked func(request int, passed time.Duration) bool
	}{
		{"every second request", 1, func(request int, _ time.Duration) bool { return request%2 == 0 }},
		{"every second second", 8, func(_ int, passed time.Duration) bool { return passed/time.Second%2 == 1 }},
		{"every second half hour", 8, func(_ int, passed time.Duration) bool { return passed/(30*time.Minute)%2 == 0 }},
		{"7 of 20 seconds", 8, func(_ int, passed time.Duration) bool { return passed%(20*time.Second) < 7*time.Second }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests, began := 0, time.Now()
				s := &server{took: 20 * time.Millisecond}
				s.answer = func(r *sent) (int, string, error) {
					requests++
					if test.isBlocked(requests, time.Since(began)) {
						return http.StatusForbidden, "<html>blocked</html>", nil
					}
					return refuse(r)
				}
				of := newSender(t, s, test.lanes)
				of.sendAll(20, 50, 200)
				of.finish()
				requireDelivered(t, s, 1000, 200, isBad)
				for event, reason := range of.dropped {
					assert.Equal(t, "forbidden", reason, event)
				}
			})
		})
	}
}

// notAmplitude are answers of proxies, portals and wrong servers.
func notAmplitude() map[string]func(*sent) (int, string, error) {
	answers := map[string]func(*sent) (int, string, error){
		"reset": func(*sent) (int, string, error) { return 0, "", errors.New("connection reset by peer") },
	}
	bodies := map[string]string{
		"nothing": "", "HTML": "<html><body>Sign in to the network</body></html>", "null": "null", "text": "ok", "empty object": "{}",
		"code 400": `{"code":400}`, "code 500": `{"code":500,"error":"internal"}`, "code as text": `{"code":"200"}`,
		"a list": `[{"code":200}]`, "cut short": `{"code":200,"events_ingested":1`, "more after it": `{"code":200}{"code":400}`,
		"success of another API": `{"success":true}`,
	}
	for _, status := range []int{200, 201, 202, 204, 206, 226} {
		for name, body := range bodies {
			answers[fmt.Sprintf("%d with %s", status, name)] = always(status, body)
		}
	}
	for _, status := range []int{201, 202, 204} {
		answers[fmt.Sprintf("%d with Amplitude's body", status)] = always(status, `{"code":200}`)
	}
	for _, status := range []int{400, 403, 413} {
		for _, name := range []string{"nothing", "HTML", "null", "text", "empty object", "code 400", "cut short"} {
			answers[fmt.Sprintf("%d with %s", status, name)] = always(status, bodies[name])
		}
	}
	for _, status := range []int{100, 301, 302, 304, 404, 405, 407, 418, 429, 451, 500, 502, 503, 504, 511, 599} {
		answers[fmt.Sprintf("%d with HTML", status)] = always(status, bodies["HTML"])
	}
	return answers
}

// TestAnAnswerThatIsNotAmplitudesLosesNothing: something else answers for 10 seconds.
func TestAnAnswerThatIsNotAmplitudesLosesNothing(t *testing.T) {
	answers := notAmplitude()
	require.Greater(t, len(answers), 40)
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end := time.Now().Add(10 * time.Second)
				s := &server{answer: func(r *sent) (int, string, error) {
					if time.Now().Before(end) {
						return answer(r)
					}
					return accept(r)
				}}
				of := newSender(t, s, 8)
				for range 20 {
					of.sendAll(1, 100, 10)
					// Each call numbers its events from 0.
					of.finish()
					requireDelivered(t, s, 100, 10, none)
					s.accepted = nil
				}
				assert.Empty(t, of.dropped)
			})
		})
	}
}

// TestAnEventThatAlwaysFailsHoldsUpOnlyItsUser, whatever the answer is, and isn't dropped.
func TestAnEventThatAlwaysFailsHoldsUpOnlyItsUser(t *testing.T) {
	for name, answer := range map[string]func(*sent) (int, string, error){
		"500":             always(http.StatusInternalServerError, ""),
		"504":             always(http.StatusGatewayTimeout, ""),
		"timeout":         func(*sent) (int, string, error) { return 0, "", context.DeadlineExceeded },
		"401":             always(http.StatusUnauthorized, ""),
		"invalid key":     always(http.StatusBadRequest, `{"code":400,"error":"Invalid API key: x"}`),
		"missing key":     always(http.StatusBadRequest, `{"code":400,"missing_field":"api_key"}`),
		"200 with HTML":   always(http.StatusOK, "<html>"),
		"429":             always(http.StatusTooManyRequests, ""),
		"429 for nobody":  always(http.StatusTooManyRequests, `{"code":429,"throttled_users":{"nobody":31}}`),
		"a redirect":      always(http.StatusFound, ""),
		"408":             always(http.StatusRequestTimeout, ""),
		"404 of a router": always(http.StatusNotFound, "<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				isBad := func(n int) bool { return n == 7 }
				cured := false
				s := &server{answer: func(r *sent) (int, string, error) {
					if !cured && slices.ContainsFunc(r.numbers(), isBad) {
						return answer(r)
					}
					return accept(r)
				}}
				of := newSender(t, s, 8)
				of.sendAll(10, 100, 50)
				assert.Less(t, time.Since(of.began), 10*time.Minute)
				requireDelivered(t, s, 1000, 50, func(n int) bool { return n%50 == 7 })
				before := len(s.requests)
				time.Sleep(time.Hour)
				for range 60 {
					time.Sleep(time.Minute)
					of.send(batchOf(2_000_000, "other/"))
				}
				assert.Less(t, len(s.requests)-before, 150, "tried slowly")
				assert.Empty(t, of.dropped)
				cured = true
				of.finish()
				requireDelivered(t, s, 1000, 50, none)
			})
		})
	}
}

// TestNamedEventsWin over a key that the same answer says is missing.
func TestNamedEventsWin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(r *sent) (int, string, error) {
			if index := slices.Index(r.numbers(), 2); index >= 0 {
				return http.StatusBadRequest, fmt.Sprintf(
					`{"code":400,"error":"Request missing required field","missing_field":"api_key","events_with_missing_fields":{"event_type":[%d]}}`, index), nil
			}
			return accept(r)
		}}
		batch := batchOf(0, "u1/", "u2/", "u3/", "u1/")
		require.NoError(t, newDeliverer(t, s, 1).Deliver(t.Context(), batch.items).Err)
		assert.Equal(t, "delivered delivered missing_field delivered", states(batch))
	})
}

// TestASuccessBeforeTheRequestWasReadIsNoDelivery: a server may answer before it has read the request, so that it has no events.
func TestASuccessBeforeTheRequestWasReadIsNoDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: accept}
		d := newDeliverer(t, s, 1)
		early := true
		d.workers[0].client.http = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if early {
				early = false
				_, err := r.Body.Read(make([]byte, 20))
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, err
			}
			return s.RoundTrip(r)
		})}
		batch := &events{}
		batch.add(`{"n":0,"text":"`+strings.Repeat("x", 1000)+`"}`, "user", "")
		require.NoError(t, d.Deliver(t.Context(), batch.items).Err)
		assert.Equal(t, []int{0}, s.accepted)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
