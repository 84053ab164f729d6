// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
)

// BenchmarkProcessor reports the time a record. `make bench` compares it with other ways to do the same.
func BenchmarkProcessor(b *testing.B) {
	const size = 1000
	other := map[string]any{}
	for i := range 15 {
		other[fmt.Sprintf("attribute.%d", i)] = "value"
	}
	with := func(more map[string]any) map[string]any {
		attributes := map[string]any{}
		for _, part := range []map[string]any{other, more} {
			for key, value := range part {
				attributes[key] = value
			}
		}
		return attributes
	}
	impression := with(map[string]any{"flag_key": "checkout", "variant": "on", "user.id": "user-17", "log.record.uid": "01K0"})
	for name, add := range map[string]func(records plog.LogRecordSlice){
		"other/otel": func(records plog.LogRecordSlice) { otelEvent(records, "page.view", other) },
		"other/segment_body": func(records plog.LogRecordSlice) {
			_ = records.AppendEmpty().Body().SetEmptyMap().FromRaw(with(segmentCall("Product Viewed", other)))
		},
		"other/segment_attributes": func(records plog.LogRecordSlice) {
			otelEvent(records, "", with(segmentCall("Product Viewed", other)))
		},
		"impression/otel": func(records plog.LogRecordSlice) { otelEvent(records, "$impression", impression) },
	} {
		b.Run(name, func(b *testing.B) {
			p, err := NewFactory().CreateLogs(
				context.Background(), processortest.NewNopSettings(metadata.Type), defaultsWith(), consumertest.NewNop())
			require.NoError(b, err)
			batch := plog.NewLogs()
			records := batch.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
			for range size {
				add(records)
			}
			b.ReportAllocs()
			for range b.N {
				b.StopTimer()
				input := plog.NewLogs()
				batch.CopyTo(input)
				b.StartTimer()
				if err := p.ConsumeLogs(context.Background(), input); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/record")
		})
	}
}
