// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// batchReader reads log records and encodes their events.
type batchReader struct {
	config *Config
	// events reads by the configured layouts, updates by the layout of the impression processor's update records.
	events, updates source
	encoder         amplitude.Encoder
	staleUpdates    *staleUpdates
}

// source is a reader and its method IsField as a value, so that it isn't allocated for each event.
type source struct {
	*layout.Reader
	isField func(key string) bool
}

func newSource(layouts []layout.Config, types []string, limits jsonvalue.Limits) (source, error) {
	compiled, err := layout.Compile(layouts)
	if err != nil {
		return source{}, err
	}
	reader := layout.NewReader(compiled, types, limits)
	return source{Reader: reader, isField: reader.IsField}, nil
}

// updateLayout is the layout of the update records that the impression processor emits.
var updateLayout = []layout.Config{{Preset: "amplitude"}}

func newBatchReader(config *Config) (*batchReader, error) {
	events, eventsErr := newSource(config.Layouts, nil, config.JSONBody)
	updates, updatesErr := newSource(updateLayout, []string{impression.IdentifyEventType}, config.JSONBody)
	stale, staleErr := newStaleUpdates()
	if err := errors.Join(eventsErr, updatesErr, staleErr); err != nil {
		return nil, err
	}
	return &batchReader{config: config, events: events, updates: updates, staleUpdates: stale}, nil
}

// read adds all events of the logs to a batch. It unrolls envelopes and parses JSON texts in place.
func (r *batchReader) read(b *batch, logs plog.Logs, now time.Time) {
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			r.readScope(b, resource.Resource(), scope.LogRecords(), now)
		}
	}
}

func (r *batchReader) readScope(b *batch, resource pcommon.Resource, records plog.LogRecordSlice, now time.Time) {
	unrolled := false
	for i := 0; i < records.Len(); i++ {
		reader, found := r.find(resource, records.At(i))
		if found == layout.Envelope && !unrolled {
			r.events.UnrollAll(resource, records, i)
			unrolled = true
			reader, found = r.find(resource, records.At(i))
		}
		if found < 0 {
			b.skipped[r.notAnEvent()]++
		} else if why := r.readEvent(b, reader, records.At(i), now); why != reasonNone {
			b.skipped[why]++
		}
		b.records++
	}
}

func (r *batchReader) find(resource pcommon.Resource, record plog.LogRecord) (*source, int) {
	if record.EventName() == impression.IdentifyEventType {
		if found := r.updates.Find(resource, record); found >= 0 {
			return &r.updates, found
		}
	}
	return &r.events, r.events.Find(resource, record)
}

// notAnEvent returns why the last record isn't an event. It may be one that couldn't be read.
func (r *batchReader) notAnEvent() reason {
	seen := &r.events.Seen
	why := reasonNotAnEvent
	for untouched, n := range seen.Untouched {
		if n > 0 {
			why = reasonOf(layout.Untouched(untouched).String())
		}
	}
	clear(seen.Untouched[:])
	return why
}

// readEvent adds an event to the batch, or returns why not.
func (r *batchReader) readEvent(b *batch, reader *source, record plog.LogRecord, now time.Time) reason {
	event := amplitude.Event{Type: reader.EventType(), InsertID: reader.InsertID(), SessionID: reader.SessionID()}
	event.Properties, _ = reader.Properties()
	event.UserProperties, _ = reader.UserProperties()
	if r.config.Send == SendImpressions && !r.isImpression(&event) {
		return reasonNotAnImpression
	}
	var fault amplitude.IDFault
	event.UserID, event.DeviceID, fault = amplitude.CheckIDs(reader.UserID(), reader.DeviceID(), r.config.MinIDLength)
	if event.UserID == "" && event.DeviceID == "" {
		return reasonOf(fault.DropReason())
	}
	event.Time = r.timeOf(reader, record, &event)
	event.Groups, _ = reader.Groups()
	event.IsField = reader.isField
	event.IP, event.AppVersion, event.Platform = reader.IP(), reader.AppVersion(), reader.Platform()
	event.OSName, event.Language, event.UserAgent = reader.OSName(), reader.Language(), reader.UserAgent()
	event.Other, _ = reader.OtherFields()
	updates, left := r.removeStaleUpdates(&event, now)
	if !left {
		return reasonOlderUpdate
	}
	since := record.ObservedTimestamp().AsTime()
	if record.ObservedTimestamp() == 0 {
		since = now
	}
	it := item{record: b.records, updates: updates}
	it.JSON, it.Since = b.encode(&r.encoder, &event), since.UnixNano()
	it.UserID, it.DeviceID = amplitude.SentText(event.UserID), amplitude.SentText(event.DeviceID)
	it.changed = r.takeChanged(fault)
	b.items = append(b.items, it)
	return reasonNone
}

// removeStaleUpdates returns the updates that are left, and whether anything is left of the event.
func (r *batchReader) removeStaleUpdates(event *amplitude.Event, now time.Time) (updates []experimentUpdate, left bool) {
	rest, updates := r.staleUpdates.remove(event, now)
	if rest == event.UserProperties {
		return updates, true
	}
	if event.InsertID == "" {
		// The same event has the same id, whether or not its updates are stale by now.
		event.InsertID = r.encoder.InsertHash(event)
	}
	event.UserProperties = rest
	return updates, event.Type != impression.IdentifyEventType || rest.Len() > 0
}

func (r *batchReader) isImpression(event *amplitude.Event) bool {
	return slices.Contains(r.config.EventTypes, event.Type) || event.Type == impression.IdentifyEventType && updatesExperiment(event.UserProperties)
}

// timeOf returns the event's time. Like the processor, it prefers the time among an impression's properties.
func (r *batchReader) timeOf(reader *source, record plog.LogRecord, event *amplitude.Event) pcommon.Timestamp {
	var own pcommon.Value
	if event.Properties != (pcommon.Map{}) && slices.Contains(r.config.EventTypes, event.Type) {
		// Get doesn't return the zero Value if the key is missing.
		if value, present := event.Properties.Get("time"); present {
			own = value
		}
	}
	if at := reader.Time(own); at != 0 {
		return at
	}
	return record.ObservedTimestamp()
}

// takeChanged returns which values of the last event were changed: ids that were left out, and changes by the encoder.
func (r *batchReader) takeChanged(ids amplitude.IDFault) []changedValues {
	if r.encoder.Changed == [amplitude.Changes]int64{} && ids == amplitude.NoIDFault {
		return nil
	}
	var changed []changedValues
	add := func(why reason, count int64) {
		if count > 0 {
			changed = append(changed, changedValues{reason: why, count: count})
		}
	}
	for change, count := range r.encoder.Changed {
		add(reasonOf(amplitude.Change(change).String()), count)
	}
	add(reasonRefusedID, ids.Refused)
	add(reasonIDTooShort, ids.TooShort)
	clear(r.encoder.Changed[:])
	return changed
}

// endBatch lets go of the records that were read.
func (r *batchReader) endBatch(items []item) {
	r.staleUpdates.endBatch(items)
	r.events.Reset()
	r.updates.Reset()
}
