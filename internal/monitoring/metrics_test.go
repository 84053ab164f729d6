// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// metrics has what metadata.yaml says of each metric, by its name in Prometheus.
type metrics map[string]described

type described struct {
	isHistogram bool
	// labels has the values that each label may have, nil if these aren't listed.
	labels map[string][]string
}

// add adds the metrics of a metadata.yaml.
func (m metrics) add(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var metadata struct {
		Attributes map[string]struct {
			Override string `yaml:"name_override"`
			Enum     []string
		}
		Telemetry struct {
			Metrics map[string]struct {
				Attributes []string
				Histogram  *struct{}
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &metadata))
	for name, metric := range metadata.Telemetry.Metrics {
		d := described{isHistogram: metric.Histogram != nil, labels: map[string][]string{}}
		for _, key := range metric.Attributes {
			attribute := metadata.Attributes[key]
			if attribute.Override != "" {
				key = attribute.Override
			}
			d.labels[strings.ReplaceAll(key, ".", "_")] = attribute.Enum
		}
		m["otelcol_"+name] = d
	}
}

// allMetrics returns the metrics of our components, and of the collector's around them.
func allMetrics(t *testing.T) metrics {
	t.Helper()
	all := metrics{}
	files, err := filepath.Glob(path(t, "*/metadata.yaml"))
	require.NoError(t, err)
	for _, file := range files {
		all.add(t, file)
	}
	const core = "go.opentelemetry.io/collector/"
	printed, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}",
		core+"exporter/exporterhelper", core+"receiver/receiverhelper").Output()
	require.NoError(t, err)
	for folder := range strings.FieldsSeq(string(printed)) {
		all.add(t, filepath.Join(folder, "metadata.yaml"))
	}
	// Those of the process are the service's, which isn't among our dependencies. TestSoak/alerts finds them.
	all["otelcol_process_memory_rss"], all["otelcol_process_cpu_seconds"] = described{}, described{}
	return all
}

var (
	// metricName also finds the metric in the name of a recording rule.
	metricName = regexp.MustCompile(`\botelcol_[a-z0-9_]+[a-z0-9]`)
	selector   = regexp.MustCompile(`(\botelcol_[a-z0-9_]+)(?::\w+)?\{([^{}]*)\}`)
	matcher    = regexp.MustCompile(`(\w+)(=~|!~|!=|=)"([^"]*)"`)
	// alternatives is a regular expression whose parts can be checked.
	alternatives = regexp.MustCompile(`^\w+(\|\w+)*$`)
)

// of returns the metric with this name, which for a histogram may be that of one of its series.
func (m metrics) of(name string) (described, bool) {
	if d, known := m[name]; known {
		return d, true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, cut := strings.CutSuffix(name, suffix)
		if d, known := m[base]; cut && known && d.isHistogram {
			return d, true
		}
	}
	return described{}, false
}

// unknown returns the names, labels and values of metrics that a text mentions but that don't exist.
func (m metrics) unknown(text string) []string {
	var unknown []string
	for _, name := range metricName.FindAllString(text, -1) {
		// The names of our labels begin like those of metrics.
		if _, known := m.of(name); !known && name != "otelcol_component_id" {
			unknown = append(unknown, name)
		}
	}
	for _, found := range selector.FindAllStringSubmatch(text, -1) {
		metric, known := m.of(found[1])
		if !known || len(metric.labels) == 0 {
			// The collector's own metadata doesn't list the labels of its queue's metrics.
			continue
		}
		for _, match := range matcher.FindAllStringSubmatch(found[2], -1) {
			label, values := match[1], []string{match[3]}
			if slices.Contains([]string{"job", "instance", "le"}, label) {
				continue
			}
			enum, has := metric.labels[label]
			if !has {
				unknown = append(unknown, found[1]+" has no label "+label)
				continue
			}
			if alternatives.MatchString(match[3]) {
				values = strings.Split(match[3], "|")
			}
			for _, value := range values {
				if enum != nil && !slices.Contains(enum, value) {
					unknown = append(unknown, fmt.Sprintf("%s has no %s=%q", found[1], label, value))
				}
			}
		}
	}
	return unknown
}

// TestMetricsExist checks that each metric in the files below deploy and in the runbook exists, with the labels that select it.
func TestMetricsExist(t *testing.T) {
	all := allMetrics(t)
	files := append([]string{path(t, runbook), path(t, "deploy/prometheus/README.md"), path(t, "deploy/grafana/README.md"), path(t, rulesFile)}, testFiles(t)...)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Empty(t, all.unknown(string(text)), file)
	}
	d := readDashboard(t)
	assert.Empty(t, all.unknown(d.queries()), dashboardFile)
}

// recordedName finds the name of a recording rule.
var recordedName = regexp.MustCompile(`\b(?:job|instance):\w+:\w+`)

// TestRecordingRulesExist requires each recorded series that is used to be recorded.
func TestRecordingRulesExist(t *testing.T) {
	d := readDashboard(t)
	rules := read(t, rulesFile)
	used := recordedName.FindAllString(d.queries()+read(t, runbook)+rules, -1)
	require.NotEmpty(t, used)
	for _, name := range used {
		assert.Contains(t, rules, "record: "+name+"\n")
	}
}

func TestUnknownMetricsAreFound(t *testing.T) {
	all := allMetrics(t)
	for text, want := range map[string][]string{
		`otelcol_exporter_amplitude_events{kind="impression",job="a"}`:                  nil,
		`otelcol_exporter_amplitude_request_duration_bucket{le="1",status_class="2xx"}`: nil,
		`job:otelcol_exporter_amplitude_events:rate5m{kind=~"impression|update"}`:       nil,
		`otelcol_exporter_queue_size{exporter=~"amplitude(/.+)?"}`:                      nil,
		`sum(otelcol_exporter_amplitude_event)`:                                         {"otelcol_exporter_amplitude_event"},
		`otelcol_exporter_amplitude_events_count`:                                       {"otelcol_exporter_amplitude_events_count"},
		`otelcol_exporter_amplitude_events{type="a"}`:                                   {"otelcol_exporter_amplitude_events has no label type"},
		`otelcol_exporter_amplitude_events{kind=~"impression|view"}`:                    {`otelcol_exporter_amplitude_events has no kind="view"`},
		`job:otelcol_exporter_amplitude_requests:rate5m{outcome!="no"}`:                 {`otelcol_exporter_amplitude_requests has no outcome="no"`},
	} {
		assert.Equal(t, want, all.unknown(text), text)
	}
}
