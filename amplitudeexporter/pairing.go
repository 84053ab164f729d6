// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// pairing compares each update of the impression processor with its impression, which is the next record of the scope. They differ
// if the exporter's layouts aren't the processor's, which the validation of neither can see.
type pairing struct {
	logger *zap.Logger
	// update is the update in the last record, the zero value if there was none.
	update impression.Update
	record plog.LogRecord
	logged bool
}

// beginScope forgets the last record, because an update and its impression are in one scope.
func (p *pairing) beginScope() {
	p.update, p.record = impression.Update{}, plog.LogRecord{}
}

// next takes the next record of the scope. It reports whether the record is the impression of an update, but isn't read as such.
func (p *pairing) next(e *reader.Event) bool {
	unpaired := p.update.Property != "" && p.differs(e)
	if unpaired && !p.logged {
		p.logged = true
		p.logger.Error("the impression processor emitted an update, but its impression is read here with another identity or not at all; " +
			"give the exporter the processor's layouts and min_id_length, for instance with a YAML anchor: " +
			"layouts: &layouts in the processor, layouts: *layouts in the exporter")
	}
	p.beginScope()
	if e.Problem == reader.NoProblem && e.Record.EventName() == impression.IdentifyEventType {
		userProperties, _ := e.Map(event.UserProperties)
		p.note(e, userProperties)
	}
	return unpaired
}

func (p *pairing) note(e *reader.Event, userProperties pcommon.Map) {
	if userProperties == (pcommon.Map{}) {
		return
	}
	if update, is := impression.ReadUpdate(e.Text(event.InsertID), userProperties); is {
		p.update, p.record = update, e.Record
		p.update.Identity = identityOf(e)
	}
}

// identityOf returns the ids of an event as an update of the processor has them.
func identityOf(e *reader.Event) impression.Identity {
	return impression.Identity{UserID: amplitude.Cut(e.Text(event.UserID)), DeviceID: amplitude.Cut(e.Text(event.DeviceID))}
}

// differs reports whether this is the record of the update's impression, but the exporter doesn't read it as the processor did. An
// update can also be alone: if its impression was dropped, or is in another batch.
func (p *pairing) differs(e *reader.Event) bool {
	if e.Problem == reader.NoProblem && identityOf(e) == p.update.Identity {
		if properties, has := e.Map(event.Properties); has && impression.HasFlagKey(properties) {
			return false
		}
	}
	// The processor copies these from the impression.
	isNext := e.Record.ObservedTimestamp() == p.record.ObservedTimestamp() && e.Record.TraceID() == p.record.TraceID() &&
		e.Record.SpanID() == p.record.SpanID() && e.Record.Flags() == p.record.Flags()
	if !isNext || !p.update.IsOf(e.Record) {
		return false
	}
	if p.update.Operation == impression.Set || e.Problem != reader.NoProblem {
		return true
	}
	// An unset may stand in for a dropped impression, and be followed by one of the same flag that has no update.
	insertID := e.Text(event.InsertID)
	return identityOf(e) != impression.Identity{} && (insertID == "" || p.update.HasIDOf(insertID))
}
