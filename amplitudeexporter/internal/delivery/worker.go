// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"context"
	"math/rand/v2"
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
	suspects  *suspects

	pace pace
	// maxEvents is how many events the next request may have.
	maxEvents int
	// failedBatches counts the batches in a row that ended with a failure. othersAccepted reports whether Amplitude accepted
	// other events meanwhile.
	failedBatches  int
	othersAccepted bool
	// notBefore is when the next request may be sent after lastFailure, because the server asked for it or refused the key.
	notBefore   time.Time
	lastFailure *requestError
	// since is when the first waiting event began to wait, in nanoseconds since the epoch, 0 if none waits.
	since atomic.Int64

	// The fields below belong to one batch.

	items   []*Item
	blocked blockedIDs
	// found are the suspects among the items. retriesSuspect reports whether the next request has one of them.
	found          []*Item
	retriesSuspect bool
	began          time.Time
	// failedInRow counts requests that failed without progress, since the last one that made some.
	failedInRow int
	// failure is why items are left. It is nil if throttled users and devices are the only reason.
	failure *requestError
	// retryAfter is how long to wait after failure, 0 if the server didn't say.
	retryAfter time.Duration
}

func newWorker(c *client, limits amplitude.Limits, size *sizeLimit, t *throttles, s *suspects) *worker {
	return &worker{client: c, limits: limits, size: size, throttles: t, suspects: s, maxEvents: limits.Events}
}

// A worker retries a failed request itself, because the queue's own retry waits longer and makes all workers wait: up to
// maxTries times, and only if the request failed within fastFailure, so that a shutdown doesn't take long.
const (
	maxTries     = 3
	firstBackoff = 400 * time.Millisecond
	fastFailure  = time.Second
	// maxProgress bounds how long a worker goes on with requests that aren't accepted, even if each of them makes progress.
	maxProgress = 10 * time.Second
	// refusedWait is how long to wait after the key or everything was refused.
	refusedWait = 10 * time.Second
	// After maxFailedBatches in a row, the worker looks for a single event that makes requests fail: a server may crash because
	// of one. If no other event was accepted meanwhile, it takes maxFailedAlone batches to suspect an event.
	maxFailedBatches = 5
	maxFailedAlone   = 20
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
	w.items, w.found = w.suspects.admit(w.items, &w.blocked)
	w.items = w.throttles.admit(w.items, &w.blocked, w.began)
	w.noteAge()
	for len(w.items) > 0 && w.sendNext(ctx) {
		w.noteAge()
	}
	if w.failure == nil {
		w.retrySuspects(ctx)
	}
	if w.failure == nil {
		w.failedBatches, w.othersAccepted = 0, false
	}
}

