// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/impression-collector/impression-bridge/internal/configtest"
)

// peerCase is a record with a call of a CDP, and what the CDP's own destination sends, as its public code and tests say.
type peerCase struct {
	Name, Config, Record string
	// Peer are the JSON texts of the events, without the key and the library.
	Peer []string
	// Differs has the fields in which ours differ, or "events" if their number does, and a row of whyPeersDiffer.
	Differs map[string]string
}

// whyPeersDiffer are the reasons, each with the beginning of its row in the README.
var whyPeersDiffer = map[string]string{
	"INSERT_ID":       "| `insert_id` |",
	"USER_AGENT":      "| `user_agent` |",
	"REVENUE_TWICE":   "| the revenue of an order with product events |",
	"PRODUCTS":        "| product events |",
	"UNNAMED":         "| a page without a name |",
	"IDENTIFY_TIME":   "| `time` of an `identify` call |",
	"IDENTIFY_DEVICE": "| `device_id` of an `identify` call |",
	"GROUP_API":       "| the ids and the time of `$groupidentify` |",
	"MEMBER":          "| a `group` call |",
	"ALIAS":           "| `alias` |",
	"CURRENCY":        "| `currency` |",
	"EVERY_CALL":      "| traits of every call |",
	"SERVER":          "| the platform `Server` |",
	"NESTED":          "| an `address` |",
	"JITSU_SESSION":   "| `session_id` |",
}

// TestPeers compares what the exporter sends with what the CDPs' own destinations send, and the README with the result.
func TestPeers(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	paths, err := filepath.Glob(filepath.Join("testdata", "peers", "*.yaml"))
	require.NoError(t, err)
	all, equal, equalButInsertID := 0, 0, 0
	used := map[string]bool{}
	var missing []string
	for _, path := range paths {
		preset := strings.TrimSuffix(filepath.Base(path), ".yaml")
		for _, test := range casesIn[peerCase](t, path) {
			t.Run(preset+"/"+test.Name, func(t *testing.T) { test.run(t, preset) })
			all++
			others := maps.Clone(test.Differs)
			delete(others, "insert_id")
			if len(test.Differs) == 0 {
				equal++
			} else if len(others) == 0 {
				equalButInsertID++
			}
			for _, why := range test.Differs {
				require.Contains(t, whyPeersDiffer, why)
				if !strings.Contains(string(readme), "\n"+whyPeersDiffer[why]) {
					missing = append(missing, whyPeersDiffer[why])
				}
				used[why] = true
			}
		}
	}
	assert.Len(t, used, len(whyPeersDiffer))
	counts := fmt.Sprintf("Of %d examples, %d agree in every field, %d in every field but the `insert_id`, and %d differ for a reason below.",
		all, equal, equalButInsertID, all-equal-equalButInsertID)
	if !strings.Contains(strings.ReplaceAll(string(readme), "\n", " "), counts) {
		missing = append(missing, counts)
	}
	assert.Empty(t, missing, "README.md lacks them")
}

func (c *peerCase) run(t *testing.T, preset string) {
	t.Helper()
	p := start(t, componenttest.NewNopHost(), func(config *Config) {
		config.Layouts = []LayoutConfig{{Preset: preset}}
		endpoint := config.ClientConfig.Endpoint
		_, err := configtest.Load(t, config, c.Config)
		require.NoError(t, err)
		config.ClientConfig.Endpoint = endpoint
		// Some of the examples have short ids.
		config.MinIDLength = 1
	})
	require.NoError(t, p.push(t.Context(), logsOf(c.Record)))
	var sent []map[string]any
	for _, e := range p.server.Events() {
		sent = append(sent, effectOf(t, string(e.Raw)))
	}
	differing := map[string]bool{}
	if len(sent) != len(c.Peer) {
		differing["events"] = true
	}
	for i := range min(len(sent), len(c.Peer)) {
		peer := effectOf(t, c.Peer[i])
		if differing["events"] && peer["event_type"] != sent[i]["event_type"] {
			continue
		}
		for field := range peer {
			if !reflect.DeepEqual(peer[field], sent[i][field]) {
				differing[field] = true
			}
		}
		for field := range sent[i] {
			if _, has := peer[field]; !has {
				differing[field] = true
			}
		}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(c.Differs)), slices.Collect(maps.Keys(differing)), "sent: %v", sent)
}

// effectOf returns an event without differences that have no effect in Amplitude: null, empty maps, a session id of -1, and $set in place
// of plain properties.
func effectOf(t *testing.T, text string) map[string]any {
	t.Helper()
	var e map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &e))
	delete(e, "library")
	for _, field := range []string{"user_properties", "group_properties"} {
		properties, has := e[field].(map[string]any)
		if !has {
			continue
		}
		set, _ := properties["$set"].(map[string]any)
		if set == nil {
			set = map[string]any{}
		}
		for key, value := range properties {
			if !strings.HasPrefix(key, "$") {
				set[key] = value
				delete(properties, key)
			}
		}
		if len(set) > 0 {
			properties["$set"] = set
		}
	}
	maps.DeleteFunc(e, func(field string, value any) bool {
		m, isMap := value.(map[string]any)
		return value == nil || isMap && len(m) == 0 || field == "session_id" && value == -1.0
	})
	return e
}
