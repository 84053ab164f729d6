// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/configtest"
)

// ours selects the receiver in a collector's configuration.
var ours = configtest.Component{Section: "receivers", Type: metadata.Type.String()}

// beyondSchema names the badConfigs whose faults the schema can't express, or leaves to the owners of the keys.
var beyondSchema = []string{
	"unknown in tls", "write_timeout", "proxy", "equal paths", "path below", "all paths", "secret header",
}

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

// TestSchemaHasEveryKey compares the schema with the keys that the error about an unknown key lists.
func TestSchemaHasEveryKey(t *testing.T) {
	text, err := os.ReadFile(configtest.SchemaFile)
	require.NoError(t, err)
	type object struct {
		Properties map[string]json.RawMessage
		Defs       map[string]object `json:"$defs"`
	}
	var schema object
	require.NoError(t, json.Unmarshal(text, &schema))
	for place, of := range map[string]object{
		"%s":                              schema,
		"sources: {a: {%s}}":              schema.Defs["source"],
		"sources: {a: {signature: {%s}}}": schema.Defs["signature"],
		"sources: {a: {header: {%s}}}":    schema.Defs["header"],
	} {
		_, err := load(t, strings.Replace("{"+place+"}", "%s", "unheard_of: 1", 1))
		require.Error(t, err)
		keys := strings.Join(slices.Sorted(maps.Keys(of.Properties)), ", ")
		assert.Contains(t, err.Error()+"\n", "unheard_of: no such key; allowed: "+keys+"\n", place)
	}
}

func TestREADMEShowsGoodConfigs(t *testing.T) {
	ours.CheckMarkdown(t, func(text string) error {
		_, err := load(t, text)
		return err
	}, "README.md")
}
