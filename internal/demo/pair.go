// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog"
)

// line is a line of the input, and the records that the collector made of it.
type line struct {
	text string
	// call is the Segment call in the line, nil where the line is no JSON.
	call map[string]any
	// updates are the user property updates before the call's own record.
	updates []plog.LogRecord
	// after is the call's own record.
	after plog.LogRecord
}

// pair finds the records of each line: the file reader leaves the line itself in the body of its record.
func pair(texts [][]byte, records plog.LogRecordSlice) ([]line, error) {
	var lines []line
	var updates []plog.LogRecord
	for _, record := range records.All() {
		if record.EventName() == "$identify" {
			updates = append(updates, record)
			continue
		}
		if len(lines) == len(texts) || record.Body().AsString() != string(texts[len(lines)]) {
			return lines, fmt.Errorf("\nline %d is not where it should be in the output; there is: %s", len(lines)+1, record.Body().AsString())
		}
		l := line{text: record.Body().Str(), updates: updates, after: record}
		if err := json.Unmarshal(texts[len(lines)], &l.call); err != nil {
			l.call = nil
		}
		lines, updates = append(lines, l), nil
	}
	if len(lines) < len(texts) {
		return lines, fmt.Errorf("\nline %d is not in the output", len(lines)+1)
	}
	return lines, nil
}
