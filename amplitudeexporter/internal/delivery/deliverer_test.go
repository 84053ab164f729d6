// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// sent is a request that the server received.
type sent struct {
	at     time.Time
	body   []byte
	Key    string `json:"api_key"`
	Events []struct {
		UserID   string `json:"user_id"`
		DeviceID string `json:"device_id"`
		N        int    `json:"n"`
	} `json:"events"`
	Options *struct {
		MinIDLength int `json:"min_id_length"`
	} `json:"options"`
}

func (s *sent) numbers() []int {
	var numbers []int
	for _, event := range s.Events {
		numbers = append(numbers, event.N)
	}
	return numbers
}

func (s *sent) has(n int) bool {
	return slices.Contains(s.numbers(), n)
}

// server is a transport that answers requests, for tests in the fake time of synctest.
type server struct {
	t *testing.T
	// answer returns the status and body of the answer, or an error of the transport.
	answer func(*sent) (int, string, error)
	header http.Header
	// took is how long each answer takes.
	took time.Duration

	mutex    sync.Mutex
	requests []*sent
	accepted []int
}

func (s *server) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	require.NoError(s.t, err)
	assert.Equal(s.t, request.ContentLength, int64(len(body)))
	read := &sent{at: time.Now(), body: body}
	require.NoError(s.t, json.Unmarshal(body, read), string(body))
	time.Sleep(s.took)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.requests = append(s.requests, read)
	status, said, err := s.answer(read)
	if err != nil {
		return nil, err
	}
	if status == http.StatusOK && said == success {
		s.accepted = append(s.accepted, read.numbers()...)
	}
	return &http.Response{
		StatusCode: status, Header: s.header, Body: io.NopCloser(strings.NewReader(said)), Request: request,
	}, nil
}

// success is the body of Amplitude's answer to a request that it accepted.
const success = `{"code":200}`

func accept(*sent) (int, string, error) { return http.StatusOK, success, nil }

func always(status int, body string) func(*sent) (int, string, error) {
	return func(*sent) (int, string, error) { return status, body, nil }
}

func newDeliverer(t *testing.T, s *server, lanes int) *Deliverer {
	t.Helper()
	s.t = t
	d, err := New(Settings{
		URL:         "http://127.0.0.1/2/httpapi",
		Key:         `a "key"`,
		MinIDLength: amplitude.DefaultMinIDLength,
		Limits:      amplitude.HTTPV2.Limits(),
		Lanes:       lanes,
		Client:      &http.Client{Transport: s},
		Observe:     func(int, amplitude.Outcome, time.Duration) {},

		MaxRetryAfter: 5 * time.Minute,
	})
	require.NoError(t, err)
	return d
}

// events is a batch.
type events struct {
	items []*Item
}

// batchOf returns events of these users and devices, each given as "user/device", numbered from first.
func batchOf(first int, ids ...string) *events {
	batch := &events{}
	for i, id := range ids {
		user, device, _ := strings.Cut(id, "/")
		batch.add(fmt.Sprintf(`{"user_id":%q,"device_id":%q,"n":%d}`, user, device, first+i), user, device)
	}
	return batch
}

func (e *events) add(text, user, device string) {
	e.items = append(e.items, &Item{JSON: []byte(text), UserID: user, DeviceID: device, Since: 1})
}

// left returns the events of a batch that must be delivered again, as the exporter does.
func left(of *events) *events {
	batch := &events{}
	for _, item := range of.items {
		if item.State == Left {
			batch.add(string(item.JSON), item.UserID, item.DeviceID)
			batch.items[len(batch.items)-1].More = item.More
		}
	}
	return batch
}

