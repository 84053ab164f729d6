// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// sender sends batches by OTLP/HTTP and repeats each until it is accepted. A batch without an answer may have been
// accepted, so some events are sent twice.
type sender struct {
	client *http.Client
	url    string
	// accepted counts accepted requests, refused those that were answered otherwise.
	accepted, refused atomic.Int64
}

func newSender(b *bridge) *sender {
	return &sender{
		client: &http.Client{Timeout: maxWait, Transport: b.Client.Transport},
		url:    b.OTLPURL,
	}
}

// retryInterval is how long a sender waits before it sends again. Retrying as fast as local connections are refused would
// use up the machine.
const retryInterval = 5 * time.Millisecond

// send sends a batch until it is accepted. It returns an error if the context is canceled.
func (s *sender) send(ctx context.Context, logs plog.Logs) error {
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		return err
	}
	return s.sendRequest(ctx, body)
}

// sendRequest is send for an encoded batch.
func (s *sender) sendRequest(ctx context.Context, body []byte) error {
	for !s.isAccepted(ctx, body) {
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.accepted.Add(1)
	return nil
}

func (s *sender) isAccepted(ctx context.Context, body []byte) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	response, err := s.client.Do(request)
	if err != nil {
		return false
	}
	if response.StatusCode != http.StatusOK {
		s.refused.Add(1)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.Body.Close() == nil && err == nil && response.StatusCode == http.StatusOK
}

// sendInTurn sends records of people in turn, perBatch records per batch, each with this many bytes of padding.
func (s *sender) sendInTurn(ctx context.Context, people []*person, records, perBatch, padding int) error {
	for sent := 0; sent < records; sent += perBatch {
		first := sent % len(people)
		if err := s.send(ctx, batch(people[first:first+perBatch], padding)); err != nil {
			return err
		}
	}
	return nil
}

// sendAtRate sends records of people in turn at a rate of records per second.
func (s *sender) sendAtRate(ctx context.Context, people []*person, rate int, length time.Duration) error {
	const perBatch = 100
	began := time.Now()
	tick := time.NewTicker(time.Second * perBatch / time.Duration(rate))
	defer tick.Stop()
	for sent := 0; sent < int(length.Seconds()*float64(rate)); sent += perBatch {
		first := sent % len(people)
		if err := s.send(ctx, batch(people[first:first+perBatch], 0)); err != nil {
			return err
		}
		// If the sender is behind schedule, it sends the next batch at once.
		if time.Since(began) > time.Duration(sent+perBatch)*time.Second/time.Duration(rate) {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
