// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	impressionLine = `{"type": "track", "event": "$impression", "userId": "user-17", "messageId": "m-1", ` +
		`"properties": {"flag_key": "checkout", "variant": "treatment"}}` + "\n"
	wrappedLine = `{"log": "{\"type\": \"track\", \"event\": \"$impression\", \"userId\": \"user-17\", \"messageId\": \"m-1\", ` +
		`\"properties\": {\"flag_key\": \"checkout\", \"variant\": \"treatment\"}}\n", "stream": "stdout"}` + "\n"
	camelCaseLine = `{"eventType": "$impression", "userId": "user-17", ` +
		`"eventProperties": {"flag_key": "checkout", "variant": "treatment"}}` + "\n"
	flagKeyLine = `{"type": "track", "event": "$impression", "userId": "user-17", "messageId": "m-1", ` +
		`"properties": {"flagKey": "checkout", "variant": "treatment"}}` + "\n"
)

// TestTroubleshooting has the rows of docs/troubleshooting.md that can be seen in a file's events: what the debug exporter
// prints, and that the cure, as the document writes it, helps.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "troubleshooting.md"))
	require.NoError(t, err)
	startAt, parser := "    start_at: beginning", "    operators:\n      - {type: json_parser, parse_to: body}"
	for _, test := range []struct {
		name, file, events string
		// receiver is the rest of file_log's configuration, layouts the processor's.
		receiver, layouts []string
		// symptom is part of a line that the collector prints without the cure.
		symptom string
		// cure is the document's, in the form of a line of the receiver or the layouts.
		cure             string
		cureLine, layout string
	}{
		{
			name: "start_at", file: "events.ndjson", events: impressionLine,
			receiver: []string{parser},
			symptom:  "Started watching file",
			cure:     "start_at: beginning", cureLine: startAt,
		},
		{
			name: "gzip", file: "events.ndjson.gz", events: gzipped(t, impressionLine),
			receiver: []string{startAt},
			symptom:  "Body: Str(\x1f\uFFFD",
			cure:     "compression: auto", cureLine: "    compression: auto",
		},
		{
			name: "gzip under another name", file: "events.ndjson", events: gzipped(t, impressionLine),
			receiver: []string{startAt, parser},
			symptom:  "Failed to process entry",
			cure:     "compression: gzip", cureLine: "    compression: gzip",
		},
		{
			name: "JSON inside a field", file: "events.ndjson", events: wrappedLine,
			receiver: []string{startAt, parser},
			symptom:  `Body: Map({"log":"{\"type\": `,
			cure:     "{type: move, from: body.log, to: body}", cureLine: "      - {type: move, from: body.log, to: body}",
		},
		{
			name: "keys of the event in another case", file: "events.ndjson", events: camelCaseLine,
			receiver: []string{startAt, parser},
			symptom:  `Body: Map({"eventProperties":`,
			cure:     `event["eventType"]`,
			layout: `    layouts: [{event_type: ['event["eventType"]'], properties: ['event["eventProperties"]'], ` +
				`user_id: ['event["userId"]']}]`,
		},
		{
			name: "properties in another case", file: "events.ndjson", events: flagKeyLine,
			receiver: []string{startAt, parser},
			symptom:  `"properties":{"flagKey":"checkout"`,
			cure:     "{type: move, if: 'body.properties?.flagKey != nil', from: body.properties.flagKey, to: body.properties.flag_key}",
			cureLine: "      - {type: move, if: 'body.properties?.flagKey != nil', from: body.properties.flagKey, to: body.properties.flag_key}",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Contains(t, string(document), "`"+test.cure)
			folder := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, test.file), []byte(test.events), 0o600))
			writeConfig := func(receiver []string, layout string) {
				config := "receivers:\n  file_log:\n    include: [" + test.file + "]\n" + strings.Join(receiver, "\n") +
					"\nprocessors:\n  impression:\n" + layout + "\nexporters:\n  debug:\n    verbosity: detailed\n" +
					"service:\n  pipelines:\n    logs: {receivers: [file_log], processors: [impression], exporters: [debug]}\n"
				require.NoError(t, os.WriteFile(filepath.Join(folder, "config.yaml"), []byte(config), 0o600))
			}

			writeConfig(test.receiver, "")
			assert.Empty(t, runUntilPrinted(t, folder, []string{test.symptom}), "symptom")
			writeConfig(append(test.receiver, test.cureLine), test.layout)
			assert.Empty(t, runUntilPrinted(t, folder, []string{"EventName: $identify", "[Experiment] Impression"}), "cure")
		})
	}
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := writer.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return packed.String()
}