func states(batch *events) string {
	var all []string
	for _, item := range batch.items {
		text := [...]string{"left", "delivered", "dropped"}[item.State]
		if item.State == Dropped {
			text = item.Reason.String()
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func TestEachLaneSendsOneRequest(t *testing.T) {
	s := &server{answer: accept}
	batch := batchOf(0, "u1/d1", "u2/d2", "u1/d1")
	result := newDeliverer(t, s, 1).Deliver(t.Context(), batch.items)
	require.NoError(t, result.Err)
	assert.True(t, result.Accepted)
	assert.Equal(t, "delivered delivered delivered", states(batch))
	require.Len(t, s.requests, 1)
	assert.Equal(t, `a "key"`, s.requests[0].Key)
	assert.Nil(t, s.requests[0].Options)
	assert.Equal(t, []int{0, 1, 2}, s.accepted)
}

func TestSendsMinIDLength(t *testing.T) {
	f, err := newFrame("key", 1)
	require.NoError(t, err)
	assert.JSONEq(t, `{"api_key":"key","events":[],"options":{"min_id_length":1}}`, string(f.before)+string(f.after))
}

func TestRefusesAKeyThatIsNotText(t *testing.T) {
	_, err := New(Settings{Key: "\xff"})
	assert.Error(t, err)
}

func TestDeliversNothing(t *testing.T) {
	s := &server{answer: accept}
	assert.Equal(t, Result{}, newDeliverer(t, s, 8).Deliver(t.Context(), (&events{}).items))
	assert.Empty(t, s.requests)
}

// TestOneUsersEventsShareALane, whichever ids they share.
func TestOneUsersEventsShareALane(t *testing.T) {
	for name, ids := range map[string][]string{
		"user":                        {"u1/", "u1/", "u1/"},
		"device":                      {"/d1", "/d1"},
		"device now and then":         {"u1/d1", "u1/", "/d1", "u1/d1"},
		"two devices":                 {"u1/d1", "u1/d2", "/d2", "/d1"},
		"two users of a device":       {"u1/d1", "u2/d1", "u2/", "u1/"},
		"connected by later events":   {"u1/", "/d1", "u2/", "/d2", "u1/d1", "u2/d2", "u1/d2"},
		"a user named as a device is": {"u1/x", "x/u1", "x/x"},
	} {
		t.Run(name, func(t *testing.T) {
			batch := batchOf(0, ids...)
			used := 0
			for _, share := range newPartitioner(64).partition(batch.items) {
				if len(share) > 0 {
					used++
					assert.Equal(t, batch.items, share, "in order")
				}
			}
			assert.Equal(t, 1, used)
		})
	}
}

func TestUsersSpreadOverLanes(t *testing.T) {
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprintf("user-%d/", i))
	}
	p := newPartitioner(8)
	for range 2 {
		sum := 0
		for _, share := range p.partition(batchOf(0, ids...).items) {
			assert.Greater(t, len(share), 50)
			sum += len(share)
		}
		assert.Len(t, ids, sum)
	}
}

func TestLanesSendConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: accept, took: time.Second}
		var ids []string
		for i := range 100 {
			ids = append(ids, fmt.Sprintf("user-%d/", i))
		}
		began := time.Now()
		require.NoError(t, newDeliverer(t, s, 8).Deliver(t.Context(), batchOf(0, ids...).items).Err)
		assert.Len(t, s.requests, 8)
		assert.Equal(t, time.Second, time.Since(began))
	})
}

func TestRequestsRespectTheLimits(t *testing.T) {
	s := &server{answer: accept}
	batch := &events{}
	for n := range 5000 {
		batch.add(fmt.Sprintf(`{"n":%d,"text":%q}`, n, strings.Repeat("x", n%1000)), "user", "")
	}
	require.NoError(t, newDeliverer(t, s, 1).Deliver(t.Context(), batch.items).Err)
	limits := amplitude.HTTPV2.Limits()
	for _, request := range s.requests {
		assert.LessOrEqual(t, len(request.body), limits.Bytes)
		assert.LessOrEqual(t, len(request.Events), limits.Events)
	}
	assert.Len(t, s.accepted, 5000)
	assert.True(t, slices.IsSorted(s.accepted))
	assert.Len(t, s.requests, 3)
}

func TestOnlyAnEventThatIsTooLargeIsDropped(t *testing.T) {
	s := &server{answer: accept}
	batch := batchOf(0, "user1/", "user2/")
	batch.add(`{"n":2,"text":"`+strings.Repeat("x", 1_000_000)+`"}`, "user1", "")
	batch.add(`{"n":3}`, "user1", "")
	require.NoError(t, newDeliverer(t, s, 1).Deliver(t.Context(), batch.items).Err)
	assert.Equal(t, "delivered delivered too_large delivered", states(batch))
}

