// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// client makes requests to Amplitude, one attempt each.
type client struct {
	http  *http.Client
	url   string
	frame frame
	// maxRetryAfter limits how long an answer can ask to wait.
	maxRetryAfter time.Duration

	observe func(status int, outcome amplitude.Outcome, took time.Duration)
}

// requestError is why a request was not accepted.
type requestError struct {
	// answer says how to go on: its outcome is OutcomeRetry if no answer came.
	answer amplitude.Answer
	// status is the answer's. If it is 0, no answer came, and cause says why.
	status int
	cause  error
}

func (e *requestError) Error() string {
	switch {
	case e.cause != nil:
		return "no answer: " + e.cause.Error()
	case e.answer.Outcome == amplitude.OutcomeNotAmplitude:
		return fmt.Sprintf("status %d, but the answer isn't Amplitude's; check endpoint, and any proxy before Amplitude", e.status)
	default:
		return fmt.Sprintf("status %d", e.status)
	}
}

func (e *requestError) Unwrap() error {
	return e.cause
}

// reason returns the reason to drop an event that is refused alone, or ReasonNone if the failure isn't a refusal.
func (e *requestError) reason() amplitude.Reason {
	switch e.answer.Outcome {
	case amplitude.OutcomeRefused, amplitude.OutcomeSomeRefused:
		if e.status == http.StatusForbidden {
			return amplitude.ReasonForbidden
		}
		return amplitude.ReasonBadRequest
	case amplitude.OutcomeTooLarge:
		return amplitude.ReasonTooLarge
	default:
		return amplitude.ReasonNone
	}
}

// refusesAll reports whether the key or the whole request was refused.
func (e *requestError) refusesAll() bool {
	return e.answer.Outcome == amplitude.OutcomeKeyRefused || e.reason() != amplitude.ReasonNone
}

// refusal describes a refusal of the key or of whole requests, for the component's status.
func (e *requestError) refusal() error {
	if e.answer.Outcome == amplitude.OutcomeKeyRefused {
		return fmt.Errorf("the API key is refused: %w; check api_key and region", e)
	}
	return fmt.Errorf("all events are refused: %w; check endpoint, region, and any proxy or firewall before Amplitude", e)
}

// send sends the items in one request of this size, and returns nil if Amplitude accepted them.
func (c *client) send(ctx context.Context, items []*Item, size int) *requestError {
	r := &request{frame: &c.frame, items: items}
	defer r.release()
	began := time.Now()
	status, retryAfter, body, err := c.post(ctx, r, size)
	var answer amplitude.Answer
	if err == nil {
		answer = amplitude.ReadAnswer(status, retryAfter, body, eventsOf(items), time.Now())
		answer.RetryAfter = min(answer.RetryAfter, c.maxRetryAfter)
	}
	c.observe(status, answer.Outcome, time.Since(began))
	if answer.Outcome == amplitude.OutcomeAccepted {
		return nil
	}
	return &requestError{answer: answer, status: status, cause: err}
}

// maxAnswer bounds how many bytes of an answer are read. An answer that names each event of a request is smaller.
const maxAnswer = 1 << 20

func (c *client) post(ctx context.Context, r *request, size int) (status int, retryAfter string, body []byte, err error) {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, r.newBody())
	if err != nil {
		return 0, "", nil, err
	}
	post.ContentLength = int64(size)
	post.GetBody = func() (io.ReadCloser, error) { return r.newBody(), nil }
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("Accept", "*/*")
	response, err := c.http.Do(post)
	if err != nil {
		return 0, "", nil, err
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && response.StatusCode/100 == 2 && !r.wasRead() {
		err = errReleased
	}
	if err != nil {
		return 0, "", nil, err
	}
	return response.StatusCode, response.Header.Get("Retry-After"), body, nil
}
