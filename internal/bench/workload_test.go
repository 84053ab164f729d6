// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

// layouts returns the layouts that all contenders can process.
func layouts() []string {
	return []string{otel, segmentBody, segmentAttributes}
}

func textLayouts() []string {
	return []string{segmentText, segmentTextBatch}
}

func TestWorkloadIsDeterministic(t *testing.T) {
	for _, layout := range slices.Concat(layouts(), textLayouts()) {
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
			require.Equal(t, eventsPerBatch, batch.LogRecordCount())
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
			assert.Equal(t, eventsPerBatch*percent/100, impressions, "%s, %d%%", layout, percent)
			assert.Equal(t, impressions/10, unassigned, "%s, %d%%", layout, percent)
		}
	}
}

func TestTextsAreAsDescribed(t *testing.T) {
	for _, layout := range textLayouts() {
		for _, percent := range []int{0, 10, 100} {
			w := newWorkload(layout, percent)
			events, impressions := 0, 0
			for record := range records(w.batch(0)) {
				text := record.Body().Str()
				require.True(t, json.Valid([]byte(text)), text)
				events += strings.Count(text, `"type":"track"`)
				impressions += strings.Count(text, `"event":"$impression"`)
			}
			assert.Equal(t, w.records, w.batch(0).LogRecordCount(), "%s, %d%%", layout, percent)
			assert.Equal(t, eventsPerBatch, events, "%s, %d%%", layout, percent)
			assert.Equal(t, eventsPerBatch*percent/100, impressions, "%s, %d%%", layout, percent)
		}
	}
}

func TestEnvelopeIsTheOnlyDifference(t *testing.T) {
	g := newEnvelopeGroup(10)
	without := g.find(ours).job.(*processing).batch(3)
	with := g.find(behindEnvelope).job.(*processing).batch(3)
	records := with.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	first := records.At(0).Body().Str()
	assert.True(t, strings.HasPrefix(first, `{"batch":[{`), first)
	assert.Equal(t, 1, strings.Count(first, impressionType))
	removed := false
	records.RemoveIf(func(plog.LogRecord) bool {
		remove := !removed
		removed = true
		return remove
	})
	assert.Equal(t, without, with)
}
