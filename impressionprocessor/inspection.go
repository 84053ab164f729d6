// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"cmp"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// tap collects what the inspector is told of a batch. A nil tap collects nothing.
type tap struct {
	report inspection.Processed
	// places has an element for each of report.Pairs. Those before copied are done.
	places []pairPlace
	copied int
}

// pairPlace has the indexes of the records of a pair in the scope, or -1 if there is none.
type pairPlace struct {
	update, after int
}

func newTap(config *compiled, logs plog.Logs) *tap {
	t := &tap{report: inspection.Processed{Records: int64(logs.LogRecordCount()), Names: map[string]int64{}}}
	t.sample(config, logs)
	return t
}

// maxSampledText is the length of the largest text that is parsed only to show which events it has.
const maxSampledText = 64 << 10

// sample looks at some records for the names of events, and for records that no layout claims, which the batch passes over.
func (t *tap) sample(config *compiled, logs plog.Logs) {
	every := int(t.report.Records)/inspection.MaxDetails + 1
	all, index := newDescriber(config), 0
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				index++
				if (index-1)%every != 0 || record.Body().Type() == pcommon.ValueTypeStr && len(record.Body().Str()) > maxSampledText {
					continue
				}
				for _, e := range all.describe(resource.Resource(), record) {
					t.addSampled(e, int64(every))
				}
			}
		}
	}
}

func (t *tap) addSampled(e inspection.Event, weight int64) {
	isLeft := e.HasFlagKey || e.Problem == reader.NotAnEvent.String()
	if isLeft && len(t.report.Left) < inspection.MaxDetails {
		e.Weight = weight
		t.report.Left = append(t.report.Left, e)
	}
	if e.Type != "" {
		t.report.Names[e.Type] += weight
	}
}

// addLeft adds a record that can't be read, or an event of a listed type that isn't an impression.
func (t *tap) addLeft(e *reader.Event, outcome string) {
	if t == nil || len(t.report.Left) >= 2*inspection.MaxDetails {
		return
	}
	described := inspection.Describe(e)
	described.Outcome, described.IsListed = outcome, outcome != ""
	t.report.Left = append(t.report.Left, described)
}

// addPair adds an impression, before it is changed. pending are the updates of the scope so far; the last may be this impression's.
func (t *tap) addPair(e *reader.Event, shown *impression.Impression, operation impression.Operation, isDropped bool, pending []pendingUpdate) {
	if t == nil {
		return
	}
	t.report.Shown = append(t.report.Shown, inspection.Shown{
		FlagKey: shown.FlagKey, Variant: shown.Variant,
		User:       cmp.Or(e.Text(event.UserID), e.Text(event.DeviceID)),
		IsAssigned: operation == impression.Set,
	})
	if len(t.report.Pairs) == inspection.MaxDetails {
		return
	}
	pair := inspection.Pair{Event: inspection.Describe(e)}
	describeImpression(&pair.Event, shown, operation, isDropped)
	t.report.Pairs = append(t.report.Pairs, pair)
	place := pairPlace{update: -1, after: e.Index()}
	if isDropped {
		place.after = -1
	}
	if len(pending) > 0 {
		last := &pending[len(pending)-1]
		if last.replaces && last.index == e.Index() || !last.replaces && last.index == e.Index()-1 {
			place.update = last.index
		}
	}
	t.places = append(t.places, place)
}

func describeImpression(e *inspection.Event, shown *impression.Impression, operation impression.Operation, isDropped bool) {
	e.IsListed, e.FlagKey, e.Variant = true, shown.FlagKey, shown.Variant
	e.Outcome = outcomeTexts[transformed]
	if isDropped {
		e.Outcome = outcomeTexts[dropped]
	}
	e.Operation, e.Reason = operationTexts[operation].operation, operationTexts[operation].reason
}

