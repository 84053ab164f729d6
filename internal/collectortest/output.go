// SPDX-License-Identifier: Apache-2.0

package collectortest // import "github.com/impression-collector/impression-bridge/internal/collectortest"

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// ReadOutput reads a file that the file exporter wrote in its JSON format: one batch per line.
func ReadOutput(path string) ([]plog.Logs, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var batches []plog.Logs
	for line := range bytes.Lines(data) {
		batch, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(line)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(batches)+1, err)
		}
		batches = append(batches, batch)
	}
	return batches, nil
}

// Records returns all records of several batches, in order.
func Records(batches []plog.Logs) []plog.LogRecord {
	var all []plog.LogRecord
	for _, logs := range batches {
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					all = append(all, record)
				}
			}
		}
	}
	return all
}

// WaitForBatches waits until the collector has written count batches to a file. A collector that is stopped right after
// its start needs this wait, because it handles signals only some time after it is ready.
func (c *Collector) WaitForBatches(ctx context.Context, output string, count int) error {
	return c.waitForOutput(ctx, output, func(written []byte) bool { return bytes.Count(written, []byte("\n")) >= count })
}

func (c *Collector) waitForOutput(ctx context.Context, output string, isComplete func(written []byte) bool) error {
	return c.WaitUntil(ctx, "all of its output", func() (bool, error) {
		written, err := os.ReadFile(output)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return isComplete(written), err
	})
}

// ProcessFile is like Process, for a configuration that reads the events from the file ${env:INPUT}.
func ProcessFile(ctx context.Context, config, input, output string) (plog.Logs, error) {
	return Process(ctx, config, input, output, "INPUT="+input)
}

// Process runs the default collector until it has written all events, which a file has as one JSON object per line, to
// ${env:OUTPUT}. The configuration and the variables decide where the collector reads them from. Process returns the
// output in one scope, with sorted keys and without observed timestamps, because receivers group records, order keys and
// set these timestamps differently in each run.
func Process(ctx context.Context, config, events, output string, variables ...string) (plog.Logs, error) {
	isLast, err := lastOf(events)
	if err != nil {
		return plog.Logs{}, err
	}
	c, err := Start(ctx, Default, config, append(variables, "OUTPUT="+output)...)
	if err != nil {
		return plog.Logs{}, err
	}
	if err := errors.Join(c.waitForOutput(ctx, output, isLast), c.Stop()); err != nil {
		return plog.Logs{}, err
	}
	batches, err := ReadOutput(output)
	return inOneScope(batches), err
}

// plainText matches strings that look the same in any JSON, even in a string inside a string, and that are too long to be
// a common word.
var plainText = regexp.MustCompile(`^[A-Za-z0-9:._-]{8,}$`)

// lastOf returns a function that reports whether a text contains the last event of a file. It recognizes the event by any
// plain string, such as an id, that occurs nowhere else in the file.
func lastOf(events string) (func(text []byte) bool, error) {
	data, err := os.ReadFile(events)
	if err != nil {
		return nil, err
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	tokens := json.NewDecoder(bytes.NewReader(lines[len(lines)-1]))
	var marks [][]byte
	for {
		token, err := tokens.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: last line: %w", events, err)
		}
		text, isText := token.(string)
		if isText && plainText.MatchString(text) && bytes.Count(data, []byte(text)) == 1 {
			marks = append(marks, []byte(text))
		}
	}
	if len(marks) == 0 {
		return nil, fmt.Errorf("%s: the last line has no plain string of 8 or more characters that occurs only there", events)
	}
	return func(text []byte) bool {
		return slices.ContainsFunc(marks, func(mark []byte) bool { return bytes.Contains(text, mark) })
	}, nil
}

func inOneScope(batches []plog.Logs) plog.Logs {
	merged := plog.NewLogs()
	records := merged.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, record := range Records(batches) {
		record.SetObservedTimestamp(0)
		sortKeys(record.Attributes())
		sortWithin(record.Body())
		record.MoveTo(records.AppendEmpty())
	}
	return merged
}

func sortKeys(m pcommon.Map) {
	sorted := pcommon.NewMap()
	for _, key := range slices.Sorted(maps.Keys(m.AsRaw())) {
		value, _ := m.Get(key)
		sortWithin(value)
		value.MoveTo(sorted.PutEmpty(key))
	}
	sorted.MoveTo(m)
}

func sortWithin(value pcommon.Value) {
	switch value.Type() {
	case pcommon.ValueTypeMap:
		sortKeys(value.Map())
	case pcommon.ValueTypeSlice:
		for _, element := range value.Slice().All() {
			sortWithin(element)
		}
	}
}
