// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.yaml.in/yaml/v3"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/configtest"
)

// bothComponents are the nodes of a configuration that has the processor and the exporter.
type bothComponents struct {
	processors, exporters []yaml.Node
}

// componentsIn returns the nodes of a section's components of a type.
func componentsIn(section map[string]yaml.Node, component string) []yaml.Node {
	var found []yaml.Node
	for id, node := range section {
		if id == component || strings.HasPrefix(id, component+"/") {
			found = append(found, node)
		}
	}
	return found
}

// bothIn reads a configuration. It reports false if it hasn't both components.
func bothIn(text string) (bothComponents, bool) {
	var collector struct{ Processors, Exporters map[string]yaml.Node }
	if yaml.Unmarshal([]byte(text), &collector) != nil {
		// It isn't a collector's configuration, such as a manifest of ocb.
		return bothComponents{}, false
	}
	both := bothComponents{componentsIn(collector.Processors, "impression"), componentsIn(collector.Exporters, "amplitude")}
	return both, len(both.processors) > 0 && len(both.exporters) > 0
}

// value returns the node of a component's key, nil if it isn't given.
func value(component *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(component.Content); i += 2 {
		if component.Content[i].Value == key {
			return component.Content[i+1]
		}
	}
	return nil
}

// shippedFiles returns the collector configurations that users copy or run.
func shippedFiles(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	for _, folder := range []string{"examples", "deploy", "packaging", filepath.Join("testdata", "demo")} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err == nil && !entry.IsDir() && filepath.Ext(path) == ".yaml" {
				files = append(files, path)
			}
			return err
		})
		require.NoError(t, err)
	}
	return files
}

// TestShippedConfigurationsHaveOneListOfLayouts: with two lists, a user would change only one.
func TestShippedConfigurationsHaveOneListOfLayouts(t *testing.T) {
	root, err := collectortest.Root()
	require.NoError(t, err)
	found := 0
	for _, path := range shippedFiles(t, root) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		both, has := bothIn(string(text))
		if !has {
			continue
		}
		found++
		both.assertOneList(t, path)
	}
	assert.GreaterOrEqual(t, found, 5)
}

const twoLists = `
receivers: {otlp: {protocols: {http: {endpoint: "${env:OTLP_ENDPOINT}"}}}}
processors:
  impression:
    layouts:
      - {event_type: ['log.attributes["name"]'], properties: ['log.attributes["props"]'], user_id: ['log.attributes["uid"]']}
exporters: {amplitude: {api_key: key, endpoint: "${env:AMPLITUDE_ENDPOINT}"}}
extensions: {health_check: {endpoint: "${env:HEALTH_ENDPOINT}"}}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines: {logs: {receivers: [otlp], processors: [impression], exporters: [amplitude]}}
`

// TestLayoutsOfTheProcessorOnly: validation sees no fault, but the log says what to do, once.
func TestLayoutsOfTheProcessorOnly(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	config := filepath.Join(t.TempDir(), "collector.yaml")
	require.NoError(t, os.WriteFile(config, []byte(twoLists), 0o600))
	c, err := collectortest.Start(t.Context(), collectortest.Default, config, "AMPLITUDE_ENDPOINT="+server.URL(amplitude.HTTPV2))
	require.NoError(t, err)
	for n := range 3 {
		logs := plog.NewLogs()
		record := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		require.NoError(t, record.Attributes().FromRaw(map[string]any{
			"name": "$impression", "uid": "user-1", "props": map[string]any{"flag_key": "flag", "variant": strconv.Itoa(n)},
		}))
		body, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, post(t, c, "application/json", body))
	}
	require.NoError(t, c.WaitForCounts(t.Context(), server, func(counts amplitudetest.Counts) bool { return counts.Ingested == 3 }))
	require.NoError(t, c.Stop())
	assert.Equal(t, 1, strings.Count(c.Logs(), "give the exporter the processor's layouts"))
}

// TestREADMEsHaveOneListOfLayouts or none, because the components' defaults are the same.
func TestREADMEsHaveOneListOfLayouts(t *testing.T) {
	root, err := collectortest.Root()
	require.NoError(t, err)
	found := 0
	for _, path := range markdownFiles(t, root) {
		for _, text := range configtest.YAMLBlocks(t, path) {
			both, has := bothIn(text)
			if !has {
				continue
			}
			found++
			given := false
			for i := range both.processors {
				given = given || value(&both.processors[i], "layouts") != nil
			}
			for i := range both.exporters {
				given = given || value(&both.exporters[i], "layouts") != nil
			}
			if given {
				both.assertOneList(t, path)
			}
		}
	}
	assert.Positive(t, found)
}

// assertOneList asserts that each exporter's layouts are those of a processor by a YAML alias.
func (b *bothComponents) assertOneList(t *testing.T, place string) {
	t.Helper()
	for i := range b.exporters {
		layouts := value(&b.exporters[i], "layouts")
		if !assert.NotNil(t, layouts, "%s: the exporter has no layouts", place) {
			continue
		}
		isProcessors := false
		for j := range b.processors {
			list := value(&b.processors[j], "layouts")
			isProcessors = isProcessors || list != nil && layouts.Alias == list
		}
		assert.True(t, isProcessors, "%s: the exporter's layouts aren't an alias of the processor's", place)
	}
}
