// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/amplitude/sample"
	"github.com/impression-collector/impression-bridge/internal/event"
)

func mapOf(tb testing.TB, raw map[string]any) pcommon.Map {
	tb.Helper()
	if raw == nil {
		return pcommon.Map{}
	}
	m := pcommon.NewMap()
	require.NoError(tb, m.FromRaw(raw))
	return m
}

func eventOf(tb testing.TB, from *sample.Event) *event.Event {
	tb.Helper()
	e, err := from.Value()
	require.NoError(tb, err)
	return e
}

func BenchmarkAppend(b *testing.B) {
	e := eventOf(b, &sample.Impression)
	b.Run("event", func(b *testing.B) { benchmarkAppend(b, e) })

	e.SetText(event.InsertID, "")
	b.Run("event with a hash", func(b *testing.B) { benchmarkAppend(b, e) })

	for _, keys := range []int{16, maxFiltered, maxFiltered + 1, 10_000} {
		raw := map[string]any{}
		for i := range keys {
			raw[fmt.Sprint("property ", i)] = int64(i)
		}
		wide := with(given{event.Type: "wide", event.Properties: mapOf(b, raw)})
		b.Run(fmt.Sprint(keys, " keys"), func(b *testing.B) { benchmarkAppend(b, wide) })
	}
}

func benchmarkAppend(b *testing.B, e *event.Event) {
	b.Helper()
	var encoder Encoder
	to := encoder.Append(nil, e)
	b.SetBytes(int64(len(to)))
	b.ReportAllocs()
	for b.Loop() {
		to = encoder.Append(to[:0], e)
	}
}
