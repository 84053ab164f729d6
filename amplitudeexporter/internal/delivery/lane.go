// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// lane sends its share of a batch, one request after the other.
type lane struct {
	*Deliverer
	pace pace
	// refused is how many requests with nothing left to look for were refused as a whole since one was accepted, most how
	// many events the next may have.
	refused, most int
	// notBefore is when it may send again, as the server asked or for a key that was refused.
	notBefore time.Time
	// since is since when the first of its events waits, in nanoseconds since the epoch, 0 without any.
	since atomic.Int64

	// The rest is that of one batch.
	events []int32
	back   held
	result laneResult
	failed int
	begin  time.Time
}

// laneResult is why a lane left events of a batch.
type laneResult struct {
	// fault is what the last answer was, OutcomeAccepted where nothing but pauses is in the way.
	fault amplitude.Outcome
	// status is that of the answer, 0 without one, for which err says why.
	status int
	err    error
	// retryAfter is how long the server asked to wait.
	retryAfter time.Duration
}

// A lane tries a failed request again itself, for the queue's own retry waits longer and lets all lanes wait: so often,
// and only if it failed fast, so that a shutdown need not wait for long.
const (
	tries     = 3
	firstWait = 400 * time.Millisecond
	fastFail  = time.Second
	// longestStay bounds what a lane spends on requests that are not accepted, though they get it further.
	longestStay = 10 * time.Second
)

func (l *lane) run(ctx context.Context) {
	l.begin = time.Now()
	l.failed, l.back = 0, held{}
	if wait := l.notBefore.Sub(l.begin); wait > 0 && len(l.events) > 0 {
		// The result is still that of the last request, of another batch.
		l.result.retryAfter = wait
		l.noteAge()
		return
	}
	l.result = laneResult{fault: amplitude.OutcomeAccepted}
	l.events = l.pauses.admit(l.batch.Events, l.events, &l.back, l.begin)
	l.noteAge()
	for len(l.events) > 0 && l.send(ctx) {
		l.noteAge()
	}
}

func (l *lane) noteAge() {
	since := l.back.since
	if len(l.events) > 0 {
		if next := l.batch.Events[l.events[0]].Since; since == 0 || next < since {
			since = next
		}
	}
	l.since.Store(since)
}

// send sends the lane's next request and says whether to go on.
func (l *lane) send(ctx context.Context) bool {
	events, size := l.take()
	if size > l.Limits.Bytes {
		l.drop(events, amplitude.ReasonTooLarge)
		return true
	}
	began := time.Now()
	answer, status, err := l.attempt(ctx, events, size)
	if answer.Outcome == amplitude.OutcomeAccepted {
		l.size.accept(size)
		l.pace = pace{}
		l.accept(events)
		return true
	}
	l.pace.note(began)
	if l.further(answer, events, size) {
		l.failed = 0
		return len(l.events) == 0 || time.Since(l.begin) < longestStay && l.wait(ctx, 0) || l.stop(amplitude.OutcomeRetry, status, err, 0)
	}
	if answer.Outcome == amplitude.OutcomeKeyRefused {
		return l.stop(answer.Outcome, status, err, max(answer.RetryAfter, keyWait))
	}
	l.failed++
	backoff := firstWait << (l.failed - 1)
	if l.failed == tries || answer.RetryAfter > backoff || time.Since(began) > fastFail || !l.wait(ctx, backoff) {
		return l.stop(amplitude.OutcomeRetry, status, err, answer.RetryAfter)
	}
	return true
}

func (l *lane) stop(fault amplitude.Outcome, status int, err error, retryAfter time.Duration) bool {
	l.result = laneResult{fault: fault, status: status, err: err, retryAfter: retryAfter}
	l.notBefore = time.Now().Add(retryAfter)
	return false
}

// wait waits until the lane may send again, but at least so long, and says whether it was not interrupted.
func (l *lane) wait(ctx context.Context, least time.Duration) bool {
	timer := time.NewTimer(max(least, l.pace.wait(time.Now())))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// take returns the lane's next events that fit into a request, at least one, and the request's size in bytes.
func (l *lane) take() (events []int32, size int) {
	limit := l.size.bytes()
	// The first event has no comma.
	size = l.frame.size() - 1
	for i, index := range l.events {
		with := size + l.batch.Events[index].size()
		if i > 0 && (i == l.most || with > limit) {
			return l.events[:i], size
		}
		size = with
	}
	return l.events, size
}

// further does what an answer says of single events or of the request's size. It says whether the next request is
// another one: that is progress.
func (l *lane) further(answer amplitude.Answer, events []int32, size int) bool {
	switch answer.Outcome {
	case amplitude.OutcomeRefused:
		l.refuse(events)
		return true
	case amplitude.OutcomeTooLarge:
		if len(events) == 1 {
			l.drop(events, amplitude.ReasonTooLarge)
		} else {
			l.size.refuse(size)
		}
		return true
	case amplitude.OutcomeSomeRefused, amplitude.OutcomeThrottled:
		return l.sift(answer, events)
	default:
		return false
	}
}

// mostRefused is how many events in a row are refused alone before what is refused together is dropped together.
const mostRefused = 16

// refuse looks for the event that is to blame in a request that was refused without saying which: the first half of it is
// sent next, and what is refused alone is dropped. Where nothing at all is accepted it is not about events, and a lane that
// tried them one by one would never end: it drops two, then four, and so on.
func (l *lane) refuse(events []int32) {
	if len(events) > 1 && l.refused < mostRefused {
		l.most = (len(events) + 1) / 2
		return
	}
	l.drop(events, amplitude.ReasonBadRequest)
	l.refused++
	if l.refused >= mostRefused {
		l.most = min(l.Limits.Events, 2*len(events))
	}
}

// sift drops and holds back events as the answer says, and says whether there were any.
func (l *lane) sift(answer amplitude.Answer, events []int32) bool {
	now := time.Now()
	sifted := false
	for i, index := range events {
		event := &l.batch.Events[index]
		verdict, reason := answer.Of(i, event.UserID, event.DeviceID)
		switch verdict {
		case amplitude.Drop:
			event.State, event.Reason = Dropped, reason
			sifted = true
		case amplitude.Wait:
			l.pauses.throttled(event, answer, now)
			l.back.add(event)
			sifted = true
		}
	}
	if !sifted {
		return false
	}
	l.events = l.pauses.holdBack(l.batch.Events, l.undone(), &l.back, now)
	return true
}

// undone are the lane's events without those that were dropped.
func (l *lane) undone() []int32 {
	left := l.events[:0]
	for _, index := range l.events {
		if l.batch.Events[index].State == Left {
			left = append(left, index)
		}
	}
	return left
}

func (l *lane) accept(events []int32) {
	for _, index := range events {
		l.batch.Events[index].State = Delivered
	}
	l.events = l.events[len(events):]
	l.failed, l.refused = 0, 0
	l.most = min(l.Limits.Events, 2*l.most)
}

func (l *lane) drop(events []int32, reason amplitude.Reason) {
	for _, index := range events {
		l.batch.Events[index].State, l.batch.Events[index].Reason = Dropped, reason
	}
	l.events = l.events[len(events):]
}