// retrySuspects sends suspects again that are due, after all other items, so that these don't wait. Items behind a suspect
// are left to the next batch.
func (w *worker) retrySuspects(ctx context.Context) {
	w.retriesSuspect = true
	defer func() { w.retriesSuspect = false }()
	for _, item := range w.found {
		now := time.Now()
		if now.Sub(w.began) >= maxProgress || !w.suspects.isDue(item, now) {
			continue
		}
		var own blockedIDs
		w.items = w.throttles.admit([]*Item{item}, &own, now)
		for len(w.items) > 0 {
			if !w.wait(ctx, 0) || !w.sendNext(ctx) {
				return
			}
		}
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
	if w.suspects.manyFailed() || w.failedBatches >= maxFailedBatches {
		// The first events may be bad.
		w.bringForward(rand.IntN(len(w.items)))
	}
	items, size, isFull := w.nextRequest()
	if size > w.limits.Bytes {
		w.drop(items, amplitude.ReasonTooLarge)
		return true
	}
	began := time.Now()
	err := w.client.send(ctx, items, size)
	if err == nil {
		w.accept(items, size, isFull)
		return true
	}
	w.pace.note(began)
	if w.handleRejection(err, items, size) {
		w.failedInRow = 0
		if len(w.items) > 0 && (time.Since(w.began) >= maxProgress || !w.wait(ctx, 0)) {
			return w.stop(err, 0)
		}
		return true
	}
	if err.refusesAll() {
		w.stop(err, max(err.answer.RetryAfter, refusedWait))
		if len(w.items) == 0 {
			// What is left waits behind suspects. Others may come meanwhile and show whether everything is refused.
			w.failure = nil
		}
		return false
	}
	backoff := firstBackoff << w.failedInRow
	w.failedInRow++
	if w.failedInRow == maxTries || err.answer.RetryAfter > backoff || time.Since(began) > fastFailure || !w.wait(ctx, backoff) {
		return w.stop(err, err.answer.RetryAfter)
	}
	return true
}

// nextRequest returns the next items that fit into a request, at least one, and the size of the request in bytes. isFull
// reports whether another item didn't fit into the size.
func (w *worker) nextRequest() (items []*Item, size int, isFull bool) {
	limit := w.size.bytes()
	// Every item but the last has a comma.
	size = w.client.frame.size() - len(comma)
	events := 0
	for i, item := range w.items {
		with := size + len(item.JSON) + len(comma)
		events += item.events()
		if i > 0 {
			isFull = with > limit
			if isFull || events > w.maxEvents {
				return w.items[:i], size, isFull
			}
		}
		size = with
	}
	return w.items, size, false
}

// bringForward moves an item to the front, or if earlier items have the same user or device, the first of those.
func (w *worker) bringForward(index int) {
	for {
		chosen := w.items[index]
		earlier := slices.IndexFunc(w.items[:index], chosen.sharesID)
		if earlier < 0 {
			copy(w.items[1:index+1], w.items[:index])
			w.items[0] = chosen
			return
		}
		index = earlier
	}
}

func (w *worker) accept(items []*Item, size int, isFull bool) {
	w.size.accept(size, isFull)
	w.suspects.accept(items)
	w.pace = pace{}
	for _, item := range items {
		item.State = Delivered
	}
	w.items = w.items[len(items):]
	w.failedInRow = 0
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
	w.failedBatches++
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
func (w *worker) handleRejection(err *requestError, items []*Item, size int) bool {
	for _, item := range items {
		item.Status = err.status
	}
	switch outcome := err.answer.Outcome; {
	case (outcome == amplitude.OutcomeSomeRefused || outcome == amplitude.OutcomeThrottled) && w.applyVerdicts(err.answer, items):
		return true
	case outcome == amplitude.OutcomeTooLarge && len(items) > 1:
		w.size.refuse(size)
		return true
	case w.retriesSuspect || err.reason() != amplitude.ReasonNone:
		return w.isolate(err, items)
	case w.failedBatches < maxFailedBatches:
		return false
	case len(items) > 1 || w.othersAccepted || w.failedBatches >= maxFailedAlone:
		return w.isolate(err, items)
	default:
		return false
	}
}

// isolate searches for the bad event in a request that failed without naming one: the next request has the first half. An
// event that fails alone becomes a suspect. isolate reports false if everything fails.
func (w *worker) isolate(err *requestError, items []*Item) bool {
	if len(items) > 1 {
		w.maxEvents = (eventsOf(items) + 1) / 2
		return true
	}
	item := items[0]
	reason := err.reason()
	switch w.suspects.fail(item, reason != amplitude.ReasonNone, time.Now()) {
	case suspectIsBad:
		w.drop(items, reason)
	case suspectWaits:
		w.found = append(w.found, item)
		w.blocked.add(item)
		w.items = w.blocked.filter(w.items, func(_ *Item, isBlocked bool) bool { return !isBlocked })
	}
	return !w.suspects.allFail()
}

// verdictOn returns the verdict on an item, the first event of which has this index in the request. If it has several events, the
// first verdict counts that is about one of them.
func verdictOn(answer amplitude.Answer, first int, item *Item) (verdict amplitude.Verdict, reason amplitude.Reason) {
	for i := range item.events() {
		verdict, reason = answer.Of(first+i, item.UserID, item.DeviceID)
		if verdict != amplitude.SendAgain {
			break
		}
	}
	return verdict, reason
}

// applyVerdicts drops and blocks the events that the answer names, and reports whether it named any.
func (w *worker) applyVerdicts(answer amplitude.Answer, items []*Item) bool {
	now := time.Now()
	applied := false
	first := 0
	for _, item := range items {
		verdict, reason := verdictOn(answer, first, item)
		first += item.events()
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
