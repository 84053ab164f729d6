// SPDX-License-Identifier: Apache-2.0

package amplitudetest

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

func identify(operations string) string {
	return `{"event_type":"$identify","user_id":"alice","user_properties":` + operations + `}`
}

func TestUserPropertyOperations(t *testing.T) {
	for name, c := range map[string]struct {
		operations []string
		want       map[string]any
	}{
		"set":                        {[]string{`{"$set":{"a":1,"b":true}}`, `{"$set":{"a":"2"}}`}, map[string]any{"a": "2", "b": true}},
		"plain":                      {[]string{`{"a":1}`, `{"a":2,"b":3}`}, map[string]any{"a": 2.0, "b": 3.0}},
		"setOnce":                    {[]string{`{"$setOnce":{"a":1}}`, `{"$setOnce":{"a":2,"b":3}}`}, map[string]any{"a": 1.0, "b": 3.0}},
		"unset":                      {[]string{`{"a":1,"b":2}`, `{"$unset":{"a":"-","c":"-"}}`}, map[string]any{"b": 2.0}},
		"add":                        {[]string{`{"$add":{"a":2}}`, `{"$add":{"a":-0.5,"b":"1"}}`}, map[string]any{"a": 1.5, "b": 1.0}},
		"add a text":                 {[]string{`{"$add":{"a":"one"}}`}, map[string]any{}},
		"append":                     {[]string{`{"$append":{"a":1}}`, `{"$append":{"a":[1,2]}}`}, map[string]any{"a": []any{1.0, 1.0, 2.0}}},
		"append to a number":         {[]string{`{"a":1}`, `{"$append":{"a":2}}`}, map[string]any{"a": []any{1.0, 2.0}}},
		"prepend":                    {[]string{`{"$prepend":{"a":1}}`, `{"$prepend":{"a":[2,3]}}`}, map[string]any{"a": []any{2.0, 3.0, 1.0}}},
		"preInsert":                  {[]string{`{"a":[1,2]}`, `{"$preInsert":{"a":[2,3]}}`}, map[string]any{"a": []any{3.0, 1.0, 2.0}}},
		"postInsert":                 {[]string{`{"a":[1,2]}`, `{"$postInsert":{"a":[2,3]}}`}, map[string]any{"a": []any{1.0, 2.0, 3.0}}},
		"remove":                     {[]string{`{"a":[1,2,1,{"b":1}]}`, `{"$remove":{"a":[1,{"b":1}],"c":1}}`}, map[string]any{"a": []any{2.0}}},
		"clearAll":                   {[]string{`{"a":1}`, `{"$clearAll":"-"}`}, map[string]any{}},
		"clear before set":           {[]string{`{"a":1}`, `{"$set":{"b":2},"$clearAll":"-"}`}, map[string]any{"b": 2.0}},
		"unset before set":           {[]string{`{"$set":{"a":2},"$unset":{"a":"-"}}`}, map[string]any{"a": 2.0}},
		"several operations at once": {[]string{`{"$set":{"a":1},"$add":{"n":1},"$append":{"l":1}}`}, map[string]any{"a": 1.0, "n": 1.0, "l": []any{1.0}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t)
			for _, operations := range c.operations {
				post(t, s, amplitude.HTTPV2, body(identify(operations)))
			}
			assert.Equal(t, c.want, s.User("alice").Properties)
			assert.Len(t, s.User("alice").Events, len(c.operations))
		})
	}
}

// TestRawImpressions covers the table of set, unset and neither in the project's specification.
func TestRawImpressions(t *testing.T) {
	const post = "[Experiment] Impression"
	before := identify(`{"[Experiment] f":"before"}`)
	for name, c := range map[string]struct{ properties, variant, wantType string }{
		"variant":          {`{"flag_key":"f","variant":"v"}`, "v", post},
		"off":              {`{"flag_key":"f","variant":"off"}`, "off", post},
		"number":           {`{"flag_key":"f","variant":2}`, "2", post},
		"boolean":          {`{"flag_key":"f","variant":true}`, "true", post},
		"no variant":       {`{"flag_key":"f"}`, "", post},
		"null variant":     {`{"flag_key":"f","variant":null}`, "", post},
		"empty variant":    {`{"flag_key":"f","variant":""}`, "", post},
		"default":          {`{"flag_key":"f","variant":"v","metadata":{"default":true}}`, "", post},
		"mutual exclusion": {`{"flag_key":"f","variant":"v","metadata":{"flagType":"mutual-exclusion-group"}}`, "before", post},
		"no flag":          {`{"variant":"v"}`, "before", "$impression"},
		"flag is a number": {`{"flag_key":7,"variant":"v"}`, "before", "$impression"},
		"variant is a map": {`{"flag_key":"f","variant":{}}`, "before", "$impression"},
		"no properties":    {`null`, "before", "$impression"},
	} {
		t.Run(name, func(t *testing.T) {
			s := New()
			serve(s, http.MethodPost, "/2/httpapi", body(before, `{"event_type":"$impression","user_id":"alice","event_properties":`+c.properties+`}`))
			user := s.User("alice")
			variant, _ := user.Properties["[Experiment] f"].(string)
			assert.Equal(t, c.variant, variant)
			assert.Equal(t, c.wantType, user.Events[1].Type)
			_, isRenamed := user.Events[1].Properties["[Experiment] Flag Key"]
			assert.Equal(t, c.wantType == post, isRenamed)
		})
	}
}

