// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.yaml.in/yaml/v3"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/impression"
)

// processed is what the processor makes of the input of a golden test, with the layouts of its processor.
type processed struct {
	name    string
	layouts []LayoutConfig
	logs    plog.Logs
}

// everythingProcessed returns the output of the processor in all golden tests and recipes.
func everythingProcessed(t *testing.T) []processed {
	t.Helper()
	var all []processed
	for _, folder := range []string{filepath.Join("testdata", "pipelines"), filepath.Join("examples", "recipes")} {
		paths, err := filepath.Glob(filepath.Join("..", folder, "*", "expected.yaml"))
		require.NoError(t, err)
		require.NotEmpty(t, paths)
		for _, path := range paths {
			text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "collector.yaml"))
			require.NoError(t, err)
			var collector struct {
				Processors struct {
					Impression *struct {
						Layouts []map[string]any
					}
				}
			}
			require.NoError(t, yaml.Unmarshal(text, &collector))
			p := processed{name: path, layouts: createDefaultConfig().(*Config).Layouts}
			if given := collector.Processors.Impression; given != nil && given.Layouts != nil {
				p.layouts = layoutsOf(t, given.Layouts)
			}
			p.logs, err = golden.ReadLogs(path)
			require.NoError(t, err)
			all = append(all, p)
		}
	}
	return all
}

func layoutsOf(t *testing.T, given []map[string]any) []LayoutConfig {
	t.Helper()
	text, err := yaml.Marshal(map[string]any{"api_key": "key", "layouts": given})
	require.NoError(t, err)
	config, err := load(t, string(text))
	require.NoError(t, err)
	return config.Layouts
}

// updates returns how many of the logs' records are updates, and how many of those set a property and so come before their impression.
func updates(logs plog.Logs) (all, sets int) {
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				if record.EventName() != impression.IdentifyEventType {
					continue
				}
				all++
				operations, has := record.Attributes().Get("user_properties")
				if !has {
					continue
				}
				if _, set := operations.Map().Get("$set"); set {
					sets++
				}
			}
		}
	}
	return all, sets
}

// TestTheProcessorsOutputIsPaired if the exporter has the processor's layouts.
func TestTheProcessorsOutputIsPaired(t *testing.T) {
	found := 0
	for _, p := range everythingProcessed(t) {
		e := start(t, componenttest.NewNopHost(), func(c *Config) { c.Layouts = p.layouts })
		all, _ := updates(p.logs)
		found += all
		require.NoError(t, e.push(t.Context(), p.logs), p.name)
		assert.False(t, e.reader.pairing.logged, p.name)
	}
	assert.Greater(t, found, 50)
}

// TestImpressionsThatOnlyTheProcessorReads are found whatever their layout.
func TestImpressionsThatOnlyTheProcessorReads(t *testing.T) {
	found := 0
	for _, p := range everythingProcessed(t) {
		e := newPushed(t, nil, func(c *Config) {
			c.Layouts = layoutsOf(t, []map[string]any{{
				"event_type": []string{`event["none"]`}, "properties": []string{`event["none"]`}, "user_id": []string{`event["none"]`},
			}})
		})
		b := &batch{}
		_, sets := updates(p.logs)
		// The timer of deferred events uses the reader too.
		require.NoError(t, e.semaphore.Acquire(t.Context(), 1))
		e.reader.read(b, p.logs, time.Unix(noon, 0), maxEncoded)
		e.semaphore.Release(1)
		assert.GreaterOrEqual(t, b.skipped[kindImpression][reasonUnpairedUpdate], int64(sets), p.name)
		found += sets
	}
	assert.Greater(t, found, 50)
}

// pair returns an update as the processor emits it, and its impression in another layout than the default.
func pair(t *testing.T, variant, insertID string) plog.Logs {
	t.Helper()
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	record := records.AppendEmpty()
	shown := records.AppendEmpty()
	require.NoError(t, shown.Body().SetEmptyMap().FromRaw(map[string]any{
		"type": "track", "event": "[Experiment] Impression", "userId": "user-1", "customer": "customer-1", "messageId": insertID,
		"properties": map[string]any{"[Experiment] Flag Key": "flag", "[Experiment] Variant": variant},
	}))
	update := impression.Update{
		Identity: impression.Identity{UserID: "customer-1"}, Property: impression.Property("flag"), Variant: variant,
	}
	if variant == "" {
		update.Operation = impression.Unset
	}
	update.InsertID = string(update.AppendInsertID(nil, "flag", insertID))
	update.WriteRecord(record, shown)
	return logs
}

