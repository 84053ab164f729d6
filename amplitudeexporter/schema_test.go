// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/configtest"
)

// ours selects the exporter in a collector's configuration.
var ours = configtest.Component{Section: "exporters", Type: metadata.Type.String()}

// beyondSchema names the badConfigs whose faults the schema can't express, or leaves to the owners of the keys.
var beyondSchema = []string{"nobody", "unknown in tls"}

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

func TestSchemaAcceptsGoodConfigs(t *testing.T) {
	schema := configtest.Schema(t, configtest.SchemaFile)
	for _, text := range []string{
		`{api_key: k, endpoint: "http://127.0.0.1:8089/2/httpapi"}`,
		`{api_key: k, endpoint: "http://[::1]/x"}`,
		`{api_key: k, endpoint: "http://localhost/x"}`,
		`{api_key: k, endpoint: "http://proxy/x", tls: {insecure: true}}`,
		`{api_key: k, endpoint: ""}`,
		`{api_key: k, endpoint: }`,
		`{api_key: k, sending_queue: {enabled: false, num_consumers: 4}}`,
		`{api_key: k, sending_queue: {wait_for_result: true, batch: {max_size: 0}}}`,
		`{api_key: k, retry_on_failure: {max_elapsed_time: 0s}}`,
		`{api_key: k, dead_letter: {path: "", max_megabytes: 1, max_backups: 1, reasons: }}`,
		`{api_key: k, dead_letter: {path: x, max_megabytes: 1048576, max_backups: 10000, reasons: [not_an_event]}}`,
		`{api_key: k, dry_run: {enabled: true, path: x}}`,
		`{api_key: k, headers: {a: b}, auth: {authenticator: x}}`,
		`{api_key: k, layouts: , event_types: , sending_queue: , json_body: , dead_letter: , dry_run: , calls: }`,
		`{api_key: k, calls: {identify: , page: {name: }, screen: {enabled: false, name: "{name} {category}"}, group: {type: }}}`,
	} {
		require.NoError(t, schema.Validate(configtest.Parse(t, text)), text)
		_, err := load(t, text)
		assert.NoError(t, err, text)
	}
}

func TestSchemaHasEveryKeyOfALayout(t *testing.T) {
	configtest.CheckLayoutKeys(t)
}

func TestSchemaHasEveryKey(t *testing.T) {
	configtest.CheckKeys(t, createDefaultConfig, map[string]string{
		"":                        "{unheard_of: 1}",
		"/$defs/queue":            "{sending_queue: {unheard_of: 1}}",
		"/$defs/batch":            "{sending_queue: {batch: {unheard_of: 1}}}",
		"/$defs/retry":            "{retry_on_failure: {unheard_of: 1}}",
		"/properties/json_body":   "{json_body: {unheard_of: 1}}",
		"/properties/dead_letter": "{dead_letter: {unheard_of: 1}}",
		"/properties/dry_run":     "{dry_run: {unheard_of: 1}}",
		"/properties/calls":       "{calls: {unheard_of: 1}}",
		"/$defs/view":             "{calls: {page: {unheard_of: 1}}}",

		"/properties/calls/properties/identify": "{calls: {identify: {unheard_of: 1}}}",
		"/properties/calls/properties/group":    "{calls: {group: {unheard_of: 1}}}",
	})
}

func TestREADMEShowsGoodConfigs(t *testing.T) {
	ours.CheckMarkdown(t, createDefaultConfig, "README.md")
}
