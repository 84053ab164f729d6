// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"context"
	"fmt"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/plogtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/inspectiontest"
)

func startInspected(t *testing.T, config *Config, inspector *inspectiontest.Inspector) (processor.Logs, *consumertest.LogsSink) {
	t.Helper()
	require.NoError(t, config.Validate())
	sink := &consumertest.LogsSink{}
	p, err := NewFactory().CreateLogs(t.Context(), processortest.NewNopSettings(metadata.Type), config, sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), inspector))
	t.Cleanup(func() { assert.NoError(t, p.Shutdown(context.Background())) })
	return p, sink
}

// someEvents has impressions of all operations, and records that stay behind for all kinds of reasons.
func someEvents(t *testing.T) plog.Logs {
	t.Helper()
	noUser := segmentCall("$impression", shown("a", "on"))
	noUser["userId"], noUser["anonymousId"] = nil, nil
	logs := bodies(t,
		segmentCall("Product Viewed", nil),
		segmentCall("$impression", shown("a", "on")),
		map[string]any{"batch": []any{segmentCall("$impression", shown("b", "")), segmentCall("Order Completed", nil)}},
		segmentCall("$impression", map[string]any{"variant": "no flag key"}),
		segmentCall("Shown", shown("c", "on")),
		noUser,
		map[string]any{"neither": "nor"},
		segmentCall("[Experiment] Impression", shown("d", "on")),
	)
	text := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty()
	text.Body().SetStr(`{"event": "$impression", "broken`)
	return logs
}

func TestBatchesAreReportedToTheInspector(t *testing.T) {
	inspector := inspectiontest.New(true)
	p, sink := startInspected(t, defaultsWith(), inspector)
	require.NoError(t, p.ConsumeLogs(t.Context(), someEvents(t)))
	require.Len(t, inspector.Batches(), 1)
	r := inspector.Batches()[0]

	assert.Equal(t, "impression", r.Processor)
	assert.Equal(t, int64(9), r.Records)
	assert.Equal(t, int64(8), r.Claimed)
	assert.Equal(t, []string{"$impression", "[Experiment] Impression"}, r.Types)
	only := func(counts map[string]int64) map[string]int64 {
		for name, n := range counts {
			if n == 0 {
				delete(counts, name)
			}
		}
		return counts
	}
	assert.Equal(t, map[string]int64{"not_an_event": 1, "json_invalid": 1}, only(r.Unclaimed))
	assert.Equal(t, map[string]int64{"transformed": 3, "malformed_flag_key": 1}, only(r.Outcomes))
	assert.Equal(t, map[string]int64{"set": 1, "unset": 1, "no_identity": 1}, only(r.Updates))
	assert.Equal(t, []inspection.Shown{
		{FlagKey: "a", Variant: "on", User: "user-17", IsAssigned: true},
		{FlagKey: "b", User: "user-17"},
		{FlagKey: "a", Variant: "on"},
	}, r.Shown)
	assert.Equal(t, map[string]int64{
		"Product Viewed": 1, "$impression": 4, "Order Completed": 1, "Shown": 1, "[Experiment] Impression": 1,
	}, r.Names)

	var left []string
	for i := range r.Left {
		e := &r.Left[i]
		left = append(left, fmt.Sprint(e.Type, e.Problem, e.Outcome, e.HasFlagKey))
	}
	assert.ElementsMatch(t, []string{
		"Showntrue", "not_an_eventfalse", "json_invalidfalse", "$impressionmalformed_flag_keyfalse",
	}, left)
	assertPairs(t, r.Pairs, collectortest.Records(sink.AllLogs()))
}

// assertPairs checks the pairs of someEvents against what came out.
func assertPairs(t *testing.T, pairs []inspection.Pair, out []plog.LogRecord) {
	t.Helper()
	require.Len(t, pairs, 3)
	for i, at := range []int{2, 4} {
		assert.Equal(t, "$impression", bodyOf(pairs[i].Record)["event"])
		assert.Equal(t, out[at-1].Attributes().AsRaw(), pairs[i].Update.Attributes().AsRaw())
		assert.Equal(t, bodyOf(out[at]), bodyOf(pairs[i].After))
		assert.Equal(t, "message-1-user-property", pairs[i].UpdateID)
		assert.Equal(t, "message-1", pairs[i].InsertID)
		assert.Equal(t, "segment", pairs[i].Layout)
	}
	assert.Equal(t, []string{"set", "unset", "skipped"}, []string{pairs[0].Operation, pairs[1].Operation, pairs[2].Operation})
	assert.Equal(t, "no_identity", pairs[2].Reason)
	assert.Equal(t, plog.LogRecord{}, pairs[2].Update)
	assert.Equal(t, "[Experiment] Impression", bodyOf(pairs[2].After)["event"])
}