// TestAnotherIdentityThanThatOfTheUpdate is counted when the impression is delivered, and logged once.
func TestAnotherIdentityThanThatOfTheUpdate(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	for _, variant := range []string{"on", ""} {
		require.NoError(t, p.push(t.Context(), pair(t, variant, "m-"+variant)))
	}
	p.assertEvents(t, point(2, "outcome", "delivered", "reason", "none"), point(2, "outcome", "delivered", "reason", "unpaired_update"))
	assert.Equal(t, 1, p.logs.FilterMessageSnippet("give the exporter the processor's layouts and min_id_length").Len())

	same := start(t, componenttest.NewNopHost(), func(c *Config) {
		c.Layouts = []LayoutConfig{{Preset: "segment", Paths: map[string][]string{"user_id": {`event["customer"]`}}}}
	})
	require.NoError(t, same.push(t.Context(), pair(t, "on", "m-1")))
	same.assertEvents(t, point(2, "outcome", "delivered", "reason", "none"))
}

// TestAnImpressionThatIsNotReadIsKept as a dead letter: as a record if no layout claims it, as an event if it has no id.
func TestAnImpressionThatIsNotReadIsKept(t *testing.T) {
	path, keep := withDeadLetters(t)
	p := start(t, componenttest.NewNopHost(), keep)
	unclaimed := pair(t, "on", "m-1")
	body := unclaimed.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(1).Body().Map()
	body.PutStr("name", "[Experiment] Impression")
	body.Remove("event")
	require.NoError(t, p.push(t.Context(), unclaimed))
	nobody := pair(t, "on", "m-2")
	nobody.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(1).Body().Map().Remove("userId")
	require.NoError(t, p.push(t.Context(), nobody))
	p.assertEvents(t, point(2, "outcome", "delivered", "reason", "none"), point(2, "outcome", "dropped", "reason", "unpaired_update"))
	lines := deadLinesIn(t, path)
	require.Len(t, lines, 2)
	assert.Contains(t, string(lines[0].Record), "m-1")
	assert.Contains(t, string(lines[1].Event), "m-2")
}

// TestAnUnpairedUpdateIsCountedOnce, although the impression is read again after a failure.
func TestAnUnpairedUpdateIsCountedOnce(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), nil)
	p.server.AnswerNext(1, amplitudetest.Answer{Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "1"}})
	err := p.push(t.Context(), pair(t, "on", "m-1"))
	var failed consumererror.Logs
	require.ErrorAs(t, err, &failed)
	require.Eventually(t, func() bool { return p.push(t.Context(), failed.Data()) == nil }, time.Minute, 10*time.Millisecond)
	p.assertEvents(t, point(1, "outcome", "delivered", "reason", "none"), point(1, "outcome", "delivered", "reason", "unpaired_update"))
}

// TestAnUpdateMayBeAlone if its impression was dropped, or is in another scope.
func TestAnUpdateMayBeAlone(t *testing.T) {
	next := func(change func(records plog.LogRecordSlice, shown plog.LogRecord)) plog.Logs {
		logs := pair(t, "", "m-1")
		records := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		change(records, records.At(1))
		return logs
	}
	for name, logs := range map[string]plog.Logs{
		"log line":      next(func(_ plog.LogRecordSlice, shown plog.LogRecord) { shown.Body().SetStr("a line") }),
		"another event": next(func(_ plog.LogRecordSlice, shown plog.LogRecord) { shown.Body().Map().Remove("properties") }),
		"another flag": next(func(_ plog.LogRecordSlice, shown plog.LogRecord) {
			property(shown, "[Experiment] Flag Key").SetStr("other")
		}),
		"another message": next(func(_ plog.LogRecordSlice, shown plog.LogRecord) { shown.Body().Map().PutStr("messageId", "m-2") }),
		"nobody": next(func(_ plog.LogRecordSlice, shown plog.LogRecord) {
			shown.Body().Map().Remove("userId")
			shown.Body().Map().Remove("messageId")
		}),
		"another update": next(func(records plog.LogRecordSlice, shown plog.LogRecord) { records.At(0).CopyTo(shown) }),
		"another time":   next(func(_ plog.LogRecordSlice, shown plog.LogRecord) { shown.SetObservedTimestamp(7) }),
		"nothing": next(func(records plog.LogRecordSlice, _ plog.LogRecord) {
			records.RemoveIf(func(record plog.LogRecord) bool { return record.EventName() == "" })
		}),
	} {
		p := start(t, componenttest.NewNopHost(), nil)
		require.NoError(t, p.push(t.Context(), logs))
		assert.False(t, p.reader.pairing.logged, name)
	}
	p := start(t, componenttest.NewNopHost(), nil)
	both := pair(t, "on", "m-1")
	scopes := both.ResourceLogs().At(0).ScopeLogs()
	scopes.At(0).CopyTo(scopes.AppendEmpty())
	for i := range 2 {
		index := -1
		scopes.At(i).LogRecords().RemoveIf(func(plog.LogRecord) bool { index++; return index != i })
	}
	require.NoError(t, p.push(t.Context(), both))
	assert.False(t, p.reader.pairing.logged, "in two scopes")
}

func property(record plog.LogRecord, name string) pcommon.Value {
	properties, _ := record.Body().Map().Get("properties")
	value, _ := properties.Map().Get(name)
	return value
}
