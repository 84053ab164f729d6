// SPDX-License-Identifier: Apache-2.0

package amplitudetest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// statuses sends valid requests and returns their statuses.
func statuses(t *testing.T, s *Server, requests int) []int {
	t.Helper()
	var all []int
	for range requests {
		status, _ := post(t, s, amplitude.HTTPV2, body(good))
		all = append(all, status)
	}
	return all
}

func TestAnswersByScript(t *testing.T) {
	s := Start(t)
	s.AnswerAll(Answer{Status: 502})
	s.AnswerNext(2, Answer{Status: 503, Header: map[string]string{"Retry-After": "7"}, Body: "later"})
	s.AnswerNext(1, Answer{Status: 500, Ingest: true})
	s.AnswerNext(0, Answer{Status: 599})
	response, err := send(t.Context(), s, amplitude.HTTPV2, []byte(body(good)), nil)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, "later", string(text))
	assert.Equal(t, "7", response.Header.Get("Retry-After"))
	assert.Equal(t, []int{503, 500, 502, 502}, statuses(t, s, 4))
	assert.Len(t, s.Events(), 1, "the events of the 500 were ingested")
	assert.True(t, s.Requests()[2].Ingested)

	s.AnswerUsually()
	assert.Equal(t, []int{200}, statuses(t, s, 1))
	assert.Equal(t, map[int]int{200: 1, 500: 1, 502: 2, 503: 2}, s.Counts().Answers)
	s.AnswerNext(1, Answer{Status: 500, Ingest: true})
	status, _ := post(t, s, amplitude.HTTPV2, body(`{}`))
	assert.Equal(t, 500, status)
	assert.Len(t, s.Events(), 2, "a bad request is never ingested")
}

func TestAnswerShare(t *testing.T) {
	of := func(seed uint64) []int {
		s := Start(t, WithSeed(seed))
		s.AnswerShare(0.2, Answer{Status: 503})
		s.AnswerShare(0.1, Answer{Status: 500})
		return statuses(t, s, 200)
	}
	first := of(1)
	assert.Equal(t, first, of(1))
	assert.NotEqual(t, first, of(2))
	count := map[int]int{}
	for _, status := range first {
		count[status]++
	}
	assert.InDelta(t, 140, count[200], 20)
	assert.InDelta(t, 40, count[503], 20)
	assert.InDelta(t, 20, count[500], 15)
}

func TestAnswerFuncMayCallTheServer(t *testing.T) {
	s := Start(t)
	s.AnswerFunc(func(r *Request) (Answer, bool) {
		return Answer{Status: 503}, r.EventCount == 1 && s.Counts().Requests == 0
	})
	assert.Equal(t, []int{503, 200}, statuses(t, s, 2))
}

func TestResetConnections(t *testing.T) {
	s := Start(t)
	s.AnswerNext(1, Answer{Reset: true})
	s.AnswerNext(1, Answer{Reset: true, Ingest: true})
	for ingested := range 2 {
		_, err := send(t.Context(), s, amplitude.HTTPV2, []byte(body(good)), nil) //nolint:bodyclose // there is no response
		require.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Len(t, s.Events(), ingested)
	}
	assert.Equal(t, 2, s.Counts().Resets)
	assert.Empty(t, s.Counts().Answers)
	assert.Equal(t, []int{200}, statuses(t, s, 1))
}

func TestCutAnswer(t *testing.T) {
	s := Start(t)
	s.AnswerNext(1, Answer{Cut: true})
	response, err := send(t.Context(), s, amplitude.HTTPV2, []byte(body(good)), nil)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.Error(t, err)
	require.NoError(t, response.Body.Close())
	assert.Len(t, text, int(response.ContentLength)/2)
	assert.Len(t, s.Events(), 1, "the events are ingested before the response is cut")
}

// TestDelays cancels requests whose response would take an hour.
func TestDelays(t *testing.T) {
	for name, answer := range map[string]Answer{
		"delay":       {Delay: time.Hour},
		"slow bytes":  {BytePause: time.Hour},
		"other delay": {Status: 503, Delay: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t)
			s.AnswerNext(1, answer)
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error)
			go func() {
				response, err := send(ctx, s, amplitude.HTTPV2, []byte(body(good)), nil)
				if err == nil {
					_, err = io.ReadAll(response.Body)
					err = errors.Join(err, response.Body.Close())
				}
				failed <- err
			}()
			require.NoError(t, s.WaitUntil(t.Context(), func(c Counts) bool { return c.Requests == 1 }))
			cancel()
			require.ErrorIs(t, <-failed, context.Canceled)
			assert.Equal(t, answer.Status == 0, s.Requests()[0].Ingested)
		})
	}
}

func TestSlowBytesArrive(t *testing.T) {
	s := Start(t)
	s.SetLatency(time.Millisecond)
	s.AnswerNext(1, Answer{Status: 200, Body: "slow", BytePause: time.Microsecond})
	_, answer := post(t, s, amplitude.HTTPV2, body(good))
	assert.Equal(t, "slow", answer)
}

func TestCloseEndsDelays(t *testing.T) {
	s := Start(t)
	s.SetLatency(time.Hour)
	failed := make(chan error)
	go func() {
		_, err := send(context.WithoutCancel(t.Context()), s, amplitude.HTTPV2, []byte(body(good)), nil) //nolint:bodyclose // there is no response
		failed <- err
	}()
	require.NoError(t, s.WaitUntil(t.Context(), func(c Counts) bool { return c.Requests == 1 }))
	require.NoError(t, s.Close())
	require.Error(t, <-failed)
}

func TestSenselessAnswersAreSentUnchanged(t *testing.T) {
	s := Start(t)
	for name, answer := range Senseless(http.StatusBadRequest) {
		s.AnswerNext(1, answer)
		status, text := post(t, s, amplitude.HTTPV2, body(good))
		assert.Equal(t, http.StatusBadRequest, status, name)
		assert.Len(t, text, len(answer.Body), name)
	}
}

func TestRefusedKey(t *testing.T) {
	s := Start(t)
	s.RefuseKey(true)
	status, answer := post(t, s, amplitude.HTTPV2, body(good))
	assert.Equal(t, 400, status)
	assert.JSONEq(t, `{"code":400,"error":"Invalid API key: key"}`, answer)
	s.RefuseKey(false)
	assert.Equal(t, []int{200}, statuses(t, s, 1))
}

// TestScriptChangesWhileItRuns gives the race detector concurrent calls to check.
func TestScriptChangesWhileItRuns(t *testing.T) {
	s := Start(t, WithRateLimit(RateLimit{Window: 30 * time.Second}), WithSeed(3))
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 25 {
				response, err := send(t.Context(), s, amplitude.Batch, []byte(body(good)), nil)
				if assert.NoError(t, err) {
					assert.NoError(t, response.Body.Close())
				}
			}
		})
	}
	for range 20 {
		s.AnswerShare(0.5, Answer{Status: 503})
		s.AnswerNext(1, Answer{Status: 500})
		s.Restrict(ThrottledUser, 1, "alice")
		s.RefuseKey(true)
		s.RefuseKey(false)
		s.SetLatency(time.Microsecond)
		s.LiftAll()
		s.AnswerUsually()
		require.NoError(t, s.WriteKnown(io.Discard))
	}
	clients.Wait()
	assert.Equal(t, 100, s.Counts().Requests)
	assert.Len(t, s.User("alice").Events, s.Counts().Ingested)
	assert.Equal(t, 100, s.Counts().Received)
}
