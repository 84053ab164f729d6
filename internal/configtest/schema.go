// SPDX-License-Identifier: Apache-2.0

package configtest // import "github.com/impression-collector/impression-bridge/internal/configtest"

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.yaml.in/yaml/v3"

	"github.com/impression-collector/impression-bridge/internal/layout"
)

// SchemaFile is the name of the schema in a component's folder.
const SchemaFile = "config.schema.json"

// Schema reads a JSON schema.
func Schema(tb testing.TB, path string) *jsonschema.Schema {
	tb.Helper()
	schema, err := jsonschema.NewCompiler().Compile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return schema
}

// Parse reads a YAML text into the plain values that Schema.Validate takes.
func Parse(tb testing.TB, text string) any {
	tb.Helper()
	var config any
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		tb.Fatalf("%v in:\n%s", err, text)
	}
	return config
}

// BadConfig is a configuration that the component refuses.
type BadConfig struct {
	YAML string
	// BeyondSchema is set if the schema accepts the configuration nevertheless, because it can't express the fault.
	BeyondSchema bool
}

// CheckBadConfigs checks that the component's schema refuses each configuration, except those marked as beyond it.
func CheckBadConfigs(t *testing.T, configs map[string]BadConfig) {
	t.Helper()
	schema := Schema(t, SchemaFile)
	for name, bad := range configs {
		t.Run(name, func(t *testing.T) {
			err := schema.Validate(Parse(t, bad.YAML))
			if bad.BeyondSchema {
				assert.NoError(t, err)
			} else {
				assert.Error(t, err)
			}
		})
	}
}

// CheckLayoutKeys checks that a layout in the component's schema has exactly the keys that a configuration can have.
func CheckLayoutKeys(t *testing.T) {
	t.Helper()
	entry := Schema(t, SchemaFile).Properties["layouts"].Items2020
	for entry.Ref != nil {
		entry = entry.Ref
	}
	assert.ElementsMatch(t, layout.Keys(), slices.Collect(maps.Keys(entry.Properties)))
	assert.Equal(t, false, entry.AdditionalProperties)
}

// CheckKeys checks that objects in the component's schema have exactly the keys that the error about an unknown key lists. Each
// object is given by its JSON pointer, with a configuration that has the unknown key unheard_of there.
func CheckKeys(t *testing.T, defaults func() component.Config, objects map[string]string) {
	t.Helper()
	for pointer, text := range objects {
		keys := slices.Sorted(maps.Keys(Schema(t, SchemaFile+"#"+pointer).Properties))
		_, err := Load(t, defaults(), text)
		require.Error(t, err, text)
		assert.Contains(t, err.Error()+"\n", "unheard_of: no such key; allowed: "+strings.Join(keys, ", ")+"\n", text)
	}
}

// CheckShipped checks that the schema accepts the component's configuration in every file of the repository's testdata
// and examples and in the component's testdata, except those that show faults.
func (c Component) CheckShipped(t *testing.T) {
	t.Helper()
	schema := Schema(t, SchemaFile)
	shipped := c.InFolder(t, filepath.Join("..", "testdata"))
	maps.Copy(shipped, c.InFolder(t, filepath.Join("..", "examples")))
	maps.Copy(shipped, c.InFile(t, filepath.Join("testdata", "config.yaml")))
	assert.Greater(t, len(shipped), 3)
	for place, config := range shipped {
		assert.NoError(t, schema.Validate(config), place)
	}
}

// CheckMarkdown checks that each Markdown file has configurations of the component, and that both the schema and the component
// accept all of them.
func (c Component) CheckMarkdown(t *testing.T, defaults func() component.Config, paths ...string) {
	t.Helper()
	schema := Schema(t, SchemaFile)
	for _, path := range paths {
		shown := c.InMarkdown(t, path)
		assert.NotEmpty(t, shown, path)
		for place, config := range shown {
			require.NoError(t, schema.Validate(config), place)
			text, err := yaml.Marshal(config)
			require.NoError(t, err)
			_, err = Load(t, defaults(), string(text))
			assert.NoError(t, err, place)
		}
	}
}
