// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadatatest"
	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// deadLine is a line of a file of dead letters.
type deadLine struct {
	Time   time.Time       `json:"time"`
	Reason string          `json:"reason"`
	Status int             `json:"status"`
	Event  json.RawMessage `json:"event"`
	Record json.RawMessage `json:"record"`
}

func deadLinesIn(t *testing.T, path string) []deadLine {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var lines []deadLine
	for text := range bytes.Lines(text) {
		var line deadLine
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&line), string(text))
		lines = append(lines, line)
	}
	return lines
}

// withDeadLetters makes an exporter keep dead letters, and returns where.
func withDeadLetters(t *testing.T, reasons ...string) (path string, change func(*Config)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "dead.ndjson")
	return path, func(c *Config) { c.DeadLetter.Path, c.DeadLetter.Reasons = path, reasons }
}

// pushAll pushes logs until none of their events is left.
func (p *pushed) pushAll(t *testing.T, logs plog.Logs) {
	t.Helper()
	for range 100 {
		err := p.push(t.Context(), logs)
		if err == nil {
			return
		}
		var left consumererror.Logs
		require.ErrorAs(t, err, &left)
		logs = left.Data()
		time.Sleep(time.Minute)
	}
	require.Fail(t, "events are left")
}

// refusing answers requests that have an event of the type "bad".
func refusing(status int, body string) func(*amplitudetest.Request) (amplitudetest.Answer, bool) {
	return func(request *amplitudetest.Request) (amplitudetest.Answer, bool) {
		at := slices.IndexFunc(request.Events, func(e amplitudetest.Event) bool { return e.Type == "bad" })
		if at < 0 {
			return amplitudetest.Answer{}, false
		}
		return amplitudetest.Answer{Status: status, Body: strings.ReplaceAll(body, "INDEX", string('0'+rune(at)))}, true
	}
}

// bad is an event that refusing makes Amplitude refuse, and sentBad is how it is sent.
var bad = strings.Replace(newEvent("bad"), "user-17", "user-bad", 1)

const sentBad = `{"event_type":"bad","user_id":"user-bad","time":1795428000000,"insert_id":"bad"}`

// callOf returns a call of Segment that isn't a track call.
func callOf(kind string) string {
	return `{"type":"` + kind + `","userId":"user-17","messageId":"m","traits":{"plan":"pro"}}`
}

// sessionStart is a message of mParticle.
const sessionStart = `{"event_type":"session_start","mp_deviceid":"device-1","data":{}}`

