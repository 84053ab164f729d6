// SPDX-License-Identifier: Apache-2.0

package pdatautil

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/plog"
)

// layoutOf describes logs: each resource, scope and record by its number and schema.
func layoutOf(logs plog.Logs) (described []string) {
	for _, resource := range logs.ResourceLogs().All() {
		number, _ := resource.Resource().Attributes().Get("number")
		for _, scope := range resource.ScopeLogs().All() {
			words := []string{number.AsString() + resource.SchemaUrl(), scope.Scope().Name() + scope.SchemaUrl()}
			for _, record := range scope.LogRecords().All() {
				words = append(words, record.EventName())
			}
			described = append(described, strings.Join(words, " "))
		}
	}
	return described
}

func logsOf(resources, scopes, records int) plog.Logs {
	logs := plog.NewLogs()
	for r := range resources {
		resource := logs.ResourceLogs().AppendEmpty()
		resource.SetSchemaUrl("/r")
		resource.Resource().Attributes().PutInt("number", int64(r))
		for s := range scopes {
			scope := resource.ScopeLogs().AppendEmpty()
			scope.SetSchemaUrl("/s")
			scope.Scope().SetName(strconv.Itoa(s))
			for i := range records {
				scope.LogRecords().AppendEmpty().SetEventName(strconv.Itoa(i))
			}
		}
	}
	return logs
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		at           Position
		before, left []string
	}{
		{Position{}, nil, []string{"0/r 0/s 0 1", "0/r 1/s 0 1", "1/r 0/s 0 1", "1/r 1/s 0 1"}},
		{Position{0, 0, 1}, []string{"0/r 0/s 0"}, []string{"0/r 0/s 1", "0/r 1/s 0 1", "1/r 0/s 0 1", "1/r 1/s 0 1"}},
		{Position{0, 0, 2}, []string{"0/r 0/s 0 1"}, []string{"0/r 1/s 0 1", "1/r 0/s 0 1", "1/r 1/s 0 1"}},
		{Position{0, 1, 0}, []string{"0/r 0/s 0 1"}, []string{"0/r 1/s 0 1", "1/r 0/s 0 1", "1/r 1/s 0 1"}},
		{Position{1, 0, 0}, []string{"0/r 0/s 0 1", "0/r 1/s 0 1"}, []string{"1/r 0/s 0 1", "1/r 1/s 0 1"}},
		{Position{1, 1, 1}, []string{"0/r 0/s 0 1", "0/r 1/s 0 1", "1/r 0/s 0 1", "1/r 1/s 0"}, []string{"1/r 1/s 1"}},
		{Position{1, 1, 2}, []string{"0/r 0/s 0 1", "0/r 1/s 0 1", "1/r 0/s 0 1", "1/r 1/s 0 1"}, nil},
	} {
		logs := logsOf(2, 2, 2)
		before := Split(logs, test.at)
		assert.Equal(t, test.before, layoutOf(before), test.at)
		assert.Equal(t, test.left, layoutOf(logs), test.at)
	}
}
