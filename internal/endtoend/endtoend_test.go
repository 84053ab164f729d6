// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/plogtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

var update = flag.Bool("update", false, "rewrite the expected files")

func testdata(elements ...string) string {
	return filepath.Join(append([]string{"..", "..", "testdata"}, elements...)...)
}

func examples(elements ...string) string {
	return filepath.Join(append([]string{"..", "..", "examples"}, elements...)...)
}

// encodings are the encodings of OTLP/HTTP.
var encodings = []struct {
	contentType string
	marshaler   plog.Marshaler
}{
	{"application/json", &plog.JSONMarshaler{}},
	{"application/x-protobuf", &plog.ProtoMarshaler{}},
}

// process sends a batch to a collector by OTLP/HTTP, once in each encoding. It returns the batches that the collector
// wrote to each of the outputs.
func process(t *testing.T, name, config, variable string, input plog.Logs, outputs ...string) [][]plog.Logs {
	t.Helper()
	c, err := collectortest.Start(t.Context(), name, config, variable)
	require.NoError(t, err)
	for _, encoding := range encodings {
		body, err := encoding.marshaler.MarshalLogs(input)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, post(t, c, encoding.contentType, body), encoding.contentType)
	}
	for _, output := range outputs {
		require.NoError(t, c.WaitForBatches(t.Context(), output, len(encodings)))
	}
	require.NoError(t, c.Stop())

	var written [][]plog.Logs
	for _, output := range outputs {
		batches, err := collectortest.ReadOutput(output)
		require.NoError(t, err)
		require.Len(t, batches, len(encodings))
		written = append(written, batches)
	}
	return written
}

// post sends a batch by OTLP/HTTP and returns the status of the response.
func post(t *testing.T, c *collectortest.Collector, contentType string, body []byte) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.OTLPURL, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	response, err := c.Client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// postJSON posts JSON with a value of the header Authorization, or without it if that is "", and returns the status.
func postJSON(t *testing.T, transport http.RoundTripper, url, body, authorization string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

func readLogs(t *testing.T, path string) plog.Logs {
	t.Helper()
	logs, err := golden.ReadLogs(path)
	require.NoError(t, err)
	return logs
}

// assertExpected asserts that the logs equal those in the file, in the same order.
func assertExpected(t *testing.T, expected string, logs plog.Logs) {
	t.Helper()
	if *update {
		require.NoError(t, golden.WriteLogsToFile(expected, logs))
	}
	want := readLogs(t, expected)
	// CompareLogs doesn't compare event names.
	assert.Equal(t, eventNames(want), eventNames(logs))
	require.NoError(t, plogtest.CompareLogs(want, logs))
}

func eventNames(logs plog.Logs) []string {
	var names []string
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				names = append(names, record.EventName())
			}
		}
	}
	return names
}

// TestPipelines runs the collector with each configuration in testdata/pipelines. The input is a file, or a batch that
// the test sends by OTLP/HTTP as JSON and as protobuf.
func TestPipelines(t *testing.T) {
	folders, err := filepath.Glob(testdata("pipelines", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			config, expected := filepath.Join(folder, "collector.yaml"), filepath.Join(folder, "expected.yaml")
			output := filepath.Join(t.TempDir(), "output.json")
			events := filepath.Join(folder, "input.ndjson")
			if _, err := os.Stat(events); err == nil {
				logs, err := collectortest.ProcessFile(t.Context(), config, events, output)
				require.NoError(t, err)
				assertExpected(t, expected, logs)
				return
			}
			input := readLogs(t, filepath.Join(folder, "input.yaml"))
			for _, logs := range process(t, collectortest.Default, config, "OUTPUT="+output, input, output)[0] {
				assertExpected(t, expected, logs)
			}
		})
	}
}

// TestPipelineWithOTTL runs the processor between the transform and filter processors.
func TestPipelineWithOTTL(t *testing.T) {
	t.Parallel()
	input, output := readLogs(t, testdata("ottl", "input.yaml")), filepath.Join(t.TempDir(), "output.json")
	for _, logs := range process(t, collectortest.OTTL, testdata("ottl", "collector.yaml"), "OUTPUT="+output, input, output)[0] {
		assertExpected(t, testdata("ottl", "expected.yaml"), logs)
	}
}

// TestFanOut runs three pipelines that get the same batch from one receiver. None must see another's changes to it.
func TestFanOut(t *testing.T) {
	t.Parallel()
	input, output := readLogs(t, testdata("fanout", "input.yaml")), t.TempDir()
	written := process(t, collectortest.Default, testdata("fanout", "collector.yaml"), "OUTPUT="+output, input,
		filepath.Join(output, "untouched.json"), filepath.Join(output, "record.json"), filepath.Join(output, "inline.json"))

	for i := range encodings {
		assert.Equal(t, protobuf(t, input), protobuf(t, written[0][i]), "byte for byte")
		assertExpected(t, testdata("fanout", "expected-record.yaml"), written[1][i])
		assertExpected(t, testdata("fanout", "expected-inline.yaml"), written[2][i])
	}
}

func protobuf(t *testing.T, logs plog.Logs) []byte {
	t.Helper()
	data, err := (&plog.ProtoMarshaler{}).MarshalLogs(logs)
	require.NoError(t, err)
	return data
}