// deadCases has, by reason, how an event is dropped, and its dead letter.
var deadCases = map[string]struct {
	record string
	// status and body are the answer to requests with the event, if it is sent.
	status int
	body   string
	// event or body text of the record is what the letter has.
	event, recordBody string
}{
	"missing_id": {record: `{"event":"nobody","messageId":"m","timestamp":"2026-11-23T10:00:00Z"}`, event: `{"event_type":"nobody","time":1795428000000,"insert_id":"m"}`},
	"refused_id": {
		record: `{"event":"a","userId":"null","anonymousId":"0","messageId":"m","properties":{"n":9007199254740993}}`,
		event:  `{"event_type":"a","user_id":"null","device_id":"0","insert_id":"m","event_properties":{"n":9007199254740993}}`,
	},
	"id_too_short": {record: `{"event":"a","userId":"1234","messageId":"m"}`, event: `{"event_type":"a","user_id":"1234","insert_id":"m"}`},

	"not_an_event":         {record: `GET /index.html 200`, recordBody: `GET /index.html 200`},
	"identify":             {record: callOf("identify"), recordBody: callOf("identify")},
	"page":                 {record: callOf("page"), recordBody: callOf("page")},
	"screen":               {record: callOf("screen"), recordBody: callOf("screen")},
	"group":                {record: callOf("group"), recordBody: callOf("group")},
	"alias":                {record: callOf("alias"), recordBody: callOf("alias")},
	"page_ping":            {record: `{"event_name":"page_ping","user_id":"user-17"}`, recordBody: `{"event_name":"page_ping","user_id":"user-17"}`},
	"other":                {record: sessionStart, recordBody: sessionStart},
	"json_invalid":         {record: `{"event": oops}`, recordBody: `{"event": oops}`},
	"json_too_deep":        {record: `{"event":"deep","a":[[[[[[[]]]]]]]}`, recordBody: `{"event":"deep","a":[[[[[[[]]]]]]]}`},
	"json_too_large":       {record: `{"event":"` + strings.Repeat("x", 2000) + `"}`, recordBody: `{"event":"` + strings.Repeat("x", 2000) + `"}`},
	"json_too_many_values": {record: `{"event":"many","a":[` + strings.Repeat("0,", 20) + `0]}`, recordBody: `{"event":"many","a":[` + strings.Repeat("0,", 20) + `0]}`},
	"mixed_events":         {record: `[{"type":"track","event":"mixed"},1]`, recordBody: `[{"type":"track","event":"mixed"},1]`},
	"envelope_too_deep":    {record: envelopes(5), recordBody: envelopes(5)},
	"envelope_too_large":   {record: largeEnvelope, recordBody: largeEnvelope},

	"invalid_field":     {record: bad, status: 400, body: `{"code":400,"events_with_invalid_fields":{"time":[INDEX]}}`, event: sentBad},
	"missing_field":     {record: bad, status: 400, body: `{"code":400,"events_with_missing_fields":{"time":[INDEX]}}`, event: sentBad},
	"invalid_id_length": {record: bad, status: 400, body: `{"code":400,"events_with_invalid_id_lengths":{"user_id":[INDEX]}}`, event: sentBad},
	"silenced":          {record: bad, status: 400, body: `{"code":400,"silenced_events":[INDEX]}`, event: sentBad},
	"daily_quota":       {record: bad, status: 429, body: `{"code":429,"exceeded_daily_quota_users":{"user-bad":500000}}`, event: sentBad},
	"bad_request":       {record: bad, status: 400, body: `{"code":400,"error":"bad"}`, event: sentBad},
	"forbidden":         {record: bad, status: 403, body: `<html>`, event: sentBad},
	"too_large":         {record: bad, status: 413, body: `{"code":413,"error":"large"}`, event: sentBad},
}

// TestDeadLettersOfEachReason: the letter has all of the event, or of the record if no event could be read. The events beside it
// are delivered.
func TestDeadLettersOfEachReason(t *testing.T) {
	for why, test := range deadCases {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path, keep := withDeadLetters(t, keepable()...)
				server := amplitudetest.New()
				if test.status != 0 {
					server.AnswerFunc(refusing(test.status, test.body))
				}
				p := startHandled(t, componenttest.NewNopHost(), server, func(c *Config) {
					keep(c)
					c.Calls = CallsConfig{Traits: TraitsFromIdentify, Products: ProductsAsList}
					if why == "page_ping" {
						c.Layouts = append([]LayoutConfig{{Preset: "snowplow", Paths: map[string][]string{"properties": {`event["p"]`}}}}, c.Layouts...)
					}
					if why == "other" {
						c.Layouts = append([]LayoutConfig{{Preset: "mparticle"}}, c.Layouts...)
					}
					if strings.HasPrefix(why, "json_") {
						c.JSONBody = JSONBodyConfig{MaxDepth: 5, MaxBytes: 1000, MaxValues: 20}
					}
				})
				logs := logsOf(newEvent("good"), test.record, newEvent("good too"))
				resource := logs.ResourceLogs().At(0)
				resource.Resource().Attributes().PutStr("host", "web-1")
				resource.ScopeLogs().At(0).Scope().SetName("a scope")
				resource.ScopeLogs().At(0).LogRecords().At(1).Attributes().PutStr("client.address", "10.0.0.1")
				p.pushAll(t, logs)
				delivered := int64(2)
				if why == "bad_request" || why == "forbidden" || why == "too_large" {
					// Without names, it is dropped only after others were accepted.
					p.pushAll(t, logsOf(newEvent("another")))
					delivered++
				}
				p.assertEvents(t, point(delivered, "outcome", "delivered", "reason", "none"), point(1, "outcome", "dropped", "reason", why))
				assertDeadLetters(t, p, 1, 0)

				lines := deadLinesIn(t, path)
				require.Len(t, lines, 1)
				line := lines[0]
				assert.Equal(t, why, line.Reason)
				assert.Equal(t, test.status, line.Status)
				assert.WithinDuration(t, time.Now(), line.Time, time.Hour)
				if test.event != "" {
					assert.Equal(t, test.event, string(line.Event))
					assert.Empty(t, line.Record)
				} else {
					assert.Empty(t, line.Event)
					assertRecord(t, line.Record, test.recordBody)
				}
				p.stop(t)
			})
		})
	}
}

