// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deadletter"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// deadLetters keeps in a file what was dropped. It keeps nothing if it is nil.
type deadLetters struct {
	file      *deadletter.File
	telemetry *telemetry
	logger    *zap.Logger
	isKept    [reasonCount]bool
	// encoder is another than the batch reader's, which counts changed values of events that are sent.
	encoder   amplitude.Encoder
	marshaler plog.JSONMarshaler
	event     []byte

	// failed is how many letters were lost since the last log line, and err is why. logged is when that line was logged.
	failed int
	err    error
	logged time.Time
}

// minSecret is the length from which a key is a secret. In a shorter one, such as "test", the text of events may be found.
const minSecret = 16

func (e *amplitudeExporter) openDeadLetters(ctx context.Context) (*deadLetters, error) {
	config := e.config
	c := &config.DeadLetter
	if c.Path == "" {
		return nil, nil
	}
	set := deadletter.Settings{Path: c.Path, MaxMegabytes: c.MaxMegabytes, MaxBackups: c.MaxBackups}
	if len(config.APIKey) >= minSecret {
		set.Secret = string(config.APIKey)
	}
	file, err := deadletter.Open(set)
	if err != nil {
		return nil, fmt.Errorf("dead_letter.path: %w; give a file in a folder that exists and to which the collector may write", err)
	}
	d := &deadLetters{file: file, telemetry: e.telemetry, logger: e.settings.Logger, encoder: newEncoder(config, e.library)}
	for r := range d.isKept {
		d.isKept[r] = !slices.Contains(notKept, reason(r)) || slices.Contains(c.Reasons, reason(r).String())
	}
	// An alert needs the series before the first failure.
	e.telemetry.addDeadLetters(ctx, 0, 0)
	return d, nil
}

// addSkipped adds a record that isn't sent, as an event if it could be read as one.
func (d *deadLetters) addSkipped(why reason, e *reader.Event, resource plog.ResourceLogs, scope plog.ScopeLogs, now time.Time) {
	if d == nil || !d.isKept[why] {
		return
	}
	letter := deadletter.Letter{Time: now, Reason: why.String()}
	if e.Problem == reader.NoProblem && !slices.Contains(callReasons(), why) {
		d.event = d.encoder.Append(d.event[:0], &e.Event)
		letter.Event = d.event
	} else {
		letter.Record = d.marshal(e.Record, resource, scope)
	}
	d.file.Append(&letter)
}

// marshal returns a record as a request that OTLP receivers accept. It moves the record for a moment, because a copy may be large.
func (d *deadLetters) marshal(record plog.LogRecord, resource plog.ResourceLogs, scope plog.ScopeLogs) []byte {
	logs := plog.NewLogs()
	inResource := logs.ResourceLogs().AppendEmpty()
	inScope := inResource.ScopeLogs().AppendEmpty()
	inRecord := inScope.LogRecords().AppendEmpty()
	inResource.SetSchemaUrl(resource.SchemaUrl())
	inScope.SetSchemaUrl(scope.SchemaUrl())
	resource.Resource().MoveTo(inResource.Resource())
	scope.Scope().MoveTo(inScope.Scope())
	record.MoveTo(inRecord)
	// The marshaler never fails.
	text, _ := d.marshaler.MarshalLogs(logs)
	inRecord.MoveTo(record)
	inScope.Scope().MoveTo(scope.Scope())
	inResource.Resource().MoveTo(resource.Resource())
	return text
}

// addDropped adds the items that Amplitude refuses for good.
func (d *deadLetters) addDropped(items []item, now time.Time) {
	if d == nil {
		return
	}
	for i := range items {
		it := &items[i]
		if !it.refused() {
			continue
		}
		for _, text := range it.events() {
			d.file.Append(&deadletter.Letter{Time: now, Reason: it.Reason.String(), Status: it.Status, Event: text})
		}
	}
}

// flush writes what was added, and counts it. Letters that can't be written are lost, because delivery must go on.
func (d *deadLetters) flush(ctx context.Context, now time.Time) {
	if d == nil {
		return
	}
	result := d.file.Flush()
	d.telemetry.addDeadLetters(ctx, result.Written, result.Failed)
	if result.Failed > 0 {
		d.failed, d.err = d.failed+result.Failed, result.Err
	}
	if now.Sub(d.logged) >= dropLogPeriod {
		d.log(now)
	}
}

func (d *deadLetters) log(now time.Time) {
	if d.failed > 0 {
		d.logger.Error("dead letters can't be written; they are lost", zap.Int("events", d.failed), zap.Error(d.err))
		d.failed, d.logged = 0, now
	}
}

func (d *deadLetters) close(now time.Time) error {
	if d == nil {
		return nil
	}
	d.log(now)
	return d.file.Close()
}