// copyResults copies the updates and impressions of the scope that was processed last.
func (t *tap) copyResults(records plog.LogRecordSlice) {
	if t == nil {
		return
	}
	for ; t.copied < len(t.places); t.copied++ {
		place, pair := t.places[t.copied], &t.report.Pairs[t.copied]
		if place.update >= 0 {
			pair.Update = inspection.CopyOf(records.At(place.update))
			insertID, _ := pair.Update.Attributes().Get("insert_id")
			pair.UpdateID = insertID.Str()
		}
		if place.after >= 0 {
			pair.After = inspection.CopyOf(records.At(place.after))
		}
	}
}

// finish adds the counts of the batch, and returns the report.
func (t *tap) finish(id string, b *batch) *inspection.Processed {
	r := &t.report
	r.Processor = id
	r.Types = b.config.types()
	stats := b.events.Stats()
	for _, n := range stats.ByLayout {
		r.Claimed += n
	}
	noEvent := stats.NoLayout
	r.Unclaimed = map[string]int64{"unread_json": stats.UnreadJSON}
	for _, problem := range untouchedProblems {
		r.Unclaimed[problem.String()] = b.counts.problems[problem]
		noEvent -= b.counts.problems[problem]
	}
	r.Unclaimed[reader.NotAnEvent.String()] = noEvent
	r.Outcomes, r.Updates = map[string]int64{}, map[string]int64{}
	for _, outcomes := range b.counts.events {
		for o, n := range outcomes {
			r.Outcomes[outcomeTexts[o]] += n
		}
	}
	for operation, n := range b.counts.updates {
		r.Updates[cmp.Or(operationTexts[operation].reason, operationTexts[operation].operation)] += n
	}
	return r
}

// describer describes all events of a record, those of types that aren't listed too.
type describer struct {
	config      *compiled
	events      *reader.Reader
	impressions *impression.Reader
}

func newDescriber(config *compiled) *describer {
	return &describer{
		config:      config,
		impressions: impression.NewReader(config.limits),
		events:      config.allEvents.Clone(),
	}
}

// describe doesn't change the record.
func (d *describer) describe(resource pcommon.Resource, record plog.LogRecord) []inspection.Event {
	records := plog.NewLogRecordSlice()
	record.CopyTo(records.AppendEmpty())
	defer d.events.Reset()
	var all []inspection.Event
	for _, e := range d.events.Events(resource, records) {
		described := inspection.Describe(e)
		d.addRule(&described, e)
		all = append(all, described)
	}
	return all
}

// addRule says what the processor makes of an event of a listed type.
func (d *describer) addRule(described *inspection.Event, e *reader.Event) {
	properties, isMap := e.Map(event.Properties)
	if !slices.ContainsFunc(d.config.eventTypes, func(t eventType) bool { return t.pre == described.Type }) {
		isPost := slices.ContainsFunc(d.config.eventTypes, func(t eventType) bool { return t.post == described.Type })
		described.HasFlagKey = isMap && !isPost && impression.HasFlagKey(properties)
		return
	}
	described.IsListed, described.Outcome = true, outcomeTexts[malformedProperties]
	if !isMap {
		return
	}
	shown, fault := d.impressions.Read(properties)
	if fault != impression.NoFault {
		described.Outcome = outcomeTexts[outcomeOf[fault]]
		return
	}
	operation := d.config.update(e, &shown).Operation
	describeImpression(described, &shown, operation, d.config.drop && operation == impression.Unset)
}

// explain describes the events of logs, and processes logs as a processor with this configuration does.
func explain(config *compiled, logs plog.Logs) []inspection.Event {
	describer := newDescriber(config)
	var all []inspection.Event
	input := 0
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				for _, e := range describer.describe(resource.Resource(), record) {
					e.Input = input
					all = append(all, e)
				}
				input++
			}
		}
	}
	b := newBatch(config)
	for b.process(logs) && b.isCut {
		// The logs stay in one piece, because nothing is handed on.
		b.startPart()
	}
	return all
}