// TestDeadCasesAreComplete compares deadCases with the reasons for which records are dropped. unpaired_update needs two records: see
// TestAnImpressionThatIsNotReadIsKept.
func TestDeadCasesAreComplete(t *testing.T) {
	for _, why := range droppedReasons() {
		_, isTested := deadCases[why]
		assert.Equal(t, !slices.Contains([]string{"not_an_impression", "older_update", "unpaired_update", "nothing_to_send", "unchanged", "none"}, why), isTested, why)
	}
}

// assertRecord asserts that a letter has the whole record, in the form that OTLP receivers accept.
func assertRecord(t *testing.T, record json.RawMessage, body string) {
	t.Helper()
	logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(record)
	require.NoError(t, err)
	require.Equal(t, 1, logs.LogRecordCount())
	resource := logs.ResourceLogs().At(0)
	assert.Equal(t, map[string]any{"host": "web-1"}, resource.Resource().Attributes().AsRaw())
	assert.Equal(t, "a scope", resource.ScopeLogs().At(0).Scope().Name())
	kept := resource.ScopeLogs().At(0).LogRecords().At(0)
	assert.Equal(t, map[string]any{"client.address": "10.0.0.1"}, kept.Attributes().AsRaw())
	if kept.Body().Type() == pcommon.ValueTypeMap {
		assert.JSONEq(t, body, kept.Body().AsString())
		return
	}
	assert.Equal(t, body, kept.Body().Str())
}

func assertDeadLetters(t *testing.T, p *pushed, written, failed int64) {
	t.Helper()
	metadatatest.AssertEqualExporterAmplitudeDeadLetters(t, p.telemetry,
		[]metricdata.DataPoint[int64]{point(written, "outcome", "written"), point(failed, "outcome", "failed")}, metricdatatest.IgnoreTimestamp())
}

// envelopes returns an event in this many envelopes.
func envelopes(n int) string {
	return strings.Repeat(`{"batch":[`, n) + newEvent("deep") + strings.Repeat(`]}`, n)
}

// largeEnvelope has fields that would be copied into many events.
var largeEnvelope = `{"context":{"page":"` + strings.Repeat("x", 10_000) + `"},"batch":[` + strings.Repeat(`{"event":"a","userId":"user-17"},`, 2000) + `{"event":"a","userId":"user-17"}]}`

