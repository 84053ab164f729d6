// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/configtest"
)

// ours is the component in a configuration.
var ours = configtest.Component{Section: "exporters", Type: metadata.Type.String()}

// beyondSchema are the badConfigs that the schema cannot know to be bad, or leaves to those who wrote the keys.
var beyondSchema = []string{"nobody", "unknown in tls"}

func TestSchemaRefusesBadConfigs(t *testing.T) {
	schema := configtest.Schema(t, "config.schema.json")
	for name, bad := range badConfigs {
		t.Run(name, func(t *testing.T) {
			err := schema.Validate(configtest.Parse(t, bad.yaml))
			if slices.Contains(beyondSchema, name) {
				assert.NoError(t, err)
			} else {
				assert.Error(t, err)
			}
		})
	}
}

// TestSchemaAcceptsShippedConfigs covers every configuration that users are shown, but those shown for their faults.
func TestSchemaAcceptsShippedConfigs(t *testing.T) {
	schema := configtest.Schema(t, "config.schema.json")
	shipped := ours.Shipped(t)
	assert.Greater(t, len(shipped), 3)
	for place, config := range shipped {
		assert.NoError(t, schema.Validate(config), place)
	}
}

func TestSchemaAcceptsGoodConfigs(t *testing.T) {
	schema := configtest.Schema(t, "config.schema.json")
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
		`{api_key: k, dry_run: {enabled: true, path: x}}`,
		`{api_key: k, headers: {a: b}, auth: {authenticator: x}}`,
		`{api_key: k, layouts: , event_types: , sending_queue: , json_body: , dry_run: }`,
	} {
		require.NoError(t, schema.Validate(configtest.Parse(t, text)), text)
		_, err := load(t, text)
		assert.NoError(t, err, text)
	}
}

// TestSchemaHasEveryKey compares it with the keys that the exporter says it has.
func TestSchemaHasEveryKey(t *testing.T) {
	text, err := os.ReadFile("config.schema.json")
	require.NoError(t, err)
	type object struct {
		Properties map[string]json.RawMessage
		Defs       map[string]object `json:"$defs"`
	}
	var schema object
	require.NoError(t, json.Unmarshal(text, &schema))
	inSchema := func(of object) string { return strings.Join(slices.Sorted(maps.Keys(of.Properties)), ", ") }
	within := func(key string) object {
		var of object
		require.NoError(t, json.Unmarshal(schema.Properties[key], &of))
		return of
	}
	for place, of := range map[string]object{
		"%s":                           schema,
		"sending_queue: {%s}":          schema.Defs["queue"],
		"sending_queue: {batch: {%s}}": schema.Defs["batch"],
		"retry_on_failure: {%s}":       schema.Defs["retry"],
		"json_body: {%s}":              within("json_body"),
		"dry_run: {%s}":                within("dry_run"),
	} {
		_, err := load(t, strings.Replace("{api_key: k, "+place+"}", "%s", "unheard_of: 1", 1))
		require.Error(t, err)
		assert.Contains(t, err.Error()+"\n", "unheard_of: 1: no such key; allowed: "+inSchema(of)+"\n", place)
	}
}

func TestREADMEShowsGoodConfigs(t *testing.T) {
	schema := configtest.Schema(t, "config.schema.json")
	shown := ours.InMarkdown(t, "README.md")
	assert.NotEmpty(t, shown)
	for place, config := range shown {
		require.NoError(t, schema.Validate(config), place)
		text, err := yaml.Marshal(config)
		require.NoError(t, err)
		_, err = load(t, string(text))
		assert.NoError(t, err, place)
	}
}
