// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"cmp"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// batch transforms the records of one batch, scope by scope. It rewrites the impressions of a scope and collects their
// updates. After the scope, it writes the updates into the records that the reader inserted for them. A batch can be reused,
// but not concurrently.
type batch struct {
	config      *compiled
	events      *reader.Reader
	impressions *impression.Reader
	rename      *impression.Renamer
	counts      counts
	// tap collects what is reported to the inspector. It is nil while nobody looks.
	tap *tap

	// pending are the updates of one scope that are emitted as records, in the order of their impressions.
	pending []pendingUpdate
	// texts concatenates the property names and insert ids of pending, so that all of them cost one allocation.
	texts []byte
	// added is the weight of all updates of the part: the bytes of their texts, and updateWeight for each.
	added int
	// isCut reports whether records are left for the next part. Then, end is the first of them.
	isCut bool
	end   pdatautil.Position
	// removed has the indexes in one scope of the dropped impressions that no update replaces, in ascending order.
	removed []int
}

// pendingUpdate is an update that isn't written to its record yet.
type pendingUpdate struct {
	impression.Update
	// index is the index of the update's record in the scope.
	index int
	// propertyEnd and insertIDEnd are where the property's name and the insert id end in batch.texts.
	propertyEnd, insertIDEnd int
	// replaces reports whether the update takes the place of its impression, which is dropped.
	replaces bool
}

func newBatch(config *compiled) *batch {
	return &batch{
		config:      config,
		events:      config.events.Clone(),
		impressions: impression.NewReader(config.limits),
		rename:      impression.NewRenamer(),
		counts:      newCounts(len(config.eventTypes)),
	}
}

const (
	// maxAdded is the weight of updates above which the records are passed on: about 10,000 usual updates.
	maxAdded = 4 << 20
	// updateWeight is the weight of an update without its texts. Its record takes more bytes than that, but texts may be copied
	// from the resource of many records.
	updateWeight = 128
)

// maxKeptTexts is the largest texts buffer, in bytes, that is kept for the next batch.
const maxKeptTexts = 1 << 20

// startPart makes isFull count from zero.
func (b *batch) startPart() {
	b.added = 0
	b.events.StartPart()
}

// reset prepares b for the next batch. It drops all references to the records of this one.
func (b *batch) reset() {
	b.events.Reset()
	b.impressions.Reset()
	b.counts.reset()
	b.startPart()
	if cap(b.texts) > maxKeptTexts {
		b.texts = nil
	}
}

// process transforms the impressions of a batch. It removes the scopes and resources that become empty, and reports whether
// anything is left to pass on. If the batch isFull, it sets isCut, and doesn't process the records from end on.
func (b *batch) process(logs plog.Logs) (left bool) {
	b.end, b.isCut = pdatautil.Position{}, false
	resources := logs.ResourceLogs()
	arrived := resources.Len()
	resources.RemoveIf(func(resource plog.ResourceLogs) bool {
		if b.isCut {
			return false
		}
		isEmpty := b.processResource(resource)
		if !isEmpty && !b.isCut {
			b.end = pdatautil.Position{Resource: b.end.Resource + 1}
		}
		return isEmpty
	})
	return arrived == 0 || resources.Len() > 0
}

// processResource reports whether the resource has become empty.
func (b *batch) processResource(resource plog.ResourceLogs) (isEmpty bool) {
	scopes := resource.ScopeLogs()
	arrived := scopes.Len()
	scopes.RemoveIf(func(scope plog.ScopeLogs) bool {
		records := scope.LogRecords()
		arrived := records.Len()
		b.isCut = b.isCut || arrived > 0 && b.isFull()
		if b.isCut {
			return false
		}
		b.processScope(resource.Resource(), records)
		if unread := b.events.Left(); unread > 0 {
			b.isCut, b.end.Record = true, records.Len()-unread
			return false
		}
		if arrived > 0 && records.Len() == 0 {
			return true
		}
		b.end.Scope++
		return false
	})
	return arrived > 0 && scopes.Len() == 0
}

func (b *batch) processScope(resource pcommon.Resource, records plog.LogRecordSlice) {
	for i, e := range b.events.Events(resource, records) {
		if e.Problem == reader.NoProblem {
			b.processEvent(i, e)
		} else {
			b.counts.problems[e.Problem]++
			b.tap.addLeft(e, "")
		}
		if b.isFull() {
			break
		}
	}
	if len(b.pending) > 0 {
		b.writePending(records)
	}
	b.tap.copyResults(records)
	if len(b.removed) > 0 {
		b.removeDropped(records)
	}
}