// TestWhatIsNotADeadLetter: what a configuration excludes isn't refused, and an older update must not be sent again.
func TestWhatIsNotADeadLetter(t *testing.T) {
	path, keep := withDeadLetters(t)
	p := start(t, componenttest.NewNopHost(), func(c *Config) {
		keep(c)
		c.Send = SendImpressions
	})
	update := `{"event_type":"$identify","user_id":"user-17","time":TIME,"user_properties":{"$set":{"[Experiment] a":"on"}}}`
	require.NoError(t, p.push(t.Context(), logsOf(newEvent("order"), "no event",
		strings.Replace(update, "TIME", "1795428000001", 1), strings.Replace(update, "TIME", "1795428000000", 1))))
	p.assertEvents(t, point(1, "outcome", "delivered", "reason", "none"), point(1, "outcome", "filtered", "reason", "not_an_impression"),
		point(1, "outcome", "dropped", "reason", "not_an_event"), point(1, "outcome", "dropped", "reason", "older_update"))
	assert.Empty(t, deadLinesIn(t, path))
	assertDeadLetters(t, p, 0, 0)
}

// TestDeadLettersHaveNoKey: texts that can't be read may have the key of the project.
func TestDeadLettersHaveNoKey(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	path, keep := withDeadLetters(t, "not_an_event")
	p := start(t, componenttest.NewNopHost(), func(c *Config) {
		keep(c)
		c.APIKey = key
	})
	p.server.Restrict(amplitudetest.ExceededDailyQuotaUser, amplitudetest.UntilLifted, "user-17")
	require.NoError(t, p.push(t.Context(), logsOf(
		`{"event_type":"a","user_id":"user-17","api_key":"`+key+`","event_properties":{"a":"`+key+`"}}`,
		`{"event_type":"a","user_id":"1","api_key":"`+key+`"}`,
		`{"api_key":"`+key+`", oops`, `key=`+key,
	)))
	assert.Len(t, deadLinesIn(t, path), 4)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(text), key)
}

// TestDeliveryGoesOnWithoutDeadLetters: a file that can't be written stops nothing, and the log says so without ids.
func TestDeliveryGoesOnWithoutDeadLetters(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	require.NoError(t, os.Mkdir(folder, 0o700))
	p := start(t, componenttest.NewNopHost(), func(c *Config) { c.DeadLetter.Path = filepath.Join(folder, "dead.ndjson") })
	require.NoError(t, os.RemoveAll(folder))
	// The failure is logged when the file should be written, and again at shutdown.
	var counted []bool
	p.deadLetters.logger = p.deadLetters.logger.WithOptions(zap.Hooks(func(zapcore.Entry) error {
		counted = append(counted, countedEvents(t, p) > 0)
		return nil
	}))
	for range 5 {
		require.NoError(t, p.push(t.Context(), logsOf(newEvent("good"), `{"event":"canary","userId":"1"}`, `{"event":"canary","userId":"2"}`)))
	}
	p.assertEvents(t, point(5, "outcome", "delivered", "reason", "none"), point(10, "outcome", "dropped", "reason", "id_too_short"))
	assertDeadLetters(t, p, 0, 10)
	require.NoError(t, p.shutdown(t.Context()))
	lines := p.logs.FilterMessage("dead letters can't be written; they are lost").All()
	assert.Equal(t, []bool{false, true}, counted)
	require.Len(t, lines, 2, "one at once, and the rest at shutdown")
	assert.Equal(t, int64(2), lines[0].ContextMap()["events"])
	assert.Equal(t, int64(8), lines[1].ContextMap()["events"])
	assert.Contains(t, lines[0].ContextMap()["error"], folder)
}

func TestStartFailsWithoutDeadLetters(t *testing.T) {
	config := createDefaultConfig().(*Config)
	config.DeadLetter.Path = filepath.Join(t.TempDir(), "none", "dead.ndjson")
	e, err := newExporter(exportertest.NewNopSettings(metadata.Type), config)
	require.NoError(t, err)
	require.ErrorContains(t, e.start(t.Context(), componenttest.NewNopHost()), "dead_letter.path: open "+config.DeadLetter.Path)
	assert.NoError(t, e.shutdown(t.Context()))
}

// linesAtWrites counts the dead letters in a file at each write to a disk.
type linesAtWrites struct {
	path  string
	mutex sync.Mutex
	// counts has the number of lines, by what was written.
	counts map[string][]int
}

