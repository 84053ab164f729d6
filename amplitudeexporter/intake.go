// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"errors"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// intake reads the events of log records and encodes them. It is used for one batch after the other.
type intake struct {
	config *Config
	// events reads by the configured layouts, updates what the impression processor emits, whatever those are.
	events, updates source
	encoder         amplitude.Encoder
	guard           *guard

	// batch has the deferred events first, then those of the logs.
	batch delivery.Batch
	// places are where the deferred events are stored.
	places []deferred.Place
	// records are the indexes of the logs' events among all records of the logs.
	records []int
	// done says of each record that there is nothing left to do with it.
	done []bool
	// skipped counts the records that give no event, by why.
	skipped map[string]int64
	// changed are the events with values that are not sent as they came.
	changed []changedEvent
	// moved is where each event went from one batch to the next.
	moved []int
}

// source is a reader with its method IsField as a value, which would else be made anew for each event.
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

// changedEvent is an event of the batch, by index.
type changedEvent struct {
	index  int
	values [amplitude.Changes]int64
	ids    amplitude.IDFault
}

// updateLayout is the form of the update records that the impression processor emits.
var updateLayout = []layout.Config{{Preset: "amplitude"}}

func newIntake(config *Config) (*intake, error) {
	events, eventsErr := newSource(config.Layouts, nil, config.JSONBody)
	updates, updatesErr := newSource(updateLayout, []string{impression.IdentifyEventType}, config.JSONBody)
	g, guardErr := newGuard()
	if err := errors.Join(eventsErr, updatesErr, guardErr); err != nil {
		return nil, err
	}
	return &intake{config: config, events: events, updates: updates, guard: g, skipped: map[string]int64{}}, nil
}

// read reads all events of the logs into the batch. Envelopes are unrolled, JSON texts parsed, in place.
func (in *intake) read(logs plog.Logs, now time.Time) {
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			in.readScope(resource.Resource(), scope.LogRecords(), now)
		}
	}
}

func (in *intake) readScope(resource pcommon.Resource, records plog.LogRecordSlice, now time.Time) {
	unrolled := false
	for i := 0; i < records.Len(); i++ {
		reader, found := in.find(resource, records.At(i))
		if found == layout.Envelope && !unrolled {
			in.events.UnrollAll(resource, records, i)
			unrolled = true
			reader, found = in.find(resource, records.At(i))
		}
		var reason string
		if found >= 0 {
			reason = in.readEvent(reader, records.At(i), now)
		} else {
			reason = in.notAnEvent()
		}
		if reason != "" {
			in.skipped[reason]++
		}
		in.done = append(in.done, reason != "")
	}
}

func (in *intake) find(resource pcommon.Resource, record plog.LogRecord) (*source, int) {
	if record.EventName() == impression.IdentifyEventType {
		if found := in.updates.Find(resource, record); found >= 0 {
			return &in.updates, found
		}
	}
	return &in.events, in.events.Find(resource, record)
}

// Why a record gives no event, besides amplitude.IDFault.DropReason, as labels of a metric.
const (
	notAnEvent      = "not_an_event"
	notAnImpression = "not_an_impression"
	olderUpdate     = "older_update"
)

// notAnEvent says why the record that was read last is none: it may be one that could not be read.
func (in *intake) notAnEvent() string {
	seen := &in.events.Seen
	reason := notAnEvent
	for untouched, n := range seen.Untouched {
		if n > 0 {
			reason = layout.Untouched(untouched).String()
		}
	}
	clear(seen.Untouched[:])
	return reason
}

// readEvent adds an event to the batch, or says why not.
func (in *intake) readEvent(reader *source, record plog.LogRecord, now time.Time) string {
	event := amplitude.Event{Type: reader.EventType(), InsertID: reader.InsertID(), SessionID: reader.SessionID()}
	event.Properties, _ = reader.Properties()
	event.UserProperties, _ = reader.UserProperties()
	if in.config.Send == SendImpressions && !in.isImpression(&event) {
		return notAnImpression
	}
	var fault amplitude.IDFault
	event.UserID, event.DeviceID, fault = amplitude.CheckIDs(reader.UserID(), reader.DeviceID(), in.config.MinIDLength)
	if event.UserID == "" && event.DeviceID == "" {
		return fault.DropReason()
	}
	event.Time = in.timeOf(reader, record, &event)
	event.Groups, _ = reader.Groups()
	event.IsField = reader.isField
	event.IP, event.AppVersion, event.Platform = reader.IP(), reader.AppVersion(), reader.Platform()
	event.OSName, event.Language, event.UserAgent = reader.OSName(), reader.Language(), reader.UserAgent()
	event.Other, _ = reader.OtherFields()
	if in.leaveOutOlder(&event, now) {
		return olderUpdate
	}
	in.add(&event, record, now)
	in.noteChanged(len(in.batch.Events)-1, fault)
	return ""
}

