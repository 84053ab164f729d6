// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// worker sends its share of a batch, one request after the other.
type worker struct {
	client    *client
	limits    amplitude.Limits
	size      *sizeLimit
	throttles *throttles

	pace pace
	// maxEvents is how many events the next request may have.
	maxEvents int
	// refusedInRow counts the events, or groups of them, that were dropped for a refusal that named none, since a request
	// was accepted.
	refusedInRow int
	// notBefore is when the next request may be sent after lastFailure, because the server asked for it or refused the key.
	notBefore   time.Time
	lastFailure *requestError
	// since is when the first waiting event began to wait, in nanoseconds since the epoch, 0 if none waits.
	since atomic.Int64

	// The fields below belong to one batch.

	items   []*Item
	blocked blockedIDs
	began   time.Time
	// failedInRow counts requests that failed without progress, since the last one that made some.
	failedInRow int
	// failure is why items are left. It is nil if throttled users and devices are the only reason.
	failure *requestError
	// retryAfter is how long to wait after failure, 0 if the server didn't say.
	retryAfter time.Duration
}

func newWorker(c *client, limits amplitude.Limits, size *sizeLimit, t *throttles) *worker {
	return &worker{client: c, limits: limits, size: size, throttles: t, maxEvents: limits.Events}
}

// A worker retries a failed request itself, because the queue's own retry waits longer and makes all workers wait: up to
// maxTries times, and only if the request failed within fastFailure, so that a shutdown doesn't take long.
const (
	maxTries     = 3
	firstBackoff = 400 * time.Millisecond
	fastFailure  = time.Second
	// maxProgress bounds how long a worker goes on with requests that aren't accepted, even if each of them makes progress.
	maxProgress = 10 * time.Second
	// keyWait is how long to wait after the key was refused.
	keyWait = 10 * time.Second
)

// deliver sends a share of a batch. It returns when no item is left or one must wait.
func (w *worker) deliver(ctx context.Context, items []*Item) {
	w.items, w.blocked = items, blockedIDs{}
	w.began, w.failedInRow = time.Now(), 0
	w.failure, w.retryAfter = nil, 0
	if wait := w.notBefore.Sub(w.began); wait > 0 && len(items) > 0 {
		w.failure, w.retryAfter = w.lastFailure, wait
		w.noteAge()
		return
	}
	w.items = w.throttles.admit(w.items, &w.blocked, w.began)
	w.noteAge()
	for len(w.items) > 0 && w.sendNext(ctx) {
		w.noteAge()
	}
}

func (w *worker) noteAge() {
	since := w.blocked.since
	if len(w.items) > 0 {
		if next := w.items[0].Since; since == 0 || next < since {
			since = next
		}
	}
	w.since.Store(since)
}

// sendNext sends the next request and reports whether the worker can go on.
func (w *worker) sendNext(ctx context.Context) bool {
	items, size := w.nextRequest()
	if size > w.limits.Bytes {
		w.drop(items, amplitude.ReasonTooLarge)
		return true
	}
	began := time.Now()
	err := w.client.send(ctx, items, size)
	if err == nil {
		w.accept(items, size)
		return true
	}
	for _, item := range items {
		item.Status = err.status
	}
	w.pace.note(began)
	if w.handleRejection(err.answer, items, size) {
		w.failedInRow = 0
		if len(w.items) > 0 && (time.Since(w.began) >= maxProgress || !w.wait(ctx, 0)) {
			return w.stop(err, 0)
		}
		return true
	}
	if err.answer.Outcome == amplitude.OutcomeKeyRefused {
		return w.stop(err, max(err.answer.RetryAfter, keyWait))
	}
	backoff := firstBackoff << w.failedInRow
	w.failedInRow++
	if w.failedInRow == maxTries || err.answer.RetryAfter > backoff || time.Since(began) > fastFailure || !w.wait(ctx, backoff) {
		return w.stop(err, err.answer.RetryAfter)
	}
	return true
}

