// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"slices"
	"testing"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/configtest"
)

// ours selects the receiver in a collector's configuration.
var ours = configtest.Component{Section: "receivers", Type: metadata.Type.String()}

// beyondSchema names the badConfigs whose faults the schema can't express, or leaves to the owners of the keys.
var beyondSchema = []string{
	"unknown in tls", "write_timeout", "proxy", "wide proxy", "equal paths", "path below", "all paths", "secret header", "line break", "space around",
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

func TestSchemaHasEveryKey(t *testing.T) {
	configtest.CheckKeys(t, createDefaultConfig, map[string]string{
		"":                 "{unheard_of: 1}",
		"/$defs/source":    "{sources: {a: {unheard_of: 1}}}",
		"/$defs/signature": "{sources: {a: {signature: {unheard_of: 1}}}}",
		"/$defs/auth":      "{sources: {a: {auth: {unheard_of: 1}}}}",
		"/$defs/header":    "{sources: {a: {header: {unheard_of: 1}}}}",
	})
}

func TestREADMEShowsGoodConfigs(t *testing.T) {
	ours.CheckMarkdown(t, createDefaultConfig, "README.md")
}
