// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// fieldsOfResource returns n records of two scopes whose events are much larger than the records, because most of their fields
// are the resource's.
func fieldsOfResource(n int) plog.Logs {
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	for _, key := range []string{"client.address", "service.version", "os.name", "browser.language", "user_agent.original"} {
		resource.Resource().Attributes().PutStr(key, strings.Repeat("x", 1000))
	}
	resource.Resource().Attributes().PutStr("user.id", "user-1")
	resource.ScopeLogs().AppendEmpty()
	resource.ScopeLogs().AppendEmpty()
	for i := range n {
		record := resource.ScopeLogs().At(2 * i / n).LogRecords().AppendEmpty()
		record.SetEventName(fmt.Sprintf("event %05d", i))
		// Records without an event are skipped.
		resource.ScopeLogs().At(2 * i / n).LogRecords().AppendEmpty()
	}
	return logs
}

func typesOf(events []amplitudetest.Event) []string {
	types := make([]string, len(events))
	for i := range events {
		types[i] = events[i].Type
	}
	return types
}

// TestLargeLogsAreDeliveredInParts has events that take a multiple of maxEncoded.
func TestLargeLogsAreDeliveredInParts(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	n := 3 * maxEncoded / 5000
	require.NoError(t, p.semaphore.Acquire(t.Context(), 1))
	_, isCut := p.reader.read(&p.batch, fieldsOfResource(n), time.Now(), maxEncoded)
	assert.True(t, isCut)
	assert.Greater(t, p.batch.bytes, maxEncoded)
	assert.LessOrEqual(t, p.batch.bytes, maxEncoded+10_000)
	p.batch = batch{}
	p.reader.endLogs()
	p.semaphore.Release(1)
	require.NoError(t, p.push(t.Context(), fieldsOfResource(n)))
	types := typesOf(p.server.Events())
	require.Len(t, types, n)
	assert.True(t, slices.IsSorted(types))
}

// TestPartThatIsLeft has an outage that begins with a later part.
func TestPartThatIsLeft(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	n := 3 * maxEncoded / 5000
	requests := 0
	p.server.AnswerFunc(func(*amplitudetest.Request) (amplitudetest.Answer, bool) {
		requests++
		return amplitudetest.Answer{Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "60"}}, requests > 10
	})
	logs := fieldsOfResource(n)
	err := p.push(t.Context(), logs)
	var left consumererror.Logs
	require.ErrorAs(t, err, &left)
	delivered := len(p.server.Events())
	assert.Positive(t, delivered)
	assert.Less(t, delivered, n)
	assert.Equal(t, logs, left.Data(), "the exporter recognizes logs that it returned")

	again := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, again.push(t.Context(), left.Data()))
	types := append(typesOf(p.server.Events()), typesOf(again.server.Events())...)
	require.Len(t, types, n)
	assert.True(t, slices.IsSorted(types))
}
