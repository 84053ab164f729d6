// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

// retryAfter is when senders should try again after a 503, in seconds.
const retryAfter = "5"

// maxParsed is how many bytes of bodies may be in memory as records at once, which take about ten times as much. A larger body waits
// until it is the only one.
const maxParsed = 4 << 20

// ServeHTTP answers a request that confighttp lets through.
func (r *webhookReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := r.startOf(req)
	ctx, cancel := context.WithDeadline(req.Context(), start.Add(r.config.MaxWait))
	defer cancel()
	s := r.sourceOf(req)
	r.answer(w, req, s, start, r.handle(ctx, w, req, s))
}

// refuse answers a request that the receiver's authenticator doesn't let through.
func (r *webhookReceiver) refuse(w http.ResponseWriter, req *http.Request, _ string, _ int) {
	r.answer(w, req, r.sourceOf(req), r.startOf(req), reasonOfAuth(req.Context()))
}

// startOf returns when a request came: now, unless limitTime has set a deadline.
func (r *webhookReceiver) startOf(req *http.Request) time.Time {
	if deadline, isSet := req.Context().Deadline(); isSet {
		return deadline.Add(-r.config.MaxWait)
	}
	return time.Now()
}

// reasonOfAuth returns the reason for an error of an authenticator.
func reasonOfAuth(ctx context.Context) reason {
	if ctx.Err() != nil {
		return timedOut
	}
	return unauthorized
}

func (r *webhookReceiver) sourceOf(req *http.Request) *source {
	for _, s := range r.sources {
		if isBelow(req.URL.Path, s.path) {
			return s
		}
	}
	return r.unknown
}

// handle hands a request's events on, and returns why it must be refused, or accepted. ctx has the deadline of the answer.
func (r *webhookReceiver) handle(ctx context.Context, w http.ResponseWriter, req *http.Request, s *source) reason {
	switch {
	case s == r.unknown:
		return unknownPath
	case req.Method != http.MethodPost:
		return wrongMethod
	case !r.slots.TryAcquire(1):
		return tooManyRequests
	}
	var parsed int64
	isHandedOn := false
	// Also after a panic, which the server logs.
	defer func() {
		if !isHandedOn {
			r.release(parsed)
		}
	}()
	ctx, b, why := r.authenticate(ctx, w, req, s)
	if why != accepted {
		return why
	}
	size := min(int64(len(b.text)), maxParsed)
	if err := r.parsed.Acquire(ctx, size); err != nil {
		return reasonOfPipeline(err)
	}
	parsed = size
	logs, why := r.parse(req, s, b)
	if why != accepted || logs.LogRecordCount() == 0 {
		return why
	}
	isHandedOn = true
	events, done := logs.LogRecordCount(), make(chan error, 1)
	go func() {
		defer r.release(size)
		done <- r.handOn(ctx, logs)
	}()
	select {
	case err := <-done:
		why = reasonOfPipeline(err)
	case <-ctx.Done():
		// Whether the pipeline accepts the events after this or not, the sender sends them again.
		why = reasonOfPipeline(ctx.Err())
	}
	if why == accepted {
		s.series.events.Add(int64(events))
		r.report(inspection.Received{Source: s.name, Events: int64(events)})
	}
	return why
}

// release gives back the slot of a request, and the size of its body if it was parsed.
func (r *webhookReceiver) release(parsed int64) {
	r.parsed.Release(parsed)
	r.slots.Release(1)
}

func (r *webhookReceiver) handOn(ctx context.Context, logs plog.Logs) error {
	events := logs.LogRecordCount()
	ctx = r.obsreport.StartLogsOp(ctx)
	err := r.next.ConsumeLogs(ctx, logs)
	r.obsreport.EndLogsOp(ctx, metadata.Type.String(), events, err)
	return err
}

func reasonOfPipeline(err error) reason {
	switch {
	case err == nil:
		return accepted
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut
	case consumererror.IsPermanent(err):
		return permanentError
	default:
		return retryableError
	}
}