func TestRetriesAFailedRequestBeforeTheNext(t *testing.T) {
	for name, failure := range map[string]func() (int, string, error){
		"503":             func() (int, string, error) { return http.StatusServiceUnavailable, "", nil },
		"transport error": func() (int, string, error) { return 0, "", errors.New("connection reset") },
		"senseless 400":   func() (int, string, error) { return http.StatusBadRequest, `{"throttled_users":{"nobody":1}}`, nil },
		"captive portal":  func() (int, string, error) { return http.StatusOK, `<html>`, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failures := 2
				s := &server{answer: func(r *sent) (int, string, error) {
					if failures > 0 {
						failures--
						return failure()
					}
					return accept(r)
				}}
				batch := &events{}
				for n := range 3000 {
					batch.add(fmt.Sprintf(`{"n":%d}`, n), "user", "")
				}
				require.NoError(t, newDeliverer(t, s, 1).Deliver(t.Context(), batch.items).Err)
				assert.Len(t, s.accepted, 3000)
				assert.True(t, slices.IsSorted(s.accepted))
				assert.Len(t, s.requests, 4)
			})
		})
	}
}

func TestFailedEventsAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(r *sent) (int, string, error) {
			if r.has(0) {
				return http.StatusServiceUnavailable, "", nil
			}
			return accept(r)
		}}
		d := newDeliverer(t, s, 64)
		batch := batchOf(0, "user0/", "user1/", "user0/")
		result := d.Deliver(t.Context(), batch.items)
		require.ErrorContains(t, result.Err, "1 of 64 lanes failed, the last with status 503; 2 events wait")
		assert.Zero(t, result.Wait, "the queue's own backoff decides")
		assert.True(t, result.Accepted)
		require.NoError(t, result.Unhealthy)
		assert.Equal(t, "left delivered left", states(batch))
		s.answer = accept
		again := left(batch)
		require.NoError(t, d.Deliver(t.Context(), again.items).Err)
		assert.Equal(t, []int{1, 0, 2}, s.accepted)
	})
}

func TestObeysRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(http.StatusServiceUnavailable, ""), header: http.Header{"Retry-After": {"17"}}}
		result := newDeliverer(t, s, 8).Deliver(t.Context(), batchOf(0, "user1/", "user2/").items)
		assert.Equal(t, 17*time.Second, result.Wait)
		assert.LessOrEqual(t, len(s.requests), 2, "no lane retries before that")
	})
}

// TestRetryAfterIsBounded: nobody can stop all lanes for an hour.
func TestRetryAfterIsBounded(t *testing.T) {
	for _, header := range []string{"3600", "99999999999999999999", "Fri, 01 Jan 2100 00:00:00 GMT"} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{answer: always(http.StatusServiceUnavailable, ""), header: http.Header{"Retry-After": {header}}}
			result := newDeliverer(t, s, 8).Deliver(t.Context(), batchOf(0, "user1/").items)
			assert.Equal(t, 5*time.Minute, result.Wait)
		})
	}
}

// TestALaneStillWaitsAfterABatchWithoutEventsForIt, and knows why.
func TestALaneStillWaitsAfterABatchWithoutEventsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(http.StatusServiceUnavailable, ""), header: http.Header{"Retry-After": {"17"}}}
		d := newDeliverer(t, s, 1)
		batch := batchOf(0, "user1/")
		d.Deliver(t.Context(), batch.items)
		require.NoError(t, d.Deliver(t.Context(), nil).Err)
		result := d.Deliver(t.Context(), batch.items)
		assert.Equal(t, 17*time.Second, result.Wait)
		assert.False(t, result.Blocked)
		assert.Len(t, s.requests, 1)
	})
}

func TestARefusedKeyDropsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, answer := range []func(*sent) (int, string, error){
			always(http.StatusUnauthorized, ""),
			always(http.StatusBadRequest, `{"code":400,"error":"Invalid API key: 123"}`),
		} {
			s := &server{answer: answer}
			batch := batchOf(0, "user1/", "user2/")
			result := newDeliverer(t, s, 1).Deliver(t.Context(), batch.items)
			require.ErrorContains(t, result.Err, "the API key is refused")
			assert.NotContains(t, result.Err.Error(), "123")
			require.Error(t, result.Unhealthy)
			assert.GreaterOrEqual(t, result.Wait, 10*time.Second)
			assert.Equal(t, "left left", states(batch))
			assert.Len(t, s.requests, 1)
		}
	})
}

func TestDropsRefusedEventsAndSendsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(r *sent) (int, string, error) {
			if index := slices.Index(r.numbers(), 3); index >= 0 {
				return http.StatusBadRequest, fmt.Sprintf(`{"events_with_invalid_fields":{"time":[%d]}}`, index), nil
			}
			return accept(r)
		}}
		batch := batchOf(0, "u1/", "u2/", "u1/", "u2/", "u1/")
		require.NoError(t, newDeliverer(t, s, 1).Deliver(t.Context(), batch.items).Err)
		assert.Equal(t, "delivered delivered delivered invalid_field delivered", states(batch))
		assert.Equal(t, []int{0, 1, 2, 4}, s.accepted)
	})
}

func TestHalvesRequestsThatAreTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, users = 20_000, 100
		isTooLarge := func(n int) bool { return n == 5 || n == 1700 || n == 2999 }
		s := &server{answer: func(r *sent) (int, string, error) {
			if len(r.body) > limit {
				return http.StatusRequestEntityTooLarge, "", nil
			}
			return accept(r)
		}}
		batch := &events{}
		total := 0
		for n := range 3000 {
			length := n % 100
			if isTooLarge(n) {
				length = limit
			}
			user := fmt.Sprintf("user-%d", n%users)
			text := fmt.Sprintf(`{"user_id":%q,"n":%d,"text":%q}`, user, n, strings.Repeat("x", length))
			if length < limit {
				total += len(text)
			}
			batch.add(text, user, "")
		}
		of := newSender(t, s, 1)
		of.send(batch)
		assert.LessOrEqual(t, time.Since(of.began), 3*time.Second, "only the first search takes time")
		assert.LessOrEqual(t, len(s.requests), 2*(total/limit+3)+6)
		of.finish()
		requireDelivered(t, s, 3000, users, isTooLarge)
		assert.Len(t, of.dropped, 3)
	})
}

// fill sends requests of the maximum size to a server with this limit, and returns how many were refused.
func fill(l *sizeLimit, limit, requests int) int {
	refused := 0
	for range requests {
		if size := l.bytes(); size > limit {
			l.refuse(size)
			refused++
		} else {
			l.accept(size, true)
		}
	}
	return refused
}

func TestFindsTheLimitOfAProxy(t *testing.T) {
	for _, limit := range []int{1_000, 130_000, 262_144, 500_000, 999_998, 999_999} {
		l := newSizeLimit(999_999)
		fill(l, limit, 50)
		assert.LessOrEqual(t, l.bytes(), limit)
		assert.GreaterOrEqual(t, l.bytes(), limit-limit/8)
		assert.LessOrEqual(t, fill(l, limit, 10_000), 40, "a larger request is rarely tried")
	}
}

// TestALimitRecovers: whatever was refused before, a bounded number of accepted requests brings the limit back. Events that
// don't fit into a request together are no exception.
func TestALimitRecovers(t *testing.T) {
	const limit, maxRequests = 999_999, 1000
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		l := newSizeLimit(limit)
		for range random.IntN(100) {
			size := 100 + random.IntN(l.bytes())
			if random.IntN(2) == 0 {
				l.refuse(size)
			} else {
				l.accept(size, random.IntN(2) == 0)
			}
		}
		largest := 1 + random.IntN(limit/2)
		requests := 0
		for ; l.bytes() < limit; requests++ {
			require.Less(t, requests, maxRequests, "seed %d: %d bytes", seed, l.bytes())
			// Fill a request with events, at least one.
			size := 1 + random.IntN(largest)
			for next := 0; size+next <= l.bytes(); next = 1 + random.IntN(largest) {
				size += next
			}
			l.accept(size, true)
		}
	}
}

func TestALimitMayChange(t *testing.T) {
	l := newSizeLimit(999_999)
	for _, limit := range []int{500_000, 100_000, 999_999} {
		fill(l, limit, 2*maxPatience)
		assert.InDelta(t, limit, l.bytes(), float64(limit)/8)
	}
}

// TestASmallRefusedRequestDoesNotLimitForever: a proxy that fails may refuse a small request with a 413.
func TestASmallRefusedRequestDoesNotLimitForever(t *testing.T) {
	l := newSizeLimit(1000)
	l.refuse(100)
	l.accept(10, false)
	assert.Equal(t, 50, l.bytes())
	fill(l, 1000, 20*minPatience)
	assert.Equal(t, 1000, l.bytes())
}

