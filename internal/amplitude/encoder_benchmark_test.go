// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/amplitude/sample"
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

func eventOf(tb testing.TB, from *sample.Event) Event {
	tb.Helper()
	return Event{
		Type: from.Type, UserID: from.UserID, DeviceID: from.DeviceID, Time: pcommon.Timestamp(from.Time * 1e6),
		InsertID: from.InsertID, SessionID: strconv.FormatInt(from.SessionID, 10),
		Properties: mapOf(tb, from.Properties), UserProperties: mapOf(tb, from.UserProperties),
		Groups: mapOf(tb, from.Groups),
		IP:     from.IP, AppVersion: from.AppVersion, Platform: from.Platform, OSName: from.OSName,
		Language: from.Language, UserAgent: from.UserAgent,
	}
}

func BenchmarkAppend(b *testing.B) {
	event := eventOf(b, &sample.Impression)
	b.Run("event", func(b *testing.B) { benchmarkAppend(b, &event) })

	hashed := event
	hashed.InsertID = ""
	b.Run("event with a hash", func(b *testing.B) { benchmarkAppend(b, &hashed) })

	for _, keys := range []int{16, maxFiltered, maxFiltered + 1, 10_000} {
		raw := map[string]any{}
		for i := range keys {
			raw[fmt.Sprint("property ", i)] = int64(i)
		}
		wide := Event{Type: "wide", Properties: mapOf(b, raw)}
		b.Run(fmt.Sprint(keys, " keys"), func(b *testing.B) { benchmarkAppend(b, &wide) })
	}
}

func benchmarkAppend(b *testing.B, event *Event) {
	b.Helper()
	var encoder Encoder
	to := encoder.Append(nil, event)
	b.SetBytes(int64(len(to)))
	b.ReportAllocs()
	for b.Loop() {
		to = encoder.Append(to[:0], event)
	}
}
