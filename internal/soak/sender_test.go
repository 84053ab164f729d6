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

// sender sends batches by OTLP/HTTP, each again until it is accepted: a batch without an answer may or may not have been.
type sender struct {
	client *http.Client
	url    string
	// accepted is how many requests were.
	accepted atomic.Int64
}

func newSender(b *bridge) *sender {
	return &sender{
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
		url:    "http://" + b.OTLPEndpoint + "/v1/logs",
	}
}

// againAfter is how long a sender waits before it sends again: about as long as a local connection takes to be refused
// would use up the machine.
const againAfter = 5 * time.Millisecond

// send returns when a batch was accepted. The error is that of the context.
func (s *sender) send(ctx context.Context, logs plog.Logs) error {
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		return err
	}
	for !s.isAccepted(ctx, body) {
		select {
		case <-time.After(againAfter):
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
	_, err = io.Copy(io.Discard, response.Body)
	return response.Body.Close() == nil && err == nil && response.StatusCode == http.StatusOK
}

// sendInTurn sends so many records of people in turn, so many in a batch, each with so many bytes of padding.
func (s *sender) sendInTurn(ctx context.Context, people []*person, records, perBatch, padding int) error {
	for sent := 0; sent < records; sent += perBatch {
		first := sent % len(people)
		if err := s.send(ctx, batch(people[first:first+perBatch], padding)); err != nil {
			return err
		}
	}
	return nil
}

// sendAtRate sends batches of people in turn, so many records a second for so long.
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
		// One that falls behind catches up.
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
