// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/configtest"
)

func load(tb testing.TB, text string) (*Config, error) {
	tb.Helper()
	return configtest.Load(tb, createDefaultConfig().(*Config), text)
}

func TestLoadConfig(t *testing.T) {
	defaults := configtest.LoadFile(t, createDefaultConfig().(*Config), component.NewID(metadata.Type))
	assert.Equal(t, "localhost:8090", defaults.ServerConfig.NetAddr.Endpoint)
	assert.Equal(t, int64(1<<20), defaults.ServerConfig.MaxRequestBodySize)
	assert.False(t, defaults.ShowValues)
	assert.False(t, defaults.Always)

	everything := configtest.LoadFile(t, createDefaultConfig().(*Config), component.NewIDWithName(metadata.Type, "everything"))
	assert.Equal(t, "0.0.0.0:8099", everything.ServerConfig.NetAddr.Endpoint)
	assert.True(t, everything.ServerConfig.Auth.HasValue())
	assert.Equal(t, []string{"bridge.internal"}, everything.Hosts)
	assert.True(t, everything.ShowValues)
	assert.True(t, everything.Always)
	assert.Equal(t, map[string]map[string]float64{"checkout": {"control": 50, "treatment": 50}, "banner": {"a": 90, "b": 10}}, everything.Experiments)

	for _, name := range []string{"ipv6", "local"} {
		configtest.LoadFile(t, createDefaultConfig().(*Config), component.NewIDWithName(metadata.Type, name))
	}
}

// badConfigs are configurations that the extension refuses, with what the error must say.
var badConfigs = map[string]struct{ yaml, want string }{
	"unknown":        {"{port: 1}", "port: no such key; allowed: "},
	"without auth":   {"{endpoint: 0.0.0.0:8090}", `endpoint: "0.0.0.0:8090" can be reached from other machines; set auth`},
	"any interface":  {"{endpoint: ':8090'}", `endpoint: ":8090" can be reached from other machines`},
	"by name":        {"{endpoint: bridge.internal:8090}", "can be reached from other machines"},
	"cors":           {"{cors: {allowed_origins: ['*']}}", "cors: the page is only for its own origin"},
	"host with port": {"{hosts: [bridge.internal:8090]}", `hosts[0]: "bridge.internal:8090" isn't a name of a host`},
	"any host":       {"{hosts: ['*']}", `hosts[0]: "*" isn't a name`},
	"one variant":    {"{experiments: {a: {x: 1}}}", "experiments.a: 1 variants; give 2 to 20"},
	"weight of 0":    {"{experiments: {a: {x: 1, y: 0}}}", "experiments.a.y: 0; allowed: more than 0"},
	"endless weight": {"{experiments: {a: {x: 1, y: .inf}}}", "experiments.a.y: +Inf; allowed: more than 0"},
	"weight by name": {"{experiments: {a: {x: 1, y: much}}}", "experiments[a][y]"},
	"wrong type":     {"{always: [1]}", "always"},
}

// beyondSchema names the badConfigs whose faults the schema can't express.
var beyondSchema = []string{"without auth", "any interface", "by name"}

func TestBadConfigsAreRefused(t *testing.T) {
	for name, bad := range badConfigs {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, bad.yaml)
			require.Error(t, err)
			assert.Contains(t, err.Error(), bad.want)
		})
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	_, err := load(t, "{port: 1, endpoint: ':8090', hosts: [a/b], experiments: {a: {x: -1, y: 2}}, cors: {}}")
	require.Error(t, err)
	for _, want := range []string{"port: ", `endpoint: ":8090"`, "hosts[0]", "experiments.a.x: -1", "cors: "} {
		assert.Contains(t, err.Error(), want)
	}
}

// ours selects the extension in a collector's configuration.
var ours = configtest.Component{Section: "extensions", Type: metadata.Type.String()}

func TestSchemaRefusesBadConfigs(t *testing.T) {
	configs := map[string]configtest.BadConfig{}
	for name, bad := range badConfigs {
		configs[name] = configtest.BadConfig{YAML: bad.yaml, BeyondSchema: slices.Contains(beyondSchema, name)}
	}
	configtest.CheckBadConfigs(t, configs)
}

func TestSchemaAcceptsShippedConfigs(t *testing.T) {
	ours.CheckShipped(t)
}

func TestSchemaHasEveryKey(t *testing.T) {
	configtest.CheckKeys(t, createDefaultConfig, map[string]string{"": "{unheard_of: 1}"})
}

func TestREADMEShowsGoodConfigs(t *testing.T) {
	ours.CheckMarkdown(t, createDefaultConfig, "README.md")
}