func TestRawImpressionKeepsOtherProperties(t *testing.T) {
	s := Start(t)
	post(t, s, amplitude.HTTPV2, body(`{"event_type":"$exposure","device_id":"a-device",`+
		`"event_properties":{"flag_key":"f","variant":"v","experiment_key":"e","metadata":{"url":"u"},"time":1}}`))
	e := s.User("a-device").Events[0]
	assert.Equal(t, "[Experiment] Exposure", e.Type)
	assert.Equal(t, map[string]any{
		"[Experiment] Flag Key": "f", "[Experiment] Variant": "v", "[Experiment] Experiment Key": "e",
		"metadata": map[string]any{"url": "u"}, "time": 1.0,
	}, e.Properties)
	assert.Equal(t, "$exposure", s.Requests()[0].Events[0].Type)
}

func TestKnown(t *testing.T) {
	s := Start(t)
	post(t, s, amplitude.HTTPV2, body(
		identify(`{"$set":{"[Experiment] checkout":"treatment","lines":"one\ntwo"}}`),
		`{"event_type":"[Experiment] Impression","user_id":"alice","insert_id":"1","event_properties":{"a":{"b":1},"c":[1],"d":"e"}}`,
		`{"event_type":"[Experiment] Impression","user_id":"alice","insert_id":"1"}`,
		`{"event_type":"a","device_id":"a-device","time":1396381378123,"price":2.5,"quantity":2}`,
		`{"event_type":"$identify","device_id":"a-device","groups":{"org":["acme","b"]},"user_properties":{"$set":{"org":"acme"}}}`,
		`{"event_type":"$groupidentify","device_id":"a-device","groups":{"org":"acme"},"group_properties":{"$set":{"plan":"pro"}}}`,
		`{"event_type":"b","device_id":"a-device","revenue":1}`))
	read := func(path string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Address()+path, http.NoBody)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return string(text)
	}
	assert.Equal(t, strings.TrimLeft(`
events: 6, requests: 1, ignored duplicates: 1

user alice
  user property  [Experiment] checkout    treatment
  user property  lines                    "one\ntwo"
  event          $identify                $set: {"[Experiment] checkout":"treatment","lines":"one\ntwo"}
  event          [Experiment] Impression  a: {…}, c: [1], d: e

device a-device
  user property  org             acme
  group          org             ["acme","b"]
  revenue        6               
  event          a               
  event          $identify       $set: {"org":"acme"}
  event          $groupidentify  $set: {"plan":"pro"}
  event          b               

group org acme
  group property  plan  pro
  events          1     
  revenue         1     

group org b
  events   1  
  revenue  1  
`, "\n"), read("/known"))
	assert.JSONEq(t, `[
		{"user_id":"alice","user_properties":{"[Experiment] checkout":"treatment","lines":"one\ntwo"},"duplicates":1,"events":[
			{"event_type":"$identify","user_id":"alice",
				"user_properties":{"$set":{"[Experiment] checkout":"treatment","lines":"one\ntwo"}}},
			{"event_type":"[Experiment] Impression","user_id":"alice","insert_id":"1","event_properties":{"a":{"b":1},"c":[1],"d":"e"}}]},
		{"device_id":"a-device","user_properties":{"org":"acme"},"groups":{"org":["acme","b"]},"revenue":6,"duplicates":0,"events":[
			{"event_type":"a","device_id":"a-device","time":1396381378123,"revenue":5},
			{"event_type":"$identify","device_id":"a-device","user_properties":{"$set":{"org":"acme"}},"groups":{"org":["acme","b"]}},
			{"event_type":"$groupidentify","device_id":"a-device","groups":{"org":["acme"]}},
			{"event_type":"b","device_id":"a-device","groups":{"org":["acme","b"]},"revenue":1}]},
		{"group_type":"org","group_value":"acme","group_properties":{"plan":"pro"},"events":1,"revenue":1},
		{"group_type":"org","group_value":"b","group_properties":{},"events":1,"revenue":1}]`, read("/known.json"))
	assert.True(t, strings.HasSuffix(s.KnownURL(), "/known"))
}
