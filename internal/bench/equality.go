// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// compareOutputs returns an error if a contender's output for a batch differs from ours. It ignores the order of records and
// of keys, because the peers keep neither.
func compareOutputs(name, layout string, batch plog.Logs) error {
	want, err := output(ours, layout, batch)
	if err != nil {
		return err
	}
	got, err := output(name, layout, batch)
	if err != nil {
		return err
	}
	return compareRecords(name, want, got)
}

func compareRecords(name string, want, got []string) error {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			return fmt.Errorf("%s and %s produce different records:\n%s\n%s", ours, name, want[i], got[i])
		}
	}
	if len(want) != len(got) {
		return fmt.Errorf("%s produces %d records, %s %d", ours, len(want), name, len(got))
	}
	return nil
}

// output returns the sorted texts of the records that a contender produces from a batch.
func output(name, layout string, batch plog.Logs) ([]string, error) {
	c, err := newCollected(name, layout)
	if err != nil {
		return nil, err
	}
	return c.output(batch)
}

// collected is a contender whose output is kept.
type collected struct {
	consume consume
	sink    *consumertest.LogsSink
	layout  string
}

func newCollected(name, layout string) (collected, error) {
	sink := &consumertest.LogsSink{}
	consume, err := newContender(name, layout, sink)
	return collected{consume: consume, sink: sink, layout: layout}, err
}

func (c collected) output(batch plog.Logs) ([]string, error) {
	c.sink.Reset()
	if err := c.consume(context.Background(), copyOf(batch)); err != nil {
		return nil, err
	}
	var records []string
	for _, logs := range c.sink.AllLogs() {
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					if c.layout == segmentText {
						makeDoubles(record.Body())
					}
					records = append(records, recordText(resource, scope, record))
				}
			}
		}
	}
	slices.Sort(records)
	return records, nil
}

// makeDoubles turns all numbers in a value into doubles, as OTTL's ParseJSON does.
func makeDoubles(v pcommon.Value) {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		v.SetDouble(float64(v.Int()))
	case pcommon.ValueTypeMap:
		for _, field := range v.Map().All() {
			makeDoubles(field)
		}
	case pcommon.ValueTypeSlice:
		for _, element := range v.Slice().All() {
			makeDoubles(element)
		}
	}
}

func copyOf(batch plog.Logs) plog.Logs {
	copied := plog.NewLogs()
	batch.CopyTo(copied)
	return copied
}

// recordText returns a text of everything in a record. It doesn't depend on the order of keys.
func recordText(resource plog.ResourceLogs, scope plog.ScopeLogs, record plog.LogRecord) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %q %q %d %d %s %s %d %s %q body=",
		record.EventName(), scope.Scope().Name(), resource.SchemaUrl()+scope.SchemaUrl(),
		record.Timestamp(), record.ObservedTimestamp(), record.TraceID(), record.SpanID(), record.Flags(),
		record.SeverityNumber(), record.SeverityText())
	writeText(&text, record.Body())
	text.WriteString(" attributes=")
	writeMapText(&text, record.Attributes())
	text.WriteString(" resource=")
	writeMapText(&text, resource.Resource().Attributes())
	return text.String()
}

func writeText(to *strings.Builder, v pcommon.Value) {
	switch v.Type() {
	case pcommon.ValueTypeMap:
		writeMapText(to, v.Map())
	case pcommon.ValueTypeSlice:
		to.WriteByte('[')
		for _, element := range v.Slice().All() {
			writeText(to, element)
			to.WriteByte(',')
		}
		to.WriteByte(']')
	default:
		fmt.Fprintf(to, "%s:%q", v.Type(), v.AsString())
	}
}

func writeMapText(to *strings.Builder, m pcommon.Map) {
	type entry struct {
		key   string
		value pcommon.Value
	}
	entries := make([]entry, 0, m.Len())
	for key, value := range m.All() {
		entries = append(entries, entry{key, value})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	to.WriteByte('{')
	for _, e := range entries {
		fmt.Fprintf(to, "%q=", e.key)
		writeText(to, e.value)
		to.WriteByte(',')
	}
	to.WriteByte('}')
}