// TestNoAnswerCausesAHotLoop: a lane sends at most three requests in the first second, even if each has the same answer and
// the caller retries at once.
func TestNoAnswerCausesAHotLoop(t *testing.T) {
	bodies := []string{
		``, `{}`, `null`, `[`, `{"error":"Invalid API key"}`, `{"events_with_invalid_fields":{"time":[0]}}`,
		`{"events_with_missing_fields":{"event_type":[99999]}}`, `{"throttled_users":{"nobody":1}}`,
		`{"throttled_users":{"user":1}}`, `{"throttled_events":[0]}`, `{"silenced_events":[0]}`, `<html>`,
		`{"exceeded_daily_quota_users":{"nobody":1}}`, strings.Repeat("[", 100_000),
	}
	for status := 100; status <= 599; status++ {
		if status/100 == 2 {
			continue
		}
		for _, body := range bodies {
			if status != 400 && status != 429 && body != "" {
				// Bodies of other statuses aren't read.
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: always(status, body)}
				d := newDeliverer(t, s, 1)
				// Small batches make the many cases fast.
				d.workers[0].limits.Events, d.workers[0].maxEvents = 10, 10
				began := time.Now()
				batch := &events{}
				for n := range 50 {
					batch.add(fmt.Sprintf(`{"n":%d}`, n), fmt.Sprintf("user%d", n), "")
				}
				for len(batch.items) > 0 && time.Since(began) < time.Second {
					result := d.Deliver(t.Context(), batch.items)
					batch = left(batch)
					if result.Err != nil {
						// exporterhelper waits at least half of the initial interval.
						time.Sleep(max(result.Wait, 500*time.Millisecond))
					}
				}
				within := 0
				for _, request := range s.requests {
					if request.at.Sub(began) < time.Second {
						within++
					}
				}
				assert.LessOrEqual(t, within, 3, "%d %.100s", status, body)
			})
		}
	}
}

func TestStopsWhenInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := &server{}
		s.answer = func(*sent) (int, string, error) {
			cancel()
			return http.StatusServiceUnavailable, "", nil
		}
		began := time.Now()
		batch := batchOf(0, "user/")
		require.Error(t, newDeliverer(t, s, 1).Deliver(ctx, batch.items).Err)
		assert.Equal(t, "left", states(batch))
		assert.Zero(t, time.Since(began))
	})
}

func TestSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(http.StatusUnauthorized, "")}
		d := newDeliverer(t, s, 1)
		batch := batchOf(0, "user/")
		for range 2 {
			result := d.Deliver(t.Context(), batch.items)
			require.Error(t, result.Unhealthy)
			assert.Equal(t, int64(1), d.Since(0))
			time.Sleep(5 * time.Second)
		}
		assert.Len(t, s.requests, 1, "no request before the wait is over")
		s.answer = accept
		require.NoError(t, d.Deliver(t.Context(), batch.items).Err)
		assert.Zero(t, d.Since(0))
	})
}

// TestABodyIsNotReadAfterTheAnswer, because the items' memory is then used again.
func TestABodyIsNotReadAfterTheAnswer(t *testing.T) {
	batch := batchOf(0, "user/")
	f, err := newFrame("key", 5)
	require.NoError(t, err)
	r := &request{frame: &f, items: batch.items}
	whole, err := io.ReadAll(r.newBody())
	require.NoError(t, err)
	assert.True(t, json.Valid(whole))
	slow := r.newBody()
	_, err = io.CopyN(io.Discard, slow, 3)
	require.NoError(t, err)
	r.release()
	_, err = slow.Read(make([]byte, 10))
	require.Error(t, err)
	assert.NoError(t, slow.Close())
}

func TestABodyIsReadInPartsOfAnySize(t *testing.T) {
	batch := batchOf(0, "user/", "user/", "user/")
	f, err := newFrame("key", 7)
	require.NoError(t, err)
	r := &request{frame: &f, items: batch.items[1:]}
	want, err := io.ReadAll(r.newBody())
	require.NoError(t, err)
	for size := 1; size <= len(want)+1; size++ {
		var got bytes.Buffer
		_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r.newBody()}, make([]byte, size))
		require.NoError(t, err)
		assert.Equal(t, string(want), got.String())
	}
}
