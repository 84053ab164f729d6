// SPDX-License-Identifier: Apache-2.0

// Package delivery sends encoded events to Amplitude: each of them once, as far as Amplitude's answers tell, and those of
// one user or device in order.
//
// A batch is partitioned among workers: events that share a user or a device, directly or through other events, go to the
// same worker. Workers send concurrently, each one request at a time, so that an event that fails isn't overtaken by a
// later one. Events that can't be delivered yet are left: the caller must deliver them again before any later event.
//
// The configuration and the metrics call a worker a lane.
package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// Settings are the settings of a Deliverer.
type Settings struct {
	// URL is where requests go, and Key is the project's API key.
	URL, Key string
	// MinIDLength is sent as an option of each request, unless it is Amplitude's default.
	MinIDLength int
	// Limits are the limits of the API at URL.
	Limits amplitude.Limits
	// MaxRetryAfter limits how long an answer can make all workers wait.
	MaxRetryAfter time.Duration
	// Lanes is how many workers send concurrently.
	Lanes int
	// Client sends the requests. It must not follow redirects.
	Client *http.Client
	// Observe is called after each request: with the status of its answer (0 if none came), what the answer means, and how
	// long it took. Workers call it concurrently.
	Observe func(status int, outcome amplitude.Outcome, took time.Duration)
}

// Deliverer delivers batches, one at a time.
type Deliverer struct {
	partitioner *partitioner
	throttles   *throttles
	suspects    *suspects
	workers     []*worker
}

// New returns a deliverer, or an error if the key isn't UTF-8 text.
func New(settings Settings) (*Deliverer, error) {
	f, err := newFrame(settings.Key, settings.MinIDLength)
	if err != nil {
		return nil, err
	}
	c := &client{http: settings.Client, url: settings.URL, frame: f, maxRetryAfter: settings.MaxRetryAfter, observe: settings.Observe}
	d := &Deliverer{
		partitioner: newPartitioner(settings.Lanes), throttles: newThrottles(settings.Limits), suspects: newSuspects(),
	}
	size := newSizeLimit(settings.Limits.Bytes)
	for range settings.Lanes {
		d.workers = append(d.workers, newWorker(c, settings.Limits, size, d.throttles, d.suspects))
	}
	return d, nil
}

// Result says why items of a batch are left.
type Result struct {
	// Err is nil if none is left. It contains no ids, no key and no body.
	Err error
	// Unhealthy says why nothing is accepted until someone changes something: the key or every request is refused. It is nil
	// otherwise.
	Unhealthy error
	// Accepted reports whether Amplitude accepted an event.
	Accepted bool
	// Blocked reports whether items are left only because their users or devices must wait. Other items may be delivered
	// meanwhile, but none of these users and devices.
	Blocked bool
	// Wait is how long to wait before items are delivered again. If it is 0, the caller decides.
	Wait time.Duration
}

// Deliver sends the items and sets their states.
func (d *Deliverer) Deliver(ctx context.Context, items []*Item) Result {
	shares := d.partitioner.partition(items)
	d.throttles.beginBatch()
	d.suspects.beginBatch()
	var running sync.WaitGroup
	for i, worker := range d.workers {
		running.Go(func() { worker.deliver(ctx, shares[i]) })
	}
	running.Wait()
	now := time.Now()
	due := d.throttles.endBatch(now)
	if again := d.suspects.endBatch(now); due.IsZero() || !again.IsZero() && again.Before(due) {
		due = again
	}
	return d.result(items, due)
}

// result summarizes the batch. due is when the first item that is blocked may be sent.
func (d *Deliverer) result(items []*Item, due time.Time) Result {
	var result Result
	left := 0
	for _, item := range items {
		switch item.State {
		case Left:
			left++
		case Delivered:
			result.Accepted = true
		}
	}
	if left == 0 {
		return result
	}
	failed := 0
	var last, refusal *requestError
	for _, worker := range d.workers {
		if worker.failure == nil {
			continue
		}
		failed++
		last = worker.failure
		worker.othersAccepted = worker.othersAccepted || result.Accepted
		if last.refusesAll() {
			refusal = last
		}
		result.Wait = max(result.Wait, worker.retryAfter)
	}
	switch {
	case refusal != nil:
		result.Unhealthy = refusal.refusal()
		result.Err = fmt.Errorf("%w; %d events wait", result.Unhealthy, left)
	case last != nil:
		result.Err = fmt.Errorf("%d of %d lanes failed, the last with %w; %d events wait", failed, len(d.workers), last, left)
	default:
		result.Blocked = true
		result.Wait = max(time.Until(due), time.Millisecond)
		result.Err = fmt.Errorf("%d events wait because their users or devices are throttled, or an earlier event of them is refused without a reason", left)
	}
	return result
}

// Since returns when the first waiting event of a lane began to wait, in nanoseconds since the epoch, or 0 if none waits.
// It may be called during Deliver.
func (d *Deliverer) Since(lane int) int64 {
	return d.workers[lane].since.Load()
}