// leaveOutOlder leaves out updates that are older than one before, and says whether nothing is left of the event. It is
// recognised as the one that it was with them.
func (in *intake) leaveOutOlder(event *amplitude.Event, now time.Time) bool {
	newer := in.guard.newer(event, len(in.batch.Events), now)
	if newer == event.UserProperties {
		return false
	}
	if event.InsertID == "" {
		event.InsertID = in.encoder.InsertHash(event)
	}
	event.UserProperties = newer
	return event.Type == impression.IdentifyEventType && newer.Len() == 0
}

func (in *intake) isImpression(event *amplitude.Event) bool {
	return slices.Contains(in.config.EventTypes, event.Type) || event.Type == impression.IdentifyEventType && updatesExperiment(event.UserProperties)
}

// timeOf is the event's time. An impression's own is among its properties, as the processor reads it.
func (in *intake) timeOf(reader *source, record plog.LogRecord, event *amplitude.Event) pcommon.Timestamp {
	var own pcommon.Value
	if event.Properties != (pcommon.Map{}) && slices.Contains(in.config.EventTypes, event.Type) {
		// Get does not return the zero Value for a miss.
		if value, present := event.Properties.Get("time"); present {
			own = value
		}
	}
	if at := reader.Time(own); at != 0 {
		return at
	}
	return record.ObservedTimestamp()
}

func (in *intake) add(event *amplitude.Event, record plog.LogRecord, now time.Time) {
	start := len(in.batch.Buffer)
	in.batch.Buffer = in.encoder.Append(append(in.batch.Buffer, ','), event)
	since := record.ObservedTimestamp().AsTime().UnixNano()
	if record.ObservedTimestamp() == 0 {
		since = now.UnixNano()
	}
	in.records = append(in.records, len(in.done))
	in.batch.Events = append(in.batch.Events, delivery.Event{
		Start:    start,
		End:      len(in.batch.Buffer),
		UserID:   amplitude.SentText(event.UserID),
		DeviceID: amplitude.SentText(event.DeviceID),
		Since:    since,
	})
}

// noteChanged notes what reading an event changed.
func (in *intake) noteChanged(index int, ids amplitude.IDFault) {
	changed := changedEvent{index: index, values: in.encoder.Changed, ids: ids}
	if changed == (changedEvent{index: index}) {
		return
	}
	in.changed = append(in.changed, changed)
	clear(in.encoder.Changed[:])
}

// isDone says whether a changed event is not brought again.
func (in *intake) isDone(changed *changedEvent) bool {
	return in.batch.Events[changed.index].State != delivery.Left
}

// fresh are the events of the logs.
func (in *intake) fresh() []delivery.Event {
	return in.batch.Events[len(in.places):]
}

// removeDone removes from the logs the records with which there is nothing left to do.
func (in *intake) removeDone(logs plog.Logs) {
	for i, event := range in.fresh() {
		in.done[in.records[i]] = event.State != delivery.Left
	}
	index := -1
	logs.ResourceLogs().RemoveIf(func(resource plog.ResourceLogs) bool {
		resource.ScopeLogs().RemoveIf(func(scope plog.ScopeLogs) bool {
			scope.LogRecords().RemoveIf(func(plog.LogRecord) bool {
				index++
				return in.done[index]
			})
			return scope.LogRecords().Len() == 0
		})
		return resource.ScopeLogs().Len() == 0
	})
}

// donePlaces are those of the deferred events that are done.
func (in *intake) donePlaces() []deferred.Place {
	var done []deferred.Place
	for i, place := range in.places {
		if in.batch.Events[i].State != delivery.Left {
			done = append(done, place)
		}
	}
	return done
}

// deferFresh makes those of the logs' events that are left deferred ones, stored in a chunk of this number.
func (in *intake) deferFresh(chunk uint64) {
	place := deferred.Place{Chunk: chunk}
	for i := len(in.places); i < len(in.batch.Events); i++ {
		in.places = append(in.places, place)
		event := &in.batch.Events[i]
		if event.State != delivery.Left {
			continue
		}
		place.Event++
		// It must not hold on to the logs.
		event.UserID, event.DeviceID = strings.Clone(event.UserID), strings.Clone(event.DeviceID)
	}
}

// reset lets go of the logs and of what is done. The deferred events that are left are the first of the next batch.
func (in *intake) reset() {
	in.guard.settle(in.batch.Events)
	in.moved = in.batch.KeepLeft(len(in.places), in.moved[:0])
	in.guard.move(in.moved)
	in.changed = slices.DeleteFunc(in.changed, func(changed changedEvent) bool { return in.moved[changed.index] < 0 })
	for i := range in.changed {
		in.changed[i].index = in.moved[in.changed[i].index]
	}
	for from, place := range in.places {
		if to := in.moved[from]; to >= 0 {
			in.places[to] = place
		}
	}
	in.places = in.places[:len(in.batch.Events)]
	in.events.Reset()
	in.updates.Reset()
	in.records, in.done = in.records[:0], in.done[:0]
	clear(in.skipped)
}
