// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// item is one event, from when it is read until it is done.
type item struct {
	delivery.Item
	kind kind
	// record is the index of the event's record among all records of the logs.
	record int
	// place is where a deferred event is stored. It is nil for an event of the logs.
	place *deferred.Place
	// held is set for an event of the logs that must not be delivered before earlier ones that aren't loaded.
	held bool
	// changed counts the values that are not sent as they came.
	changed []changedValues
	// updates are the updates of experiments' user properties in the event.
	updates []experimentUpdate
	// withheld are the updates of an event that isn't sent because newer ones of the batch come first. If Amplitude refuses
	// those, it is sent; else it is stale.
	withheld []experimentUpdate
	// stale is set if the event is dropped for its withheld updates.
	stale bool
	// unpaired reports whether the event is an impression that the processor read with another identity.
	unpaired bool
	// call is the kind of the event's call, and identified what an identify call says.
	call       layout.Kind
	identified identified
}

// changedValues is how many values of an event were changed for one reason.
type changedValues struct {
	reason reason
	count  int64
}

// refused reports whether Amplitude refuses the event for good.
func (it *item) refused() bool {
	return it.State == delivery.Dropped && !it.stale
}

// events returns the JSON of each event of the item.
func (it *item) events() []jsontext.Value {
	if it.More == 0 {
		return []jsontext.Value{it.JSON}
	}
	var all []jsontext.Value
	// The encoder wrote valid JSON.
	_ = json.Unmarshal(slices.Concat([]byte{'['}, it.JSON, []byte{']'}), &all, jsontext.AllowDuplicateNames(true))
	return all
}

// staysDeferred reports whether the event belongs to the next batch.
func (it *item) staysDeferred() bool {
	return it.place != nil && it.State == delivery.Left
}

// batch has the events of one delivery: first the deferred ones, then those of the logs. Its memory is reused for the next
// batch.
type batch struct {
	items []item
	// records is how many records were read.
	records int
	// skipped counts the records that have no item, by kind and reason.
	skipped [kindCount][reasonCount]int64
	// skippedCalls counts those of them that are calls of a CDP, by kind, and by whether the configuration filters them.
	skippedCalls [outcomeCount][layout.Kinds]int64
	// unsent are the first of the skipped events, if the inspector wants to know about them.
	unsent []inspection.Item
	// buffer is where the next event is encoded. Items refer to it, and to the buffers that it replaced.
	buffer []byte
	// bytes is how much memory the events of the logs take.
	bytes     int
	toDeliver []*delivery.Item
}

// itemSize is the approximate size of an item without its JSON.
const itemSize = 256

// maxBuffer is the size of the largest buffer that is reused.
const maxBuffer = 4 << 20

// skip counts a record without an item.
func (b *batch) skip(what kind, why reason, call layout.Kind) {
	b.skipped[what][why]++
	b.skippedCalls[why.outcome()][call]++
}

// encode encodes an event into the buffer. A buffer with little free space is replaced, because items refer to it.
func (b *batch) encode(encoder *amplitude.Encoder, e *event.Event) []byte {
	if cap(b.buffer)-len(b.buffer) < 4<<10 {
		b.buffer = make([]byte, 0, min(max(2*cap(b.buffer), 64<<10), maxBuffer))
	}
	start := len(b.buffer)
	b.buffer = encoder.Append(b.buffer, e)
	b.bytes += itemSize + len(b.buffer) - start
	return slices.Clip(b.buffer[start:])
}

// extend adds another event to the item that was encoded last.
func (b *batch) extend(it *item, encoder *amplitude.Encoder, e *event.Event) {
	start := len(b.buffer) - len(it.JSON)
	before := len(b.buffer)
	b.buffer = encoder.Append(append(b.buffer, ','), e)
	b.bytes += len(b.buffer) - before
	it.JSON = slices.Clip(b.buffer[start:])
	it.More++
}

// deferTo makes the event, which is stored in this place, one of the first of the next batch.
func (it *item) deferTo(place deferred.Place) {
	it.place, it.held = &place, false
	// It must not keep the logs, nor a whole buffer, in memory.
	it.JSON = slices.Clone(it.JSON)
	it.UserID, it.DeviceID = strings.Clone(it.UserID), strings.Clone(it.DeviceID)
}

// itemsToDeliver returns the parts that delivery needs of the items that may be delivered.
func (b *batch) itemsToDeliver() []*delivery.Item {
	b.toDeliver = b.toDeliver[:0]
	for i := range b.items {
		if it := &b.items[i]; it.withheld == nil && !it.held {
			b.toDeliver = append(b.toDeliver, &it.Item)
		}
	}
	return b.toDeliver
}

// fresh returns the events of the logs.
func (b *batch) fresh() []item {
	first := slices.IndexFunc(b.items, func(it item) bool { return it.place == nil })
	if first < 0 {
		return nil
	}
	return b.items[first:]
}

// removeDone removes from the logs the records that need not be delivered again, and returns how many are left.
func (b *batch) removeDone(logs plog.Logs) int {
	fresh := b.fresh()
	index := -1
	logs.ResourceLogs().RemoveIf(func(resource plog.ResourceLogs) bool {
		resource.ScopeLogs().RemoveIf(func(scope plog.ScopeLogs) bool {
			scope.LogRecords().RemoveIf(func(plog.LogRecord) bool {
				index++
				if len(fresh) == 0 || fresh[0].record != index {
					return true
				}
				state := fresh[0].State
				fresh = fresh[1:]
				return state != delivery.Left
			})
			return scope.LogRecords().Len() == 0
		})
		return resource.ScopeLogs().Len() == 0
	})
	return logs.LogRecordCount()
}

// leftFresh returns the events of the logs that are left.
func (b *batch) leftFresh() []*item {
	var left []*item
	fresh := b.fresh()
	for i := range fresh {
		if fresh[i].State == delivery.Left {
			left = append(left, &fresh[i])
		}
	}
	return left
}

// deferFresh turns the events of the logs that are left into deferred ones, which are stored in this chunk.
func (b *batch) deferFresh(chunk uint64) {
	deferredPart{items: b.leftFresh()}.deferItems(chunk)
}

// donePlaces returns the places of the deferred events that are done.
func (b *batch) donePlaces() []deferred.Place {
	var done []deferred.Place
	for i := range b.items {
		if it := &b.items[i]; it.place != nil && it.State != delivery.Left {
			done = append(done, *it.place)
		}
	}
	return done
}

// keepDeferred forgets everything but the deferred events that are left.
func (b *batch) keepDeferred() {
	b.items = slices.DeleteFunc(b.items, func(it item) bool { return !it.staysDeferred() })
	b.records, b.bytes, b.skipped = 0, 0, [kindCount][reasonCount]int64{}
	b.skippedCalls = [outcomeCount][layout.Kinds]int64{}
	clear(b.toDeliver)
	b.unsent = nil
	if b.buffer = b.buffer[:0]; cap(b.buffer) > maxBuffer {
		b.buffer = nil
	}
}
