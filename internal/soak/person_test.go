// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// person is a user or device whose numbered events one sender sends in order. The person's name and the number determine
// the content of an event.
type person struct {
	name             string
	userID, deviceID string
	// isOtel is set if the events have the otel layout. Otherwise they have the segment layout.
	isOtel bool
	// sent is how many events were written, and so the number of the next one.
	sent int
	// updates is how many of them cause a user property update.
	updates int
	// properties are the user properties after all these events.
	properties map[string]any
}

// newPeople returns people of all kinds: with a user id, with a device id, and with both.
func newPeople(prefix string, count int) []*person {
	people := make([]*person, count)
	for i := range people {
		p := &person{name: fmt.Sprintf("%s-%05d", prefix, i), isOtel: i%2 == 0, properties: map[string]any{}}
		if i%3 != 2 {
			p.userID = p.name + "@example.com"
		}
		if i%3 != 0 {
			p.deviceID = "device-of-" + p.name
		}
		people[i] = p
	}
	return people
}

// id returns the id by which Amplitude identifies the person.
func (p *person) id() string {
	if p.userID != "" {
		return p.userID
	}
	return p.deviceID
}

// firstTime is the time of everyone's first event. Later events have later times.
var firstTime = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// flagCount is how many flags each person sees.
const flagCount = 3

// write writes the person's next event to an empty record, with this many bytes of padding. Every fourth event isn't an
// impression.
func (p *person) write(record plog.LogRecord, padding int) {
	number := p.sent
	p.sent++
	drawn := p.draw(number)
	if number%4 == 3 {
		p.writeEvent(record, number, "Product Viewed", padding)
		return
	}
	flag := fmt.Sprintf("flag-%d", drawn%flagCount)
	variant := fmt.Sprintf("variant-%d", drawn/flagCount%10)
	if drawn/flagCount%10 == 0 {
		variant = ""
	}
	properties := p.writeEvent(record, number, "$impression", padding)
	properties.PutStr("flag_key", flag)
	if variant == "" {
		delete(p.properties, "[Experiment] "+flag)
	} else {
		properties.PutStr("variant", variant)
		p.properties["[Experiment] "+flag] = variant
	}
	p.updates++
}

// draw returns a pseudorandom number that is the same each time for the same event.
func (p *person) draw(number int) uint32 {
	hash := fnv.New32a()
	// Writes to a hash never fail.
	_, _ = fmt.Fprintf(hash, "%s/%d", p.name, number)
	return hash.Sum32()
}

// writeEvent writes an event and returns its properties, so that the caller can add more.
func (p *person) writeEvent(record plog.LogRecord, number int, eventType string, padding int) pcommon.Map {
	write := p.writeSegment
	if p.isOtel {
		write = p.writeOtel
	}
	properties := write(record, eventType, insertID(p.name, number), firstTime.Add(time.Duration(number)*time.Millisecond))
	properties.PutInt("number", int64(number))
	for i := 0; padding > 0; i++ {
		// Amplitude truncates longer strings.
		text := strings.Repeat("x", min(padding, 1000))
		properties.PutStr(fmt.Sprintf("padding_%d", i), text)
		padding -= len(text)
	}
	return properties
}

func (p *person) writeSegment(record plog.LogRecord, eventType, insertID string, at time.Time) pcommon.Map {
	call := record.Body().SetEmptyMap()
	call.PutStr("type", "track")
	call.PutStr("event", eventType)
	call.PutStr("messageId", insertID)
	call.PutStr("timestamp", at.Format(time.RFC3339Nano))
	if p.userID != "" {
		call.PutStr("userId", p.userID)
	}
	if p.deviceID != "" {
		call.PutStr("anonymousId", p.deviceID)
	}
	return call.PutEmptyMap("properties")
}

func (p *person) writeOtel(record plog.LogRecord, eventType, insertID string, at time.Time) pcommon.Map {
	record.SetEventName(eventType)
	record.SetTimestamp(pcommon.NewTimestampFromTime(at))
	record.Attributes().PutStr("log.record.uid", insertID)
	if p.userID != "" {
		record.Attributes().PutStr("user.id", p.userID)
	}
	if p.deviceID != "" {
		record.Attributes().PutStr("device.id", p.deviceID)
	}
	return record.Attributes()
}

func insertID(name string, number int) string {
	return fmt.Sprintf("%s-%09d", name, number)
}

// finalBatch returns one more event of each of the people. None causes an update.
func finalBatch(people []*person) plog.Logs {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, p := range people {
		p.writeEvent(records.AppendEmpty(), p.sent, "Session Ended", 0)
		p.sent++
	}
	return logs
}

// batch returns the next event of each of the people.
func batch(people []*person, padding int) plog.Logs {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.EnsureCapacity(len(people))
	for _, p := range people {
		p.write(records.AppendEmpty(), padding)
	}
	return logs
}
