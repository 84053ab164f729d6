// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// batch transforms the records of one batch, scope by scope: a first pass rewrites the impressions and notes their
// updates, a second puts the updates among the records. It is used again for other batches, one at a time.
type batch struct {
	config *compiled
	reader *layout.Reader
	rename *impression.Renamer
	counts counts

	// pending are the updates of one scope that are emitted as records, in the order of their impressions.
	pending []pendingUpdate
	// insertIDs holds the insert ids of pending one after the other, so that they cost one allocation together.
	insertIDs []byte
	// gaps are where updates are to be inserted into one scope.
	gaps []layout.Gap
	// removed are the indexes in one scope of the dropped impressions that no update replaces, ascending.
	removed []int
}

// pendingUpdate is an update whose record is not made yet.
type pendingUpdate struct {
	impression.Update
	// index is the impression's in its scope.
	index int
	// insertIDEnd is where the insert id ends in batch.insertIDs.
	insertIDEnd int
	// replaces says that the update takes the place of its impression, which is dropped.
	replaces bool
}

func newBatch(config *compiled) *batch {
	return &batch{
		config: config,
		reader: layout.NewReader(config.layouts, config.preForms(), config.limits),
		rename: impression.NewRenamer(),
		counts: newCounts(len(config.eventTypes)),
	}
}

// mostKept is how many bytes of insert ids stay with a batch for the next.
const mostKept = 1 << 20

// reset lets go of the records that were processed.
func (b *batch) reset() {
	b.reader.Reset()
	b.counts.reset()
	if cap(b.insertIDs) > mostKept {
		b.insertIDs = nil
	}
}

// process transforms all impressions of a batch, removes the scopes and resources that this leaves empty, and says whether
// anything is left.
func (b *batch) process(logs plog.Logs) bool {
	resources := logs.ResourceLogs()
	arrived := resources.Len()
	resources.RemoveIf(func(resource plog.ResourceLogs) bool {
		scopes := resource.ScopeLogs()
		arrived := scopes.Len()
		scopes.RemoveIf(func(scope plog.ScopeLogs) bool {
			arrived := scope.LogRecords().Len()
			b.processScope(resource.Resource(), scope.LogRecords())
			return arrived > 0 && scope.LogRecords().Len() == 0
		})
		return arrived > 0 && scopes.Len() == 0
	})
	return arrived == 0 || resources.Len() > 0
}

func (b *batch) processScope(resource pcommon.Resource, records plog.LogRecordSlice) {
	unrolled := false
	for i := 0; i < records.Len(); i++ {
		if b.reader.IsOther(records.At(i)) {
			continue
		}
		eventType := b.reader.Find(resource, records.At(i))
		if eventType == layout.Envelope && !unrolled {
			b.reader.UnrollAll(resource, records, i)
			unrolled = true
			eventType = b.reader.Find(resource, records.At(i))
		}
		if eventType >= 0 {
			b.processEvent(i, records.At(i), eventType)
		}
	}
	b.counts.records += int64(records.Len())
	if len(b.pending) > 0 {
		b.insertPending(records)
	}
	if len(b.removed) > 0 {
		b.removeDropped(records)
	}
}

// processEvent transforms an event of a listed type, if it is an impression.
func (b *batch) processEvent(index int, record plog.LogRecord, eventType int) {
	properties, isMap := b.reader.Properties()
	if !isMap {
		b.leave(eventType, malformedProperties)
		return
	}
	shown, fault := impression.Read(properties)
	if fault != impression.NoFault {
		b.leave(eventType, outcomeOf[fault])
		return
	}
	property := b.counts.impression(shown.FlagKey, shown.Variant)

	update := impression.Update{
		Identity: b.identity(),
		Property: property,
		Variant:  shown.Variant,
		Time:     b.reader.Time(shown.Time),
	}
	identified := !b.config.needsIdentity() || update.Identity != impression.Identity{}
	update.Operation = shown.Operation(identified, b.config.unsetVariants)
	drop := b.config.drop && update.Operation == impression.Unset
	if b.config.emit == EmitRecord {
		b.notePending(index, &shown, &update, drop)
	} else if drop {
		b.removed = append(b.removed, index)
	}
	if b.config.emit != EmitNone {
		b.counts.updates[update.Operation]++
	}
	if drop {
		b.counts.event(eventType, dropped)
		return
	}

	if record.Timestamp() == 0 {
		record.SetTimestamp(update.Time)
	}
	b.reader.SetEventType(b.config.eventTypes[eventType].pre, b.config.eventTypes[eventType].post)
	b.rename.Rename(&shown, properties)
	if b.config.emit == EmitInline && update.Operation.Updates() {
		update.WriteInline(b.reader.Root())
	}
	b.counts.event(eventType, transformed)
}

// leave leaves an event as it came.
func (b *batch) leave(eventType int, why outcome) {
	b.reader.RestoreText()
	b.counts.event(eventType, why)
}

// identity reads whom the impression was shown to, where it matters.
func (b *batch) identity() impression.Identity {
	if !b.config.needsIdentity() {
		return impression.Identity{}
	}
	return impression.Identity{UserID: b.reader.UserID(), DeviceID: b.reader.DeviceID()}
}

func (b *batch) notePending(index int, shown *impression.Impression, update *impression.Update, replaces bool) {
	if !update.Operation.Updates() {
		return
	}
	b.insertIDs = impression.AppendInsertID(b.insertIDs, b.reader.InsertID(), shown, update.Identity, update.Time)
	b.pending = append(b.pending, pendingUpdate{
		Update:      *update,
		index:       index,
		insertIDEnd: len(b.insertIDs),
		replaces:    replaces,
	})
}

// insertPending puts each update directly before its impression, or in its place.
func (b *batch) insertPending(records plog.LogRecordSlice) {
	for i := range b.pending {
		if !b.pending[i].replaces {
			b.gaps = append(b.gaps, layout.Gap{Before: b.pending[i].index, Records: 1})
		}
	}
	layout.OpenGaps(records, b.gaps)
	insertIDs := string(b.insertIDs)
	insertIDStart, opened := 0, 0
	for i := range b.pending {
		update := &b.pending[i]
		update.InsertID = insertIDs[insertIDStart:update.insertIDEnd]
		insertIDStart = update.insertIDEnd
		at := update.index + opened
		if update.replaces {
			replace(records.At(at), &update.Update)
			continue
		}
		update.WriteRecord(records.At(at), records.At(at+1))
		opened++
	}
	clear(b.pending)
	b.pending, b.insertIDs, b.gaps = b.pending[:0], b.insertIDs[:0], b.gaps[:0]
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