// watch counts the lines whenever the disk writes one of the keys.
func (w *linesAtWrites) watch(d *storagetest.Disk, keys ...string) {
	w.counts = map[string][]int{}
	d.FailIf(func(key string) bool {
		if slices.Contains(keys, key) {
			w.mutex.Lock()
			defer w.mutex.Unlock()
			text, err := os.ReadFile(w.path)
			if err != nil {
				return true
			}
			w.counts[key] = append(w.counts[key], bytes.Count(text, []byte("\n")))
		}
		return false
	})
}

// TestADeadLetterIsWrittenBeforeTheQueueForgets, because of crashes: the event may be there twice but must not be lost.
func TestADeadLetterIsWrittenBeforeTheQueueForgets(t *testing.T) {
	server := amplitudetest.Start(t)
	server.Restrict(amplitudetest.ExceededDailyQuotaUser, amplitudetest.UntilLifted, "user-17")
	disk := storagetest.NewDisk(nil)
	path, keep := withDeadLetters(t)
	e := startOnDiskWith(t, server, disk, keep)
	w := &linesAtWrites{path: path}
	w.watch(disk, "logs/qmv0")
	require.NoError(t, e.ConsumeLogs(t.Context(), logsOf(newEvent("a"), `{"event":"short","userId":"1"}`)))
	require.NoError(t, server.WaitUntil(t.Context(), func(c amplitudetest.Counts) bool { return c.Requests > 0 }))
	require.NoError(t, e.Shutdown(t.Context()))
	require.Len(t, deadLinesIn(t, path), 2)
	// The queue writes its metadata when it takes the batch, reads it, and forgets it.
	counts := w.counts["logs/qmv0"]
	require.NotEmpty(t, counts)
	assert.Equal(t, 2, counts[len(counts)-1])
	assert.Contains(t, counts, 0)
}

// TestADeadLetterIsWrittenBeforeADeferredEventIsForgotten and before it is counted.
func TestADeadLetterIsWrittenBeforeADeferredEventIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := storagetest.NewDisk(nil)
		path, keep := withDeadLetters(t)
		server := amplitudetest.New()
		server.Restrict(amplitudetest.ThrottledUser, 1, "busy-1")
		p := startHandled(t, hostOf(disk), server, func(c *Config) {
			onDisk(c)
			keep(c)
		})
		require.NoError(t, p.push(t.Context(), logsOf(eventOf("busy-1", 0))))
		p.assertDeferred(t, 1)
		w := &linesAtWrites{path: path}
		w.watch(disk, deferredName+"/chunks")
		server.Restrict(amplitudetest.ExceededDailyQuotaUser, amplitudetest.UntilLifted, "busy-1")
		time.Sleep(time.Hour)
		synctest.Wait()
		p.assertDeferred(t, 0)
		assert.Equal(t, []int{1}, w.counts[deferredName+"/chunks"])
		lines := deadLinesIn(t, path)
		require.Len(t, lines, 1)
		assert.Equal(t, http.StatusTooManyRequests, lines[0].Status)
		p.stop(t)
	})
}

// TestREADMESaysWhatIsKept compares the table "What is kept" with what is kept.
func TestREADMESaysWhatIsKept(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(readme), "### What is kept\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n### ")
	said := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		kept, _, _ := strings.Cut(strings.TrimLeft(cells[2], " "), " ")
		for why := range strings.SplitSeq(cells[1], ",") {
			said[strings.Trim(why, " `")] = strings.TrimSuffix(kept, ":")
		}
	}
	for _, why := range droppedReasons() {
		want := "always"
		switch {
		case why == "none":
			continue
		case slices.Contains(keepable(), why):
			want = "if"
		case slices.Contains(notKept, reasonOf(why)):
			want = "never"
		}
		assert.Equal(t, want, said[why], why)
	}
}
