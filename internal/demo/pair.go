// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog"
)

// line is a line of the input with the records that the collector made from it.
type line struct {
	text string
	// call is the Segment call in the line, nil if the line isn't JSON.
	call map[string]any
	// updates are the user property updates that precede it.
	updates []plog.LogRecord
	// after is the record of the call itself.
	after plog.LogRecord
}

// pair finds the records of each line. It recognizes them by their body, where the receiver leaves the whole line.
func pair(texts [][]byte, records plog.LogRecordSlice) ([]line, error) {
	var lines []line
	var updates []plog.LogRecord
	for _, record := range records.All() {
		if record.EventName() == "$identify" {
			updates = append(updates, record)
			continue
		}
		if len(lines) == len(texts) || record.Body().AsString() != string(texts[len(lines)]) {
			return lines, fmt.Errorf("\nline %d is missing from the output; in its place is: %s", len(lines)+1, record.Body().AsString())
		}
		l := line{text: record.Body().Str(), updates: updates, after: record}
		if err := json.Unmarshal(texts[len(lines)], &l.call); err != nil {
			l.call = nil
		}
		lines, updates = append(lines, l), nil
	}
	if len(lines) < len(texts) {
		return lines, fmt.Errorf("\nline %d is missing from the output", len(lines)+1)
	}
	return lines, nil
}
