// SPDX-License-Identifier: Apache-2.0

package jsonvalue

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// segmentEvent is a track call as analytics.js sends it, 734 bytes.
const segmentEvent = `{"type":"track","event":"$impression","userId":"user-834120755",` +
	`"anonymousId":"6f1c2a7e-1b3d-4c55-9a0e-7d2f61b0c944",` +
	`"messageId":"ajs-next-1764001234567-3f2b9c1d-8e7a-4b6c-9d5e-2a1f0b3c4d5e",` +
	`"timestamp":"2026-11-23T10:15:30.123Z","context":{"ip":"203.0.113.7",` +
	`"library":{"name":"analytics.js","version":"next-1.70.0"},` +
	`"page":{"path":"/checkout","url":"https://shop.example.com/checkout?step=2&ref=mail"},` +
	`"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","locale":"en-GB"},` +
	`"properties":{"flag_key":"checkout-redesign","variant":"treatment-1","experiment_key":"exp-7",` +
	`"time":1764001230123,"price":19.95,"quantity":3,"logged_in":true,"coupon":null,` +
	`"referrer":"https://www.example.org/search","note":"said \"ok\"\nthanks"}}`

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"event":        segmentEvent,
		"batch of 100": "[" + strings.Repeat(segmentEvent+",", 99) + segmentEvent + "]",
		"not JSON":     segmentEvent[:len(segmentEvent)-1],
		"too deep":     strings.Repeat("[", len(segmentEvent)),
	} {
		b.Run(name, func(b *testing.B) {
			parser := NewParser(limits)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				_ = parser.Parse(text, pcommon.NewValueEmpty())
			}
		})
	}
}

func TestParseAllocatesOnlyTheValues(t *testing.T) {
	require.Len(t, segmentEvent, 734)
	parser := NewParser(limits)
	to := pcommon.NewValueEmpty()
	allocations := testing.AllocsPerRun(100, func() { require.NoError(t, parser.Parse(segmentEvent, to)) })
	// 22 values other than null, 5 maps with three allocations each, 4 growths beyond four fields, 1 unquoted string.
	require.LessOrEqual(t, allocations, 42.0)
}
