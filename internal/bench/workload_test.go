// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

func layouts() []string {
	return []string{otel, segmentBody, segmentAttributes}
}

func TestWorkloadIsDeterministic(t *testing.T) {
	for _, layout := range layouts() {
		t.Run(layout, func(t *testing.T) {
			w := newWorkload(layout, 10)
			marshal := func(number uint64) []byte {
				encoded, err := (&plog.ProtoMarshaler{}).MarshalLogs(w.batch(number))
				require.NoError(t, err)
				return encoded
			}
			made, again, other := marshal(3), marshal(3), marshal(4)
			assert.Equal(t, made, again)
			assert.NotEqual(t, made, other)
		})
	}
}

func TestWorkloadIsAsDescribed(t *testing.T) {
	for _, layout := range layouts() {
		for _, percent := range []int{0, 10, 100} {
			batch := newWorkload(layout, percent).batch(0)
			require.Equal(t, recordsPerBatch, batch.LogRecordCount())
			impressions, unassigned := 0, 0
			isImpression := matches(layout)
			for _, resource := range batch.ResourceLogs().All() {
				for _, scope := range resource.ScopeLogs().All() {
					for _, record := range scope.LogRecords().All() {
						event := record.Attributes()
						if layout == segmentBody {
							event = record.Body().Map()
						}
						attributes := event.Len()
						if layout != otel {
							properties, _ := event.Get("properties")
							event = properties.Map()
							attributes += event.Len()
						}
						assert.GreaterOrEqual(t, attributes, 10)
						assert.LessOrEqual(t, attributes, 30)
						if !isImpression(record) {
							continue
						}
						impressions++
						if _, hasVariant := event.Get("variant"); !hasVariant {
							unassigned++
						}
					}
				}
			}
			assert.Equal(t, recordsPerBatch*percent/100, impressions, "%s, %d%%", layout, percent)
			assert.Equal(t, impressions/10, unassigned, "%s, %d%%", layout, percent)
		}
	}
}
