// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// The layouts of the workloads.
const (
	otel              = "otel"
	segmentBody       = "segment-body"
	segmentAttributes = "segment-attributes"
	// In these the body is a JSON text, of one track call or of a batch of them.
	segmentText      = "segment-text"
	segmentTextBatch = "segment-text-batch"
)

const (
	// distinct is the number of different batches of a workload. The CPU's branch prediction would learn a single batch.
	distinct       = 8
	eventsPerBatch = 1000
	scopesPerBatch = 10
	// eventsPerText is the number of track calls in a JSON text of a batch.
	eventsPerText = 100

	impressionType = "$impression"
	// There are few flags and variants: a company runs tens of experiments at a time.
	flags    = 20
	variants = 3
)

// segmentTime is the format in which Segment writes times.
const segmentTime = "2006-01-02T15:04:05.000Z07:00"

// workload describes batches. The same workload always produces the same batches.
type workload struct {
	layout string
	// percent of the events are impressions.
	percent int
	records int
	scopes  int
	// eventsPerRecord is 1 except for segmentTextBatch.
	eventsPerRecord int
	// minAttributes and maxAttributes bound the attributes of an event: the record's, or those of the call and its
	// properties.
	minAttributes, maxAttributes int
	// call is the type of the calls in the layouts of Segment, track if it is "". Calls of each type have the same size.
	call string
	// envelope puts an envelope with an impression in front of the records. Neither is counted in records or events.
	envelope bool
}

func newWorkload(layout string, percent int) workload {
	w := workload{
		layout: layout, percent: percent, records: eventsPerBatch, scopes: scopesPerBatch, eventsPerRecord: 1,
		minAttributes: 10, maxAttributes: 30,
	}
	if layout == segmentTextBatch {
		w.records, w.eventsPerRecord = eventsPerBatch/eventsPerText, eventsPerText
	}
	return w
}

func (w workload) events() int {
	return w.records * w.eventsPerRecord
}

// impressions returns the number of impressions, rounded up so that a batch with one record has one if others have any.
func (w workload) impressions() int {
	return (w.events()*w.percent + 99) / 100
}

// single returns the workload with one record per batch.
func (w workload) single() workload {
	w.records, w.envelope = 1, false
	return w
}

// batches holds the distinct batches of each workload, which its contenders share.
type batches map[workload][]plog.Logs

func (b batches) of(w workload) []plog.Logs {
	for number := uint64(len(b[w])); number < distinct; number++ {
		b[w] = append(b[w], w.batch(number))
	}
	return b[w]
}

// batch returns the batch with this number.
func (w workload) batch(number uint64) plog.Logs {
	g := generator{workload: w, rng: rand.New(rand.NewPCG(seed, number))}
	logs := plog.NewLogs()
	perScope := (w.records + w.scopes - 1) / w.scopes
	var resource plog.ResourceLogs
	var scope plog.ScopeLogs
	impressions := w.impressions()
	places := g.rng.Perm(w.events())
	for i := range w.records {
		if i%(2*perScope) == 0 {
			resource = g.appendResource(logs, i)
		}
		if i%perScope == 0 {
			scope = resource.ScopeLogs().AppendEmpty()
			scope.Scope().SetName("web-sdk")
		}
		if w.envelope && i == 0 {
			appendEnvelope(scope, number)
		}
		var events []event
		for _, place := range places[i*w.eventsPerRecord:][:w.eventsPerRecord] {
			events = append(events, event{impression: place < impressions, hasVariant: place%10 != 9})
		}
		g.appendRecord(scope, events)
	}
	return logs
}

// appendEnvelope appends a text that holds two track calls, the first an impression. It has a generator of its own, so that
// the records after it are the same as without it.
func appendEnvelope(scope plog.ScopeLogs, number uint64) {
	w := newWorkload(segmentTextBatch, 0)
	w.eventsPerRecord = 2
	g := generator{workload: w, rng: rand.New(rand.NewPCG(seed+1, number))}
	g.appendRecord(scope, []event{{impression: true, hasVariant: true}, {}})
}

// seed makes batches reproducible.
const seed = 20261123

// generator produces the records of one batch.
type generator struct {
	workload
	rng *rand.Rand
}

// event describes an event to generate.
type event struct {
	impression, hasVariant bool
}

// field is a key of a map with its value: anything that pcommon.Value.FromRaw accepts, or a list of fields.
type field struct {
	key   string
	value any
}

func (g *generator) appendResource(to plog.Logs, number int) plog.ResourceLogs {
	resource := to.ResourceLogs().AppendEmpty()
	attributes := resource.Resource().Attributes()
	attributes.PutStr("service.name", "web-shop")
	attributes.PutStr("service.instance.id", fmt.Sprintf("instance-%d", number))
	attributes.PutStr("deployment.environment.name", "production")
	return resource
}