// nextRequest returns the next items that fit into a request, at least one, and the size of the request in bytes.
func (w *worker) nextRequest() (items []*Item, size int) {
	limit := w.size.bytes()
	// Every item but the last has a comma.
	size = w.client.frame.size() - len(comma)
	for i, item := range w.items {
		with := size + len(item.JSON) + len(comma)
		if i > 0 && (i == w.maxEvents || with > limit) {
			return w.items[:i], size
		}
		size = with
	}
	return w.items, size
}

func (w *worker) accept(items []*Item, size int) {
	w.size.accept(size)
	w.pace = pace{}
	for _, item := range items {
		item.State = Delivered
	}
	w.items = w.items[len(items):]
	w.failedInRow, w.refusedInRow = 0, 0
	w.maxEvents = min(w.limits.Events, 2*w.maxEvents)
}

func (w *worker) drop(items []*Item, reason amplitude.Reason) {
	for _, item := range items {
		item.State, item.Reason = Dropped, reason
	}
	w.items = w.items[len(items):]
}

// stop ends the batch for this worker. It returns false, so that sendNext can return it.
func (w *worker) stop(failure *requestError, retryAfter time.Duration) bool {
	w.failure, w.retryAfter = failure, retryAfter
	w.lastFailure, w.notBefore = failure, time.Now().Add(retryAfter)
	return false
}

// wait waits for atLeast, and until the worker may send again. It reports whether it wasn't interrupted.
func (w *worker) wait(ctx context.Context, atLeast time.Duration) bool {
	timer := time.NewTimer(max(atLeast, w.pace.wait(time.Now())))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// handleRejection acts on an answer that is about single events or about the request's size. It reports whether that is
// progress: whether the next request will differ from this one.
func (w *worker) handleRejection(answer amplitude.Answer, items []*Item, size int) bool {
	switch answer.Outcome {
	case amplitude.OutcomeRefused:
		w.halve(items)
		return true
	case amplitude.OutcomeTooLarge:
		if len(items) == 1 {
			w.drop(items, amplitude.ReasonTooLarge)
		} else {
			w.size.refuse(size)
		}
		return true
	case amplitude.OutcomeSomeRefused, amplitude.OutcomeThrottled:
		return w.applyVerdicts(answer, items)
	default:
		return false
	}
}

// maxRefusedAlone is how many events in a row may be dropped alone, before events are dropped together.
const maxRefusedAlone = 16

// halve searches for the bad event in a request that was refused without naming one: the next request has the first half,
// and an event that is refused alone is dropped. If nothing is accepted at all, the events aren't the cause, and to try
// them one by one would take forever: two are dropped together, then four, and so on.
func (w *worker) halve(items []*Item) {
	if len(items) > 1 && w.refusedInRow < maxRefusedAlone {
		w.maxEvents = (len(items) + 1) / 2
		return
	}
	w.drop(items, amplitude.ReasonBadRequest)
	w.refusedInRow++
	if w.refusedInRow >= maxRefusedAlone {
		w.maxEvents = min(w.limits.Events, 2*len(items))
	}
}

// applyVerdicts drops and blocks the events that the answer names, and reports whether it named any.
func (w *worker) applyVerdicts(answer amplitude.Answer, items []*Item) bool {
	now := time.Now()
	applied := false
	for i, item := range items {
		verdict, reason := answer.Of(i, item.UserID, item.DeviceID)
		switch verdict {
		case amplitude.Drop:
			item.State, item.Reason = Dropped, reason
			applied = true
		case amplitude.Wait:
			w.throttles.throttle(item, answer, now)
			w.blocked.add(item)
			applied = true
		}
	}
	if !applied {
		return false
	}
	w.items = slices.DeleteFunc(w.items, func(item *Item) bool { return item.State == Dropped })
	w.items = w.throttles.block(w.items, &w.blocked, now)
	return true
}
