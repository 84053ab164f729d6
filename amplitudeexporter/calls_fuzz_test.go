// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// callsOfAnything are calls in which ANY stands for any JSON value.
var callsOfAnything = []string{
	`{"type":"identify","userId":"user-17","anonymousId":"anon-1234","traits":ANY,"context":{"traits":ANY}}`,
	`{"type":"identify","userId":"user-17","context":{"traits":ANY,"device":ANY}}`,
	`{"type":"page","userId":"user-17","name":ANY,"category":ANY,"properties":ANY,"context":{"traits":ANY}}`,
	`{"type":"screen","userId":"user-17","properties":{"name":ANY,"category":ANY},"user_properties":ANY}`,
	`{"type":"group","userId":"user-17","groupId":ANY,"traits":ANY}`,
	`{"type":"group","userId":"user-17","groupId":"acme","traits":{"a":ANY,"$set":ANY,"$unset":ANY,"$add":ANY}}`,
	`{"type":"alias","userId":"user-17","previousId":ANY}`,
	`{"type":"track","event":"Order Completed","userId":"user-17","messageId":"m","properties":{"revenue":ANY,"products":ANY},"context":{"traits":ANY}}`,
	`{"type":"track","event":"Order Completed","userId":"user-17","timestamp":"2026-11-23T10:00:00Z",` +
		`"properties":{"products":[ANY,{"price":ANY,"quantity":ANY,"product_id":ANY},{"revenue":ANY},ANY]}}`,
	`{"type":"track","event":"a","userId":"user-17","integrations":{"Amplitude":{"groups":ANY}},"context":{"traits":ANY}}`,
	`{"event_type":"commerce_event","mp_deviceid":"device-1","user_attributes":ANY,"data":{"custom_attributes":ANY,` +
		`"product_action":{"action":"purchase","products":ANY,"total_amount":ANY}}}`,
	`{"event_type":"commerce_event","mp_deviceid":"device-1","data":{"product_action":{"action":ANY,"products":[{"price":1,"quantity":ANY}]}}}`,
	`{"event_type":"user_attribute_change","mp_deviceid":"device-1","data":{"user_attribute_name":ANY,"new":ANY,"deleted":ANY}}`,
	`{"event_type":"screen_view","mp_deviceid":"device-1","user_attributes":{"a":ANY},"data":{"screen_name":ANY,"custom_attributes":ANY}}`,
	`{"mp_deviceid":"device-1","environment":"production","user_attributes":ANY,"deleted_user_attributes":ANY,"events":ANY}`,
	`{"mp_deviceid":"device-1","environment":"production","user_attributes":{"a":ANY},"deleted_user_attributes":["a",ANY]}`,
	`{"type":"track","event":"a","userId":"user-17","context":{"page":{"referrer":ANY},"campaign":{"source":ANY,"name":ANY,"term":"t"},"traits":ANY}}`,
	`{"type":"identify","userId":"user-17","traits":ANY,"context":{"page":{"referrer":"r"},"campaign":ANY}}`,
	`{"event":"$identify","distinct_id":"user-17","$set":ANY,"$set_once":ANY,"properties":{"$set":ANY,"$set_once":{"a":ANY},"$unset":ANY}}`,
	`{"event":"a","distinct_id":"user-17","$set":{"a":ANY},"$set_once":{"a":ANY,"b":ANY},"properties":ANY}`,
	`{"event":"$pageview","distinct_id":"user-17","properties":{"title":ANY,"$set":ANY,"$unset":["a",ANY],"$groups":ANY}}`,
	`{"event":"$groupidentify","distinct_id":"user-17","properties":{"$group_type":ANY,"$group_key":ANY,"$group_set":ANY}}`,
}

