// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// prometheus is a running Prometheus that scrapes one collector.
type prometheus struct {
	url string
	// began is when it started.
	began time.Time
}

// scrapeInterval is how often it scrapes, and evaluates its rules.
const scrapeInterval = 500 * time.Millisecond

// startPrometheus starts Prometheus with the rules of deploy, in which time passes this many times faster. It skips the test if there is
// no Prometheus.
func startPrometheus(t *testing.T, target string, speed int) *prometheus {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no prometheus; install Debian's package prometheus to see the alerts fire")
	}
	root, err := collectortest.Root()
	require.NoError(t, err)
	rules, err := os.ReadFile(filepath.Join(root, "deploy", "prometheus", "impression-bridge.rules.yml"))
	require.NoError(t, err)
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	write("rules.yml", hastened(t, string(rules), speed))
	config := write("prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: %[1]s, scrape_timeout: %[1]s, evaluation_interval: %[1]s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: bridge
    static_configs: [{targets: [%[2]q]}]
`, scrapeInterval, target))
	endpoint, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	command := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(folder, "data"),
		"--web.listen-address="+endpoint, "--log.level=warn")
	var printed bytes.Buffer
	command.Stdout, command.Stderr = &printed, &printed
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		assert.NoError(t, command.Process.Signal(syscall.SIGTERM))
		assert.NoError(t, command.Wait())
		if t.Failed() {
			t.Logf("Prometheus: %s", printed.String())
		}
	})
	return &prometheus{url: "http://" + endpoint, began: time.Now()}
}

var (
	// ruleDuration is a range, an offset, a for or an interval.
	ruleDuration = regexp.MustCompile(`(\[|offset |for: |interval: )(\d+)([mhd])\b`)
	// ruleSeconds are the limits that are numbers of seconds.
	ruleSeconds = regexp.MustCompile(`(queue_age:max > |seconds_left < )(\d+)\b`)
)

// hastened returns rules whose durations are this many times shorter. Everything else is as shipped.
func hastened(t *testing.T, rules string, speed int) string {
	t.Helper()
	seconds := map[string]int{"m": 60, "h": 3600, "d": 86400}
	rules = ruleDuration.ReplaceAllStringFunc(rules, func(found string) string {
		parts := ruleDuration.FindStringSubmatch(found)
		count, err := strconv.Atoi(parts[2])
		require.NoError(t, err)
		return parts[1] + strconv.Itoa(1000*count*seconds[parts[3]]/speed) + "ms"
	})
	assert.Len(t, ruleSeconds.FindAllString(rules, -1), 2)
	return ruleSeconds.ReplaceAllStringFunc(rules, func(found string) string {
		parts := ruleSeconds.FindStringSubmatch(found)
		count, err := strconv.Atoi(parts[2])
		require.NoError(t, err)
		return parts[1] + strconv.FormatFloat(float64(count)/float64(speed), 'f', -1, 64)
	})
}

// query returns the labels of the series in the answer to a query.
func (p *prometheus) query(ctx context.Context, expr string) ([]map[string]string, error) {
	var data struct {
		Result []struct{ Metric map[string]string }
	}
	err := p.get(ctx, "query", url.Values{"query": {expr}}, &data)
	var series []map[string]string
	for _, one := range data.Result {
		series = append(series, one.Metric)
	}
	return series, err
}

// get reads the data of an answer of Prometheus's API.
func (p *prometheus) get(ctx context.Context, what string, parameters url.Values, data any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/"+what+"?"+parameters.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer := struct {
		Error string
		Data  any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%v: %w", parameters, err)
	}
	if answer.Error != "" {
		return fmt.Errorf("%v: %s", parameters, answer.Error)
	}
	return nil
}

// hasData reports whether a query has had a number as its answer at any time until now.
func (p *prometheus) hasData(ctx context.Context, expr string) (bool, error) {
	var data struct{ Result []struct{ Values [][2]any } }
	err := p.get(ctx, "query_range", url.Values{
		"query": {expr}, "step": {"1"},
		"start": {strconv.FormatInt(p.began.Unix(), 10)}, "end": {strconv.FormatInt(time.Now().Unix(), 10)},
	}, &data)
	for _, series := range data.Result {
		for _, value := range series.Values {
			if value[1] != "NaN" {
				return true, err
			}
		}
	}
	return false, err
}

// alerts returns the names of the alerts that a selection of ALERTS finds.
func (p *prometheus) alerts(ctx context.Context, selection string) ([]string, error) {
	series, err := p.query(ctx, "count by (alertname) ("+selection+")")
	var names []string
	for _, labels := range series {
		names = append(names, labels["alertname"])
	}
	slices.Sort(names)
	return names, err
}

// waitForAlerts waits until exactly these alerts fire or, if there are none, until none is even pending.
func (p *prometheus) waitForAlerts(t *testing.T, b *bridge, want ...string) {
	t.Helper()
	selection := `ALERTS{alertstate="firing"}`
	if len(want) == 0 {
		selection = "ALERTS"
	}
	var last []string
	ctx, cancel := context.WithTimeout(t.Context(), maxAlertWait)
	defer cancel()
	for {
		names, err := p.alerts(ctx, selection)
		if err == nil && slices.Equal(names, want) {
			return
		}
		last = names
		select {
		case <-time.After(scrapeInterval):
		case <-ctx.Done():
			t.Log(b.Logs())
			require.Failf(t, "the alerts didn't come", "want %v, have %v, %v", want, last, err)
		}
	}
}

// firedSince returns the alerts that fired at any time since then.
func (p *prometheus) firedSince(t *testing.T, since time.Time) []string {
	t.Helper()
	names, err := p.alerts(t.Context(), fmt.Sprintf(`max_over_time(ALERTS{alertstate="firing"}[%dms])`, time.Since(since).Milliseconds()))
	require.NoError(t, err)
	return names
}

// waitForData waits until a query has an answer.
func (p *prometheus) waitForData(t *testing.T, b *bridge, expr string) {
	t.Helper()
	err := b.WaitUntil(t.Context(), expr, func() (bool, error) {
		series, err := p.query(t.Context(), expr)
		if err != nil && strings.Contains(err.Error(), "connection refused") {
			return false, nil
		}
		return len(series) > 0, err
	})
	require.NoError(t, err)
}