// isFull reports whether the records of the part must be passed on before more are processed.
func (b *batch) isFull() bool {
	return b.added > maxAdded || b.events.IsFull()
}

// processEvent transforms an event of a listed type if its properties are those of an impression. Otherwise, it only counts
// why not.
func (b *batch) processEvent(index int, e *reader.Event) {
	properties, isMap := e.Map(event.Properties)
	if !isMap {
		b.leave(e, malformedProperties)
		return
	}
	shown, fault := b.impressions.Read(properties)
	if fault != impression.NoFault {
		b.leave(e, outcomeOf[fault])
		return
	}
	b.counts.impression(shown.FlagKey, shown.Variant)
	update := b.config.update(e, &shown)
	drop := b.config.drop && update.Operation == impression.Unset
	b.emit(index, e, &shown, &update, drop)
	b.tap.addPair(e, &shown, update.Operation, drop, b.pending)
	if drop {
		b.counts.event(e.TypeIndex, dropped)
		return
	}

	if e.Record.Timestamp() == 0 {
		e.Record.SetTimestamp(update.Time)
	}
	e.SetType(b.config.eventTypes[e.TypeIndex].post)
	b.rename.Rename(&shown, properties)
	if b.config.emit == EmitInline && update.Operation.Updates() {
		update.Property = impression.Property(shown.FlagKey)
		update.WriteInline(e.Root)
	}
	b.counts.event(e.TypeIndex, transformed)
}

// leave counts an event that stays as it is.
func (b *batch) leave(e *reader.Event, why outcome) {
	b.counts.event(e.TypeIndex, why)
	b.tap.addLeft(e, outcomeTexts[why])
}

// update returns the user property update of an impression, without the property's name and the insert id.
func (c *compiled) update(e *reader.Event, shown *impression.Impression) impression.Update {
	update := impression.Update{
		Variant: shown.Variant,
		Time:    cmp.Or(shown.Time, e.Time(event.Time)),
	}
	if c.needsIdentity() {
		// A resource's id would be copied to the updates of all its records, at any length.
		update.Identity = impression.Identity{
			UserID: amplitude.Cut(e.Text(event.UserID)), DeviceID: amplitude.Cut(e.Text(event.DeviceID)),
		}
	}
	identified := !c.needsIdentity() || update.Identity != impression.Identity{}
	update.Operation = shown.Operation(identified, c.unsetVariants)
	return update
}

// emit counts an update, and adds it to pending if it becomes a record. If the impression is dropped and no update replaces
// it, emit adds the impression to removed.
func (b *batch) emit(index int, e *reader.Event, shown *impression.Impression, update *impression.Update, drop bool) {
	if b.config.emit != EmitNone {
		b.counts.updates[update.Operation]++
	}
	switch {
	case b.config.emit == EmitRecord && update.Operation.Updates():
		start := len(b.texts)
		b.texts = impression.AppendProperty(b.texts, shown.FlagKey)
		propertyEnd := len(b.texts)
		b.texts = update.AppendInsertID(b.texts, shown.FlagKey, e.Text(event.InsertID))
		b.added += updateWeight + len(update.Identity.UserID) + len(update.Identity.DeviceID) + len(update.Variant) + len(b.texts) - start
		if !drop {
			index = e.InsertBefore()
		}
		b.pending = append(b.pending, pendingUpdate{
			Update: *update, index: index, propertyEnd: propertyEnd, insertIDEnd: len(b.texts), replaces: drop,
		})
	case drop:
		b.removed = append(b.removed, index)
	}
}

// writePending writes each pending update to the record before its impression, or in place of the impression.
func (b *batch) writePending(records plog.LogRecordSlice) {
	texts, start := string(b.texts), 0
	for i := range b.pending {
		update := &b.pending[i]
		update.Property, update.InsertID = texts[start:update.propertyEnd], texts[update.propertyEnd:update.insertIDEnd]
		start = update.insertIDEnd
		if update.replaces {
			replace(records.At(update.index), &update.Update)
		} else {
			update.WriteRecord(records.At(update.index), records.At(update.index+1))
		}
	}
	clear(b.pending)
	b.pending, b.texts = b.pending[:0], b.texts[:0]
}

func replace(record plog.LogRecord, update *impression.Update) {
	written := plog.NewLogRecord()
	update.WriteRecord(written, record)
	written.MoveTo(record)
}

func (b *batch) removeDropped(records plog.LogRecordSlice) {
	index, next := -1, 0
	records.RemoveIf(func(plog.LogRecord) bool {
		index++
		remove := next < len(b.removed) && b.removed[next] == index
		if remove {
			next++
		}
		return remove
	})
	b.removed = b.removed[:0]
}
