// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// Settings are those of a Deliverer.
type Settings struct {
	// URL is where requests go, Key is the project's, MinIDLength an option of each request.
	URL, Key    string
	MinIDLength int
	// Limits are the API's.
	Limits amplitude.Limits
	// Lanes is how many requests may be under way at once.
	Lanes int
	// Client sends requests. It must not follow redirects.
	Client *http.Client
	// Observe is told of each request: the status of its answer, 0 without one, what that means, and how long it took. It
	// is called by several goroutines.
	Observe func(status int, outcome amplitude.Outcome, took time.Duration)
}

// Deliverer delivers batches, one at a time.
type Deliverer struct {
	Settings
	frame  frame
	size   *sizeLimit
	pauses *pauses
	dealer *dealer
	lanes  []*lane
	shares [][]int32

	batch *Batch
}

// New returns a deliverer. The error is that of a key which is no text.
func New(settings Settings) (*Deliverer, error) {
	f, err := newFrame(settings.Key, settings.MinIDLength)
	if err != nil {
		return nil, err
	}
	d := &Deliverer{
		Settings: settings,
		frame:    f,
		size:     newSizeLimit(settings.Limits.Bytes),
		pauses:   newPauses(settings.Limits),
		dealer:   newDealer(),
		shares:   make([][]int32, settings.Lanes),
	}
	for range settings.Lanes {
		d.lanes = append(d.lanes, &lane{Deliverer: d, most: settings.Limits.Events})
	}
	return d, nil
}

// Result says why events of a batch are left.
type Result struct {
	// Err is nil if none is left. It holds no ids, no key and no body.
	Err error
	// KeyRefused says that Amplitude does not take the API key, Answered that it accepted a request, Throttled that events
	// are left for no other reason than that their users or devices are.
	KeyRefused, Answered, Throttled bool
	// Wait is how long to wait before the batch is brought again, 0 where the caller is to decide.
	Wait time.Duration
}

// keyWait is how long to wait after the key was refused.
const keyWait = 10 * time.Second

// Deliver sends the events of a batch that are Left and sets their states. The batch may be changed when it returns.
func (d *Deliverer) Deliver(ctx context.Context, batch *Batch) Result {
	d.batch = batch
	for i := range d.shares {
		d.shares[i] = d.shares[i][:0]
	}
	d.dealer.deal(batch.Events, d.shares)
	d.pauses.begin()
	var running sync.WaitGroup
	for i, lane := range d.lanes {
		lane.events = d.shares[i]
		running.Go(func() { lane.run(ctx) })
	}
	running.Wait()
	return d.result(d.pauses.end(time.Now()))
}

// result sums up the lanes.
func (d *Deliverer) result(pausedUntil time.Time) Result {
	var result Result
	left, failed := 0, 0
	var last laneResult
	for i := range d.batch.Events {
		switch d.batch.Events[i].State {
		case Left:
			left++
		case Delivered:
			result.Answered = true
		}
	}
	if left == 0 {
		return result
	}
	for _, lane := range d.lanes {
		if lane.result.fault == amplitude.OutcomeAccepted {
			continue
		}
		failed++
		last = lane.result
		result.KeyRefused = result.KeyRefused || lane.result.fault == amplitude.OutcomeKeyRefused
		result.Wait = max(result.Wait, lane.result.retryAfter)
	}
	switch {
	case result.KeyRefused:
		result.Err = fmt.Errorf("the API key is refused: status %d; %d events wait", last.status, left)
	case failed > 0 && last.err != nil:
		result.Err = fmt.Errorf("%d of %d lanes failed, the last with: %w; %d events wait", failed, len(d.lanes), last.err, left)
	case failed > 0:
		result.Err = fmt.Errorf("%d of %d lanes failed, the last with status %d; %d events wait", failed, len(d.lanes), last.status, left)
	default:
		result.Throttled = true
		result.Wait = max(time.Until(pausedUntil), time.Millisecond)
		result.Err = fmt.Errorf("users or devices are throttled; %d of their events wait", left)
	}
	return result
}

// Since returns since when the next event of a lane waits, in nanoseconds since the epoch, 0 without one. It may be
// called while a batch is delivered.
func (d *Deliverer) Since(lane int) int64 {
	return d.lanes[lane].since.Load()
}

// mostAnswer is how many bytes of an answer are read: more than one that names each event.
const mostAnswer = 1 << 20

// attempt sends a request once. The error is that of the transport; it comes with OutcomeRetry.
func (l *lane) attempt(ctx context.Context, events []int32, size int) (amplitude.Answer, int, error) {
	r := &request{frame: &l.frame, batch: l.batch, events: events}
	defer r.release()
	began := time.Now()
	status, retryAfter, said, err := l.post(ctx, r, size)
	var answer amplitude.Answer
	if err == nil {
		answer = amplitude.ReadAnswer(status, retryAfter, said, len(events), time.Now())
	}
	l.Observe(status, answer.Outcome, time.Since(began))
	return answer, status, err
}

func (l *lane) post(ctx context.Context, r *request, size int) (status int, retryAfter string, said []byte, err error) {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL, r.newBody())
	if err != nil {
		return 0, "", nil, err
	}
	post.ContentLength = int64(size)
	post.GetBody = func() (io.ReadCloser, error) { return r.newBody(), nil }
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("Accept", "*/*")
	response, err := l.Client.Do(post)
	if err != nil {
		return 0, "", nil, err
	}
	said, err = io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil && response.StatusCode/100 != 2 {
		return 0, "", nil, err
	}
	return response.StatusCode, response.Header.Get("Retry-After"), said, nil
}