// FuzzCalls: whatever a CDP's calls contain, Amplitude accepts what they become, every record is counted, and operations are never
// mixed with plain user properties.
func FuzzCalls(f *testing.F) {
	for _, text := range []string{
		`null`, `{}`, `"text"`, `3.5`, `true`, `[]`, `{"a":1,"b":null,"c":{"d":[1,{"e":2}]}}`,
		`{"$set":{"a":1},"$add":{"a":2},"$unset":{"b":1},"a":null,"plain":3}`, `{"$set":5,"$setOnce":{},"$clearAll":"-","$x":{"a":1}}`,
		`{"userId":"u","anonymousId":null}`, `{"":null," ":1,"$":2}`, `{"a":["1","2","3","4","5","6"],"b":[1,2,3,4,5],"c":[],"d":"1","e":"1","f":"1"}`,
		`{"` + strings.Repeat("k", amplitude.MaxStringLength+1) + `":null,"` + strings.Repeat("k", amplitude.MaxStringLength) + `":1}`,
		`[` + strings.Repeat(`{"price":1},`, maxProducts) + `{}]`, `[{"price":1e308,"quantity":1e308},{"price":"-1","quantity":"0.5"},[]]`,
		strings.Repeat(`{"a":`, 30) + `1` + strings.Repeat(`}`, 30), `{"[Experiment] a":"on","$set":{"[Experiment] b":"on"}}`,
	} {
		f.Add(text)
	}
	exporters := map[string]*pushed{}
	for name, change := range map[string]func(*CallsConfig){
		"defaults": func(*CallsConfig) {},
		"everything": func(c *CallsConfig) {
			c.Identify.SkipUnchanged, c.Group.Type, c.Traits, c.Products = true, "company", TraitsFromEveryCall, ProductsAsEvents
			c.Page.Name, c.Group.TypeTrait, c.Group.NameTrait = "{category}{name}", "a", "d"
		},
	} {
		exporters[name] = start(f, componenttest.NewNopHost(), func(c *Config) {
			c.Layouts = []LayoutConfig{{Preset: "segment"}, {Preset: "mparticle"}, {Preset: "posthog"}}
			change(&c.Calls)
		})
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			quoted, err := json.Marshal(text)
			require.NoError(t, err)
			text = string(quoted)
		}
		var records []string
		for _, call := range callsOfAnything {
			records = append(records, strings.ReplaceAll(call, "ANY", text))
		}
		for name, p := range exporters {
			p.server.Reset()
			before := countedEvents(t, p)
			require.NoError(t, p.push(t.Context(), logsOf(records...)))
			assert.GreaterOrEqual(t, countedEvents(t, p)-before, int64(len(records)), "%s: an envelope may have become several", name)
			for _, request := range p.server.Requests() {
				assert.Equal(t, 200, request.Status, name)
				for i := range request.Events {
					requireValid(t, &request.Events[i])
				}
			}
		}
	})
}

// countedEvents returns how many records were counted, for whatever reason.
func countedEvents(t *testing.T, p *pushed) int64 {
	t.Helper()
	metric, err := p.telemetry.GetMetric("otelcol_exporter_amplitude_events")
	if err != nil {
		return 0
	}
	sum := int64(0)
	for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
		sum += point.Value
	}
	return sum
}

func requireValid(t *testing.T, e *amplitudetest.Event) {
	t.Helper()
	for _, field := range []string{"user_properties", "group_properties"} {
		operations, plain := 0, 0
		properties, _ := e.Fields[field].(map[string]any)
		sent := map[string]string{}
		for key, value := range properties {
			if !strings.HasPrefix(key, "$") {
				plain++
				continue
			}
			operations++
			members, isMap := value.(map[string]any)
			require.True(t, isMap, "%s", e.Raw)
			for property := range members {
				require.Empty(t, sent[property], "%s and %s of one property", sent[property], key)
				sent[property] = key
			}
		}
		require.False(t, operations > 0 && plain > 0, "%s", e.Raw)
	}
	types, _ := e.Fields["groups"].(map[string]any)
	require.LessOrEqual(t, len(types), amplitude.MaxGroupTypes)
	groups := 0
	for _, value := range types {
		if list, isList := value.([]any); isList {
			groups += len(list)
		} else {
			groups++
		}
	}
	require.LessOrEqual(t, groups, amplitude.MaxGroups)
}