func bodyOf(record plog.LogRecord) map[string]any {
	return record.Body().Map().AsRaw()
}

func TestPairsOfDroppedImpressions(t *testing.T) {
	for name, row := range map[string]struct {
		config  *Config
		updated bool
	}{
		"replaced": {defaultsWith(dropUnassigned), true},
		"removed":  {defaultsWith(dropUnassigned, emit(EmitNone)), false},
	} {
		t.Run(name, func(t *testing.T) {
			inspector := inspectiontest.New(true)
			p, _ := startInspected(t, row.config, inspector)
			require.NoError(t, p.ConsumeLogs(t.Context(), bodies(t,
				segmentCall("$impression", shown("a", "")), segmentCall("$impression", shown("b", "on")), segmentCall("$impression", shown("c", "")))))
			pairs := inspector.Batches()[0].Pairs
			require.Len(t, pairs, 3)
			for i, flag := range []string{"a", "b", "c"} {
				assert.Equal(t, flag, pairs[i].FlagKey)
				if flag == "b" {
					assert.Equal(t, "[Experiment] Impression", bodyOf(pairs[i].After)["event"])
					continue
				}
				assert.Equal(t, "dropped", pairs[i].Outcome)
				assert.Equal(t, plog.LogRecord{}, pairs[i].After)
				if row.updated {
					assert.Contains(t, fmt.Sprint(pairs[i].Update.Attributes().AsRaw()), "$unset:map[[Experiment] "+flag)
				} else {
					assert.Equal(t, plog.LogRecord{}, pairs[i].Update)
				}
			}
		})
	}
}

func TestReportsAreBounded(t *testing.T) {
	inspector := inspectiontest.New(true)
	p, _ := startInspected(t, defaultsWith(), inspector)
	var events []map[string]any
	for i := range 1000 {
		events = append(events,
			segmentCall("$impression", shown("a", "on")), map[string]any{"neither": i}, segmentCall("$impression", nil))
	}
	require.NoError(t, p.ConsumeLogs(t.Context(), bodies(t, events...)))
	r := inspector.Batches()[0]
	assert.Len(t, r.Shown, 1000)
	assert.Len(t, r.Pairs, inspection.MaxDetails)
	assert.LessOrEqual(t, len(r.Left), 2*inspection.MaxDetails)
	assert.Equal(t, int64(1000), r.Outcomes["malformed_properties"])
	assert.InDelta(t, 2000, r.Names["$impression"], 200, "an estimate from a sample")
}

func TestNothingIsReportedWhileNobodyLooks(t *testing.T) {
	inspector := inspectiontest.New(false)
	p, sink := startInspected(t, defaultsWith(), inspector)
	require.NoError(t, p.ConsumeLogs(t.Context(), someEvents(t)))
	assert.Empty(t, inspector.Batches())
	watched := inspectiontest.New(true)
	p, watchedSink := startInspected(t, defaultsWith(), watched)
	require.NoError(t, p.ConsumeLogs(t.Context(), someEvents(t)))
	require.NoError(t, plogtest.CompareLogs(sink.AllLogs()[0], watchedSink.AllLogs()[0]), "watching changes nothing")
}

func TestExplainDoesWhatTheProcessorDoes(t *testing.T) {
	inspector := inspectiontest.New(false)
	p, sink := startInspected(t, defaultsWith(), inspector)
	require.NoError(t, p.ConsumeLogs(t.Context(), someEvents(t)))
	logs := someEvents(t)
	events := inspector.Processors["impression"](logs)
	require.NoError(t, plogtest.CompareLogs(sink.AllLogs()[0], logs))

	var inputs []int
	var outcomes []string
	for i := range events {
		inputs = append(inputs, events[i].Input)
		outcomes = append(outcomes, events[i].Outcome+events[i].Operation+events[i].Problem)
	}
	assert.Equal(t, []int{0, 1, 2, 2, 3, 4, 5, 6, 7, 8}, inputs)
	assert.Equal(t, []string{
		"", "transformedset", "transformedunset", "", "malformed_flag_key", "", "transformedskipped", "not_an_event", "", "json_invalid",
	}, outcomes)
	assert.Equal(t, "user-17", events[1].UserID)
	assert.Equal(t, "a", events[1].FlagKey)
}
