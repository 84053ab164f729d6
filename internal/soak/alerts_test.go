// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

const (
	// maxAlertWait bounds how long an alert takes.
	maxAlertWait = 15 * time.Minute
	// maxSourceTime is longer than the scenario takes.
	maxSourceTime = 4 * maxAlertWait
)

// alertsScenario has Prometheus watch a collector with the rules in deploy, in which time passes faster. Amplitude is away for a while, then
// refuses the key, then a source sends malformed impressions. Exactly the expected alerts must fire each time, and end.
func alertsScenario(t *testing.T, size size) {
	t.Helper()
	server := startAmplitude(t)
	metrics, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	webhook, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(metrics)
	require.NoError(t, err)
	p := startPrometheus(t, metrics, size.speed)
	b := startBridge(t, server, "alerts.yaml", "METRICS_PORT="+port, "WEBHOOK_ENDPOINT="+webhook,
		"DEAD_LETTERS="+filepath.Join(t.TempDir(), "dead-letters.ndjson"))
	source := startSource(t, b, "http://"+webhook+"/segment", size.rate)
	b.waitForCounts(t, func(counts amplitudetest.Counts) bool { return counts.Ingested > 0 })
	p.waitForData(t, b, `job:otelcol_processor_impression_events:rate5m{outcome="transformed"} > 0`)
	p.waitForAlerts(t, b)

	var took []time.Duration
	for _, phase := range []struct {
		begin, end func()
		alerts     []string
	}{
		{func() { server.AnswerAll(unavailable) }, server.AnswerUsually, []string{"AmplitudeDeliveryLate"}},
		{func() { server.RefuseKey(true) }, func() { server.RefuseKey(false) }, []string{"AmplitudeDeliveryLate", "AmplitudeKeyRefused"}},
		{func() { source.isMalformed.Store(true) }, func() { source.isMalformed.Store(false) }, []string{"ImpressionsMalformed"}},
	} {
		began := time.Now()
		phase.begin()
		p.waitForAlerts(t, b, phase.alerts...)
		took = append(took, time.Since(began).Round(time.Second))
		phase.end()
		p.waitForAlerts(t, b)
		assert.Equal(t, phase.alerts, p.firedSince(t, began))
	}
	assertDashboardHasData(t, p, size.speed)
	assertRunbookHasData(t, p)
	people := source.stop(t)
	result := b.waitForAll(t, people, maxWait)
	reportf(t, "with rules %d times faster: an outage, a refused key and a malformed source are noticed after %s, and nothing else; %s",
		size.speed, took, result)
	result.assertPerfect(t)
	assert.Equal(t, []string{"AmplitudeDeliveryLate", "AmplitudeKeyRefused", "ImpressionsMalformed"}, p.firedSince(t, p.began))
	require.NoError(t, b.Stop())
}

// assertDashboardHasData runs each query of the dashboard in deploy.
func assertDashboardHasData(t *testing.T, p *prometheus, speed int) {
	t.Helper()
	root, err := collectortest.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "deploy", "grafana", "impression-bridge.json"))
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	seconds := strconv.Itoa(max(2, 300/speed)) + "s"
	queries := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			expr := strings.NewReplacer("$job", "bridge", "$instance", ".*", "$__rate_interval", seconds, "$__range", seconds).Replace(target.Expr)
			has, err := p.hasData(t.Context(), expr)
			require.NoError(t, err, panel.Title)
			assert.True(t, has, "%s has no data: %s", panel.Title, expr)
			queries++
		}
	}
	assert.Greater(t, queries, 20)
}

// runbookQuery finds a query in docs/runbook.md.
var runbookQuery = regexp.MustCompile("`((?:sum|topk)[^`]*\\botelcol_[^`]*)`")

// assertRunbookHasData runs each query that the runbook tells to look at.
func assertRunbookHasData(t *testing.T, p *prometheus) {
	t.Helper()
	root, err := collectortest.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "docs", "runbook.md"))
	require.NoError(t, err)
	queries := runbookQuery.FindAllStringSubmatch(string(text), -1)
	assert.Greater(t, len(queries), 5)
	for _, query := range queries {
		has, err := p.hasData(t.Context(), query[1])
		require.NoError(t, err)
		assert.True(t, has, "no data: %s", query[1])
	}
}

// source sends events until it is stopped, and malformed ones too as long as isMalformed is set.
type source struct {
	people      []*person
	isMalformed atomic.Bool
	running     sync.WaitGroup
	cancel      context.CancelFunc
	err         error
}

// startSource starts a source of this many events a second, which also posts some to a webhook.
func startSource(t *testing.T, b *bridge, webhook string, rate int) *source {
	t.Helper()
	const perBatch = 20
	s := &source{people: newPeople("watched", perBatch)}
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	sender := newSender(b)
	s.running.Go(func() {
		s.err = atRate(ctx, rate/perBatch, maxSourceTime, func(ctx context.Context, i int) error {
			// Not interrupted, so that it is known what was accepted.
			ctx = context.WithoutCancel(ctx)
			if i%perBatch == 0 {
				if err := post(ctx, webhook, i); err != nil {
					return err
				}
			}
			logs := batch(s.people, 0)
			if s.isMalformed.Load() {
				addMalformed(logs)
			}
			return sender.send(ctx, logs)
		})
	})
	t.Cleanup(func() { s.cancel(); s.running.Wait() })
	return s
}

// addMalformed adds an impression without a flag.
func addMalformed(logs plog.Logs) {
	record := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty()
	record.SetEventName("$impression")
	record.Attributes().PutStr("user.id", "malformed")
	record.Attributes().PutStr("variant", "on")
}

// post posts a page view and an event with a text that is too long for Amplitude to a webhook.
func post(ctx context.Context, webhook string, number int) error {
	body := fmt.Sprintf(`[{"type":"page","name":"Home","userId":"visitor","messageId":"page-%[1]d"},
		{"type":"track","event":"Read","userId":"visitor","messageId":"read-%[1]d","properties":{"text":%[2]q}}]`, number, strings.Repeat("x", 2000))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, webhook, strings.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// stop stops the source, and returns its people.
func (s *source) stop(t *testing.T) []*person {
	t.Helper()
	s.cancel()
	s.running.Wait()
	require.ErrorIs(t, s.err, context.Canceled)
	return slices.Clone(s.people)
}