func (g *generator) appendRecord(scope plog.ScopeLogs, events []event) {
	record := scope.LogRecords().AppendEmpty()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).Add(time.Duration(g.rng.IntN(3_600_000)) * time.Millisecond)
	record.SetObservedTimestamp(pcommon.NewTimestampFromTime(at.Add(2 * time.Second)))
	switch g.layout {
	case otel:
		record.SetEventName(g.eventName(events[0], otelEventNames))
		record.SetTimestamp(pcommon.NewTimestampFromTime(at))
		trace := g.bytes()
		record.SetTraceID(trace)
		record.SetSpanID(pcommon.SpanID(trace[8:]))
		g.write(record.Attributes(), g.otelFields(events[0]))
	case segmentBody:
		record.Attributes().PutStr("log.file.name", "events.jsonl")
		g.write(record.Body().SetEmptyMap(), g.segmentFields(events[0], at))
	case segmentAttributes:
		g.write(record.Attributes(), g.segmentFields(events[0], at))
		// The file_log receiver leaves the line in the body when it parses into the attributes.
		record.Body().SetStr(jsonText(record.Attributes()))
	case segmentText, segmentTextBatch:
		record.Attributes().PutStr("log.file.name", "events.jsonl")
		record.Body().SetStr(g.segmentText(events, at))
	}
}

// segmentText returns a track call, or a batch of them, as Segment sends it.
func (g *generator) segmentText(events []event, at time.Time) string {
	var calls []string
	for _, e := range events {
		call := pcommon.NewMap()
		g.write(call, g.segmentFields(e, at))
		calls = append(calls, jsonText(call))
	}
	if g.eventsPerRecord == 1 {
		return calls[0]
	}
	return `{"batch":[` + strings.Join(calls, ",") + `]}`
}

func jsonText(m pcommon.Map) string {
	text, err := json.Marshal(m.AsRaw())
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (g *generator) eventName(e event, others []string) string {
	if e.impression {
		return impressionType
	}
	return others[g.rng.IntN(len(others))]
}

func (g *generator) otelFields(e event) []field {
	fields := []field{
		{"user.id", g.userID()},
		{"device.id", g.uuid()},
		{"log.record.uid", g.uuid()},
		{"session.id", g.uuid()},
	}
	if e.impression {
		fields = append(fields, g.impression(e)...)
	}
	return g.fill(fields, g.attributes())
}

// The types of calls besides track.
const (
	identifyCall = "identify"
	pageCall     = "page"
)

// segmentFields returns a call with the common fields. Its attributes are those of the call and of its properties or traits.
func (g *generator) segmentFields(e event, at time.Time) []field {
	nameKey, propertiesKey := "event", "properties"
	switch g.call {
	case identifyCall:
		nameKey, propertiesKey = "channel", "traits"
	case pageCall:
		nameKey = "name"
	}
	fields := []field{
		{"type", cmp.Or(g.call, "track")},
		{nameKey, g.eventName(e, segmentEventNames)},
		{"userId", g.userID()},
		{"anonymousId", g.uuid()},
		{"messageId", g.uuid()},
		{"timestamp", at.Format(segmentTime)},
		{"context", []field{
			{"ip", "203.0.113.7"},
			{"library", []field{{"name", "analytics.js"}, {"version", "next-1.70.0"}}},
			{"page", []field{{"path", "/checkout"}, {"url", g.url()}}},
		}},
	}
	var properties []field
	if e.impression {
		properties = append(g.impression(e), field{"time", at.UnixMilli()})
	}
	properties = g.fill(properties, g.attributes()-len(fields)-1)
	return g.shuffle(append(fields, field{propertiesKey, properties}))
}

// impression returns the properties of an impression. Its metadata never changes the update, and no value is null or
// empty. All contenders check for these cases nevertheless, and tests compare how they handle them.
func (g *generator) impression(e event) []field {
	flag := g.rng.IntN(flags)
	fields := []field{
		{"flag_key", fmt.Sprintf("web-experiment-%02d", flag)},
		{"experiment_key", fmt.Sprintf("exp-%d", flag%3+1)},
		{"metadata", []field{
			{"deliveryMethod", "web"}, {"flagType", "experiment"}, {"flagVersion", 12}, {"default", false}, {"segmentName", "All Other Users"},
		}},
	}
	if e.hasVariant {
		fields = append(fields, field{"variant", fmt.Sprintf("treatment-%d", g.rng.IntN(variants))})
	}
	return fields
}

func (g *generator) attributes() int {
	return g.minAttributes + g.rng.IntN(g.maxAttributes-g.minAttributes+1)
}

// fill adds typical other fields until there are this many, and shuffles all of them.
func (g *generator) fill(fields []field, number int) []field {
	for _, i := range g.rng.Perm(len(fillers)) {
		if len(fields) >= number {
			break
		}
		fields = append(fields, field{fillers[i].key, fillers[i].value(g)})
	}
	for i := len(fields); i < number; i++ {
		fields = append(fields, field{fmt.Sprintf("custom.field_%03d", i), g.rng.IntN(1000)})
	}
	return g.shuffle(fields)
}

func (g *generator) shuffle(fields []field) []field {
	g.rng.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	return fields
}

// write puts the fields into an empty map.
func (g *generator) write(to pcommon.Map, fields []field) {
	to.EnsureCapacity(len(fields))
	for _, f := range fields {
		switch value := f.value.(type) {
		case []field:
			g.write(to.PutEmptyMap(f.key), value)
		case int64:
			g.writeNumber(to, f.key, value)
		case int:
			g.writeNumber(to, f.key, int64(value))
		default:
			if err := to.PutEmpty(f.key).FromRaw(value); err != nil {
				panic(err)
			}
		}
	}
}

func (g *generator) writeNumber(to pcommon.Map, key string, n int64) {
	if g.layout == otel {
		to.PutInt(key, n)
		return
	}
	// Most JSON parsers turn every number into a double.
	to.PutDouble(key, float64(n))
}
