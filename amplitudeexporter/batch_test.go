// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deferred"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/event"
)

// addEvents adds events that are numbered from first to a batch.
func addEvents(b *batch, first, count int) {
	var encoder amplitude.Encoder
	for n := range count {
		var e event.Event
		e.SetText(event.Type, strconv.Itoa(first+n))
		e.SetText(event.UserID, "user-17")
		json := b.encode(&encoder, &e)
		b.items = append(b.items, item{Item: delivery.Item{JSON: json}, record: n})
	}
}

// textsOf returns the JSON of a batch's events.
func textsOf(b *batch) []string {
	var texts []string
	for i := range b.items {
		texts = append(texts, string(b.items[i].JSON))
	}
	return texts
}

func textOf(number int) string {
	return fmt.Sprintf(`{"event_type":"%d","user_id":"user-17"}`, number)
}

func TestOnlyDeferredEventsStayInABatch(t *testing.T) {
	var b batch
	addEvents(&b, 0, 5)
	for i, state := range []delivery.State{delivery.Delivered, delivery.Left, delivery.Dropped, delivery.Left, delivery.Left} {
		b.items[i].State = state
	}
	b.deferFresh(7)
	b.items[3].State = delivery.Delivered
	addEvents(&b, 5, 1)
	assert.Equal(t, []deferred.Place{{Chunk: 7, Event: 1}}, b.donePlaces())
	b.keepDeferred()
	addEvents(&b, 6, 2)
	assert.Equal(t, []string{textOf(1), textOf(4), textOf(6), textOf(7)}, textsOf(&b), "the buffer is used again")
	assert.Equal(t, deferred.Place{Chunk: 7, Event: 2}, *b.items[1].place)
	assert.Len(t, b.fresh(), 2)
	assert.Empty(t, b.donePlaces())
}

func TestAFullBufferIsReplaced(t *testing.T) {
	var b batch
	const events = 10_000
	addEvents(&b, 0, events)
	for i, text := range textsOf(&b) {
		assert.Equal(t, textOf(i), text)
	}
	b.keepDeferred()
	largest := cap(b.buffer)
	addEvents(&b, 0, 10)
	assert.Equal(t, largest, cap(b.buffer), "it is used again")

	b.buffer = slices.Grow(b.buffer, 2*maxBuffer)
	b.keepDeferred()
	assert.Zero(t, cap(b.buffer), "a very large one is not")
}
