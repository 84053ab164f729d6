// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"cmp"
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// batchReader reads log records and encodes their events.
type batchReader struct {
	config       *Config
	events       *reader.Reader
	encoder      amplitude.Encoder
	staleUpdates *staleUpdates
	unchanged    *unchanged
	deadLetters  *deadLetters
	dropLog      *dropLog
	pairing      pairing
	// isWatched is set if the inspector wants to know about skipped events.
	isWatched bool
	// name is where the name of a page or screen call is put together.
	name []byte
}

func newBatchReader(config *Config, library string) (*batchReader, error) {
	layouts, err := layout.CompileWithCalls(config.Layouts, layout.CallOptions{
		EveryCall:   config.Calls.Traits == TraitsFromEveryCall,
		Attribution: config.Calls.Attribution && config.Send == SendAll,
	})
	if err != nil {
		return nil, err
	}
	stale, err := newStaleUpdates()
	if err != nil {
		return nil, err
	}
	unchanged, err := newUnchanged(&config.Calls.Identify)
	if err != nil {
		return nil, err
	}
	events := reader.New(reader.Settings{
		// The processor's updates have the same form whatever layouts are configured.
		Layouts: slices.Concat([]layout.Layout{layout.OfUpdates(impression.IdentifyEventType)}, layouts),
		Fields:  event.Fields(),
		Limits:  config.JSONBody,

		MinIDLength:    config.MinIDLength,
		TellProperties: true,
	})
	encoder := newEncoder(config, library)
	return &batchReader{config: config, events: events, encoder: encoder, staleUpdates: stale, unchanged: unchanged}, nil
}

func newEncoder(config *Config, library string) amplitude.Encoder {
	return amplitude.Encoder{Library: library, PartnerID: config.PartnerID, SkipUserPropertiesSync: !config.UserPropertiesSync}
}

// maxEncoded is how much memory the events that are delivered at once may take, in bytes. It bounds the memory of a batch whose
// events are much larger than their records, because they have fields of a resource or of an envelope.
const maxEncoded = 8 << 20

// read adds the events of logs to a batch, and counts the records that aren't added. It unrolls envelopes in place. If the events
// take more than maxBytes, or much memory before they are encoded, isCut is true, and the records from end on aren't read.
func (r *batchReader) read(b *batch, logs plog.Logs, now time.Time, maxBytes int) (end pdatautil.Position, isCut bool) {
	for i, resource := range logs.ResourceLogs().All() {
		for j, scope := range resource.ScopeLogs().All() {
			end = pdatautil.Position{Resource: i, Scope: j}
			if scope.LogRecords().Len() > 0 && (b.bytes > maxBytes || r.events.IsFull()) {
				return end, true
			}
			r.readScope(b, resource, scope, now, maxBytes)
			if unread := r.events.Left(); unread > 0 {
				end.Record = scope.LogRecords().Len() - unread
				return end, true
			}
		}
	}
	return end, false
}

// readStored adds all events of stored logs to a batch. They are envelopes only if the configuration has changed.
func (r *batchReader) readStored(b *batch, logs plog.Logs, now time.Time) {
	for {
		end, isCut := r.read(b, logs, now, math.MaxInt)
		if !isCut {
			return
		}
		pdatautil.Split(logs, end)
		r.events.StartPart()
	}
}

func (r *batchReader) readScope(b *batch, resource plog.ResourceLogs, scope plog.ScopeLogs, now time.Time, maxBytes int) {
	r.pairing.beginScope()
	for _, e := range r.events.Events(resource.Resource(), scope.LogRecords()) {
		if what, why := r.readEvent(b, e, now); why != reasonNone {
			b.skip(what, why, e.Call().Kind)
			if r.isWatched {
				b.addUnsent(why, e)
			}
			r.dropLog.skip(what, why, e)
			r.deadLetters.addSkipped(why, e, resource, scope, now)
		}
		b.records++
		if b.bytes > maxBytes {
			return
		}
	}
}

