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
	workers     []*worker
}

// New returns a deliverer, or an error if the key isn't UTF-8 text.
func New(settings Settings) (*Deliverer, error) {
	f, err := newFrame(settings.Key, settings.MinIDLength)
	if err != nil {
		return nil, err
	}
	c := &client{http: settings.Client, url: settings.URL, frame: f, observe: settings.Observe}
	d := &Deliverer{partitioner: newPartitioner(settings.Lanes), throttles: newThrottles(settings.Limits)}
	size := newSizeLimit(settings.Limits.Bytes)
	for range settings.Lanes {
		d.workers = append(d.workers, newWorker(c, settings.Limits, size, d.throttles))
	}
	return d, nil
}

// Result says why items of a batch are left.
type Result struct {
	// Err is nil if none is left. It contains no ids, no key and no body.
	Err error
	// KeyRefused reports whether Amplitude refused the API key.
	KeyRefused bool
	// Answered reports whether Amplitude accepted an event.
	Answered bool
	// Throttled reports whether throttled users and devices are the only reason why items are left.
	Throttled bool
	// Wait is how long to wait before items are delivered again. If it is 0, the caller decides.
	Wait time.Duration
}

// Deliver sends the items and sets their states.
func (d *Deliverer) Deliver(ctx context.Context, items []*Item) Result {
	shares := d.partitioner.partition(items)
	d.throttles.beginBatch()
	var running sync.WaitGroup
	for i, worker := range d.workers {
		running.Go(func() { worker.deliver(ctx, shares[i]) })
	}
	running.Wait()
	return d.result(items, d.throttles.endBatch(time.Now()))
}

// result summarizes the batch.
func (d *Deliverer) result(items []*Item, throttledUntil time.Time) Result {
	var result Result
	left := 0
	for _, item := range items {
		switch item.State {
		case Left:
			left++
		case Delivered:
			result.Answered = true
		}
	}
	if left == 0 {
		return result
	}
	failed := 0
	var last, keyRefused *requestError
	for _, worker := range d.workers {
		if worker.failure == nil {
			continue
		}
		failed++
		last = worker.failure
		if last.answer.Outcome == amplitude.OutcomeKeyRefused {
			keyRefused = last
		}
		result.Wait = max(result.Wait, worker.retryAfter)
	}
	switch {
	case keyRefused != nil:
		result.KeyRefused = true
		result.Err = fmt.Errorf("the API key is refused: %w; %d events wait", keyRefused, left)
	case last != nil:
		result.Err = fmt.Errorf("%d of %d lanes failed, the last with %w; %d events wait", failed, len(d.workers), last, left)
	default:
		result.Throttled = true
		result.Wait = max(time.Until(throttledUntil), time.Millisecond)
		result.Err = fmt.Errorf("users or devices are throttled; %d of their events wait", left)
	}
	return result
}

// Since returns when the first waiting event of a lane began to wait, in nanoseconds since the epoch, or 0 if none waits.
// It may be called during Deliver.
func (d *Deliverer) Since(lane int) int64 {
	return d.workers[lane].since.Load()
}