// authenticate returns a request's body if the request has what its source must have. The context that it returns also has what
// the source's authenticator found out about the sender.
func (r *webhookReceiver) authenticate(ctx context.Context, w http.ResponseWriter, req *http.Request, s *source) (context.Context, body, reason) {
	if s.header != nil {
		position, why := s.header.verify(req.Header)
		if why != accepted {
			return ctx, body{}, why
		}
		s.series.headers[position].Add(1)
	}
	if s.auth != nil {
		authenticated, err := s.auth.Authenticate(ctx, req.Header)
		if err != nil {
			return ctx, body{}, reasonOfAuth(ctx)
		}
		ctx = authenticated
	}
	b, why := r.bodies.read(w, req)
	if why != accepted {
		return ctx, body{}, why
	}
	s.series.bytes.Add(int64(len(b.sent)))
	if s.signature != nil {
		position, why := s.signature.verify(req.Header, b, time.Now())
		if why != accepted {
			return ctx, body{}, why
		}
		s.series.signatures[position].Add(1)
	}
	return ctx, b, accepted
}

// parse returns the records of the events in a body, which isn't valid afterwards.
func (r *webhookReceiver) parse(req *http.Request, s *source, b body) (plog.Logs, reason) {
	defer r.bodies.release(b)
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	events := r.readers.Get().(*eventReader)
	defer r.readers.Put(events)
	if why := events.read(b.text, records); why != accepted {
		return logs, why
	}
	if records.Len() > 0 {
		r.describe(req, s, records)
	}
	return logs, accepted
}

// describe sets what the records have in common.
func (r *webhookReceiver) describe(req *http.Request, s *source, records plog.LogRecordSlice) {
	attributes := records.At(0).Attributes()
	attributes.PutStr("cdp.source", s.name)
	if address := r.clients.of(req); address != "" {
		attributes.PutStr("client.address", address)
	}
	for _, name := range r.config.HeaderAttributes {
		values := req.Header.Values(name)
		if len(values) == 0 {
			continue
		}
		// A list, as in OpenTelemetry's semantic conventions.
		list := attributes.PutEmptySlice("http.request.header." + strings.ToLower(name))
		for _, value := range values {
			list.AppendEmpty().SetStr(validUTF8(value))
		}
	}
	now := pcommon.NewTimestampFromTime(time.Now())
	for i, record := range records.All() {
		record.SetObservedTimestamp(now)
		if i > 0 {
			attributes.CopyTo(record.Attributes())
		}
	}
}

// answer answers a request, and counts it.
func (r *webhookReceiver) answer(w http.ResponseWriter, req *http.Request, s *source, start time.Time, why reason) {
	a := &answers[why]
	if why != accepted {
		r.report(inspection.Received{Source: s.name, Reason: a.name, Text: a.text})
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	switch a.status {
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	}
	w.WriteHeader(a.status)
	// Amplitude's SDKs read the status from the body. Without it, they send everything again.
	if why == accepted {
		_, _ = io.WriteString(w, `{"success":true,"code":200}`)
	} else {
		_, _ = fmt.Fprintf(w, `{"success":false,"code":%d,"reason":%q,"error":%q}`, a.status, a.name, a.text)
	}
	s.series.requests[why].Add(1)
	r.telemetry.ReceiverCdpWebhookDuration.Record(req.Context(), time.Since(start).Seconds(), s.series.durations[why])
	if why != accepted && s.isLogged[why].CompareAndSwap(false, true) {
		r.settings.Logger.Warn("refused a request; others with this reason are counted, but not logged",
			zap.String("source", s.name), zap.Int("status", a.status), zap.String("reason", a.name), zap.String("error", a.text))
	}
}

// report tells the inspector about a request.
func (r *webhookReceiver) report(request inspection.Received) {
	if inspector := r.reporter.Watched(); inspector != nil {
		request.Receiver = r.settings.ID.String()
		inspector.Received(request)
	}
}
