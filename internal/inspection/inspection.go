// SPDX-License-Identifier: Apache-2.0

// Package inspection is what the components tell the extension impression_inspector: how many records they saw, and what became of
// single ones. They report only while somebody looks.
package inspection // import "github.com/impression-collector/impression-bridge/internal/inspection"

import (
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// Inspector is the extension. Its methods may be called concurrently. It keeps what it is given, which must not change.
type Inspector interface {
	// IsWatched reports whether reports are wanted. It costs one atomic load.
	IsWatched() bool
	// Received, Processed, and Delivered take the report of one request or batch.
	Received(Received)
	Processed(*Processed)
	Delivered(*Delivered)
	// ExplainProcessor registers a function that processes logs like the processor with this id, and describes the events in them
	// in order. It must not count them. ExplainExporter does the same for an exporter, which must not send them.
	ExplainProcessor(id string, explain func(plog.Logs) []Event)
	ExplainExporter(id string, explain func(plog.Logs) []Sent)
}

// Reporter leads a component to the inspector. The zero Reporter leads nowhere.
type Reporter struct {
	Inspector Inspector
}

// Find returns the reporter to the inspector among the host's extensions.
func Find[ID comparable, Extension any](extensions map[ID]Extension) Reporter {
	for _, extension := range extensions {
		if inspector, is := any(extension).(Inspector); is {
			return Reporter{inspector}
		}
	}
	return Reporter{}
}

// Watched returns the inspector, or nil if nobody looks.
func (r Reporter) Watched() Inspector {
	if r.Inspector == nil || !r.Inspector.IsWatched() {
		return nil
	}
	return r.Inspector
}

// MaxDetails is how many records of each kind a report describes at most.
const MaxDetails = 100

// Received is a request that a receiver answered.
type Received struct {
	Receiver, Source string
	// Events is how many events the pipeline accepted.
	Events int64
	// Reason is why the request was refused, or "". Text explains it.
	Reason, Text string
}

// Processed is a batch that a processor processed.
type Processed struct {
	Processor string
	// Records is how many records came. Claimed counts those that a layout claims, after envelopes are unrolled.
	Records, Claimed int64
	// Unclaimed counts the records that no layout claims, by reason. Outcomes and Updates count the events of listed types.
	Unclaimed, Outcomes, Updates map[string]int64
	// Shown has an element for each impression.
	Shown []Shown
	// Pairs are the first impressions of the batch.
	Pairs []Pair
	// Left are the first records and events that stay as they are but may be meant as impressions.
	Left []Event
	// Names counts the event types that came, of a sample of the records. Types are the listed ones, before and after the processor.
	Names map[string]int64
	Types []string
}

// Shown is an impression as experiments are evaluated.
type Shown struct {
	FlagKey, Variant string
	// User is the user id or, without one, the device id.
	User string
	// IsAssigned reports whether the user is assigned to the variant, rather than shown a fallback.
	IsAssigned bool
}

// Event describes a record: as an event, or why it isn't one.
type Event struct {
	// Record is a copy of the record as it came.
	Record plog.LogRecord
	// Input is the index of the record among those that came, before envelopes are unrolled. Only Explain needs it.
	Input int
	// Problem is why the record isn't an event, or "".
	Problem string
	// Weight is how many records of the batch this one stands for, in a sample.
	Weight int64

	Type, UserID, DeviceID, InsertID string
	reader.Trace

	// IsListed reports whether the type is one of the processor's event_types.
	IsListed bool
	// Outcome, Operation, and Reason are what the processor did with an event of a listed type, by their names in its metrics.
	Outcome, Operation, Reason string
	FlagKey, Variant           string
	// HasFlagKey reports whether an event of a type that isn't listed has the properties of an impression.
	HasFlagKey bool
}

// Pair is an impression before and after the processor.
type Pair struct {
	Event
	// UpdateID is the insert id of the update, or "" if there is no record of it.
	UpdateID string
	// Update and After are copies of the records that the processor emitted, or zero.
	Update, After plog.LogRecord
}

// Delivered is a batch that an exporter tried to deliver.
type Delivered struct {
	Exporter string
	// Skipped counts the records that it doesn't send, by reason.
	Skipped map[string]int64
	Items   []Item
	// Unsent are the first of the skipped events.
	Unsent []Item
}

// The states of an Item.
const (
	StateDelivered = "delivered"
	StateWaiting   = "waiting"
	StateRefused   = "refused"
)

// Item is an event on its way to Amplitude.
type Item struct {
	Type     string `json:"event_type"`
	InsertID string `json:"insert_id"`
	// State is one of those above. Reason is why it is refused, or what is wrong with it although it is delivered.
	State, Reason string `json:"-"`
}

// Sent describes what an exporter makes of a record.
type Sent struct {
	Event
	// JSON are the events that it becomes, in Amplitude's form. There are none if it isn't sent, for the Reason.
	JSON   [][]byte
	Reason string
	// IsUnpaired reports whether it is an impression that the processor read with another identity.
	IsUnpaired bool
}

// Describe describes what a reader yielded. It must be called before the event is changed.
func Describe(e *reader.Event) Event {
	described := Event{Record: CopyOf(e.Record), Weight: 1}
	if e.Problem != reader.NoProblem {
		described.Problem = e.Problem.String()
		return described
	}
	described.Trace = e.Trace()
	described.Type, described.InsertID = e.Text(event.Type), e.Text(event.InsertID)
	described.UserID, described.DeviceID = e.Text(event.UserID), e.Text(event.DeviceID)
	return described
}

// CopyOf returns a copy of a record.
func CopyOf(record plog.LogRecord) plog.LogRecord {
	copied := plog.NewLogRecord()
	record.CopyTo(copied)
	return copied
}