// readEvent adds an event to the batch, or returns the reason why it doesn't. It also returns the kind of the record.
func (r *batchReader) readEvent(b *batch, e *reader.Event, now time.Time) (kind, reason) {
	unpaired := r.pairing.next(e)
	what := r.kindOf(e, unpaired)
	if e.Problem != reader.NoProblem {
		if unpaired {
			return what, reasonUnpairedUpdate
		}
		return what, reasonOf(e.Problem.String())
	}
	if r.config.Send == SendImpressions && what == kindOther {
		return what, reasonNotAnImpression
	}
	if why := r.readCall(e); why != reasonNone {
		return what, why
	}
	own := cmp.Or(r.takeOwnTime(&e.Event, what), e.Time(event.Time))
	e.SetInteger(event.Time, int64(cmp.Or(own, e.Record.ObservedTimestamp())))
	userID, deviceID, fault := amplitude.CheckIDs(e.Text(event.UserID), e.Text(event.DeviceID), r.config.MinIDLength)
	if userID == "" && deviceID == "" {
		if unpaired {
			return what, reasonUnpairedUpdate
		}
		return what, reasonOf(fault.DropReason())
	}
	e.SetText(event.UserID, userID)
	e.SetText(event.DeviceID, deviceID)
	if hasNothingToSend(&e.Event) {
		return what, reasonNothingToSend
	}
	says, isUnchanged := r.unchanged.read(e, &r.encoder, now)
	if isUnchanged {
		return what, reasonUnchanged
	}
	updates, withheld, left := r.removeStaleUpdates(&e.Event, own, now)
	if !left {
		return what, reasonOlderUpdate
	}
	it := item{kind: what, record: b.records, updates: updates, withheld: withheld, unpaired: unpaired, call: e.Call().Kind, identified: says}
	it.Since = int64(cmp.Or(e.Record.ObservedTimestamp(), pcommon.NewTimestampFromTime(now)))
	r.encode(b, &it, e)
	it.UserID, it.DeviceID = amplitude.SentText(userID), amplitude.SentText(deviceID)
	it.changed = r.takeChanged(fault)
	b.items = append(b.items, it)
	return what, reasonNone
}

// removeStaleUpdates removes stale updates from an event with this time of its own. It returns the remaining updates, or those
// for which the event is withheld, and reports whether the event still has anything to send.
func (r *batchReader) removeStaleUpdates(e *event.Event, own pcommon.Timestamp, now time.Time) (updates, withheld []experimentUpdate, left bool) {
	if !r.config.UserPropertiesSync {
		setPlainly(e)
		return nil, nil, true
	}
	if r.config.OlderUpdates == SendOlderUpdates {
		return nil, nil, true
	}
	all, _ := e.Map(event.UserProperties)
	rest, updates, withheld := r.staleUpdates.remove(e, own, now)
	if rest == all {
		return updates, withheld, true
	}
	if e.Text(event.InsertID) == "" {
		// Hash the event before its updates are removed, so that it has the same id each time it is read.
		e.SetText(event.InsertID, r.encoder.InsertHash(e))
	}
	e.SetMap(event.UserProperties, rest)
	return updates, withheld, e.Text(event.Type) != impression.IdentifyEventType || rest.Len() > 0
}

// setPlainly replaces operations that only set and unset user properties by the properties that they set. Without the
// synchronization, Amplitude shows an event with those that it was sent with and no others, and documents this for plain ones.
func setPlainly(e *event.Event) {
	all, has := e.Map(event.UserProperties)
	if !has || all.Len() == 0 || e.Text(event.Type) == impression.IdentifyEventType {
		return
	}
	var operands []pcommon.Map
	for key, value := range all.All() {
		switch {
		case (key == layout.Set || key == layout.SetOnce) && value.Type() == pcommon.ValueTypeMap:
			operands = append(operands, value.Map())
		case key == layout.Unset || e.UserTraits && !amplitude.IsOperation(key):
		default:
			return
		}
	}
	plain := pcommon.NewMap()
	if e.UserTraits {
		all.CopyTo(plain)
		plain.RemoveIf(func(key string, value pcommon.Value) bool { return !amplitude.IsPlainTrait(key, value) })
	}
	for _, m := range operands {
		pdatautil.AddMissing(plain, m, nil)
	}
	e.UserTraits = false
	if plain.Len() == 0 {
		plain = pcommon.Map{}
	}
	e.SetMap(event.UserProperties, plain)
}

// takeOwnTime returns the time among an impression's properties, or 0. It comes first, as in the processor. It isn't sent as a
// property, because Amplitude's own SDK takes it out of the properties too (setEventReceiver in analytics-browser,
// https://github.com/amplitude/Amplitude-TypeScript/blob/main/packages/analytics-browser/src/browser-client.ts).
func (r *batchReader) takeOwnTime(e *event.Event, what kind) pcommon.Timestamp {
	properties, has := e.Map(event.Properties)
	if !has || what != kindImpression {
		return 0
	}
	property, at := impression.OwnTime(properties)
	if at != 0 {
		e.MarkRead(property)
	}
	return at
}

// takeChanged returns and resets the number of changed values of the last event, by reason: ids that were left out, and values
// that the encoder changed.
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

// endPart remembers the updates of the items.
func (r *batchReader) endPart(items []item) {
	r.staleUpdates.endBatch(items)
	r.unchanged.endBatch(items, time.Now())
	r.events.StartPart()
}

// endLogs drops the references to the records that were read.
func (r *batchReader) endLogs() {
	r.events.Reset()
	r.pairing.beginScope()
}
