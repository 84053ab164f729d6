// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// byHand returns a layout by hand, with one field more if it is given.
func byHand(key string, texts ...string) Config {
	config := Config{Paths: map[string][]string{"event_type": {`event["e"]`}, "properties": {`event["p"]`}}}
	if key != "" {
		config.Paths[key] = texts
	}
	return config
}

func TestCompileOfPresets(t *testing.T) {
	for _, name := range Presets() {
		config := Config{Preset: name, Paths: map[string][]string{}}
		for f, example := range presets[name].needs {
			config.Paths[f.Key()] = []string{example}
		}
		layouts, err := Compile([]Config{config})
		require.NoError(t, err, name)
		require.Len(t, layouts, 1)
		assert.Equal(t, name, layouts[0].Name)
		assert.NotEmpty(t, layouts[0].Paths[event.Type], name)
		assert.NotEmpty(t, layouts[0].Paths[event.Properties], name)
		assert.Equal(t, []Path{{Start: Root, Keys: []string{"user_properties"}}}, layouts[0].Paths[event.UserProperties], name)
		assert.True(t, config.HasIdentity(), name)
		if len(config.Paths) > 0 {
			_, err = Compile([]Config{{Preset: name}})
			require.Error(t, err, name)
		}
	}
	assert.True(t, strings.HasPrefix(strings.Join(Presets(), " "), "amplitude customerio hightouch "))
	assert.Contains(t, Presets(), "posthog")
	assert.Len(t, Presets(), 11)
}

func TestFieldsOfAPresetAreReplaced(t *testing.T) {
	layouts, err := Compile([]Config{
		{Preset: "segment"},
		{Preset: "segment", Paths: map[string][]string{"user_id": {`event["anon"]`, `log.body["u"]`}, "insert_id": {}, "time": nil}},
	})
	require.NoError(t, err)
	preset, replaced := layouts[0], layouts[1]
	for _, f := range event.Fields() {
		switch f {
		case event.UserID:
			assert.Equal(t, []Path{{Start: Root, Keys: []string{"anon"}}, {Start: Body, Keys: []string{"u"}}}, replaced.Paths[f])
		case event.InsertID:
			assert.Empty(t, replaced.Paths[f])
			assert.NotEmpty(t, preset.Paths[f])
		default:
			assert.Equal(t, preset.Paths[f], replaced.Paths[f], f.Key())
		}
	}
	assert.Equal(t, preset.Traits, replaced.Traits)
	assert.Equal(t, "segment", replaced.Name)
}

func TestLayoutsByHandHaveNoTraits(t *testing.T) {
	layouts, err := Compile([]Config{{Preset: "segment"}, byHand("user_id", `resource.attributes["u"]`)})
	require.NoError(t, err)
	assert.False(t, layouts[0].Condition.Always())
	assert.True(t, layouts[1].Condition.Always())
	assert.Equal(t, Traits{}, layouts[1].Traits)
	assert.Equal(t, "layouts[1]", layouts[1].Name)
	want := map[event.Field][]Path{
		event.Type:           {{Start: Root, Keys: []string{"e"}}},
		event.Properties:     {{Start: Root, Keys: []string{"p"}}},
		event.UserID:         {{Start: Resource, Keys: []string{"u"}}},
		event.UserProperties: {{Start: Root, Keys: []string{"user_properties"}}},
	}
	for _, f := range event.Fields() {
		assert.Equal(t, want[f], layouts[1].Paths[f], f.Key())
	}
}

// TestEveryFieldCanBeConfigured fails if a field of the table is forgotten.
func TestEveryFieldCanBeConfigured(t *testing.T) {
	require.Len(t, Keys(), 1+event.NumFields)
	assert.Equal(t, "preset", Keys()[0])
	for _, f := range event.Fields() {
		assert.Contains(t, Keys(), f.Key())
		for _, base := range []Config{byHand(""), {Preset: "segment", Paths: map[string][]string{}}} {
			base.Paths[f.Key()] = []string{`event["own"]`, `log.body["own"]`}
			layouts, err := Compile([]Config{base})
			require.NoError(t, err, f.Key())
			assert.Equal(t, []Path{{Start: Root, Keys: []string{"own"}}, {Start: Body, Keys: []string{"own"}}}, layouts[0].Paths[f], f.Key())
		}
	}
}

func TestPathsThatAFieldCanHave(t *testing.T) {
	const eventName, time, body, attributes, root = `log.event_name`, `log.time`, `log.body`, `log.attributes`, `event`
	const inBody, inAttributes, inResource, inRoot = `log.body["k"]`, `log.attributes["k"]`, `resource.attributes["k"]`, `event["k"]`
	all := []string{eventName, time, body, attributes, root, `resource.attributes`, inBody, inAttributes, inResource, inRoot}
	value := []string{body, inBody, inAttributes, inResource, inRoot}
	for _, f := range event.Fields() {
		allowed := value
		switch f {
		case event.Type:
			allowed = []string{eventName, body, inBody, inAttributes, inRoot}
		case event.Properties:
			allowed = []string{body, attributes, root, inBody, inAttributes, inRoot}
		case event.Time:
			allowed = append([]string{time}, value...)
		}
		for _, text := range all {
			_, err := Compile([]Config{byHand(f.Key(), `event["first"]`, text)})
			if slices.Contains(allowed, text) {
				assert.NoError(t, err, "%s: %s", f.Key(), text)
				continue
			}
			require.Error(t, err, "%s: %s", f.Key(), text)
			assert.Contains(t, err.Error(), fmt.Sprintf("layouts[0].%s[1]: %#q ", f.Key(), text))
		}
	}
}

func TestFaultsOfAConfiguration(t *testing.T) {
	for name, row := range map[string]struct {
		configs []Config
		says    string
	}{
		"no layout":          {nil, "layouts: empty; give at least one"},
		"an unknown preset":  {[]Config{{Preset: "segmnt"}}, `layouts[0].preset: "segmnt" is not known; allowed: amplitude, customerio, hightouch, `},
		"an unknown field":   {[]Config{byHand("usr_id", `event["u"]`)}, "layouts[0].usr_id: no such key; allowed: preset, event_type, "},
		"no event type":      {[]Config{{Paths: map[string][]string{"properties": {"event"}}}}, "layouts[0].event_type: missing; give at least one path, or a preset"},
		"event type removed": {[]Config{{Preset: "segment", Paths: map[string][]string{"event_type": {}}}}, "layouts[0].event_type: missing"},
		"no properties": {
			[]Config{{Paths: map[string][]string{"event_type": {"log.body"}}}},
			`layouts[0].properties: missing; give at least one path, such as log.attributes["properties"]`,
		},
		"properties removed": {[]Config{{Preset: "otel", Paths: map[string][]string{"properties": {}}}}, "layouts[0].properties: missing"},
		"snowplow without properties": {
			[]Config{{Preset: "snowplow"}}, `layouts[0].properties: missing; give at least one path, such as event["unstruct_event_com_acme_impression_1"]`,
		},
		"tealium without user id": {
			[]Config{{Preset: "tealium"}},
			`layouts[0].user_id: preset tealium has no user id that is right for everyone; give a path such as event["customer_id"], or [] for none`,
		},
		"a path that can't be parsed": {[]Config{byHand("ip", `event["ip"]`, "event.ip")}, "layouts[0].ip[1]: `event.ip` starts with `event.ip`; allowed: log.event_name, "},
		"in a later layout":           {[]Config{byHand(""), byHand("ip", "log.time")}, "layouts[1].ip[0]: `log.time` is not allowed here; allowed: log.body, "},
	} {
		_, err := Compile(row.configs)
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), row.says, name)
	}
	_, err := Compile([]Config{{Preset: "tealium", Paths: map[string][]string{"user_id": {}}}})
	assert.NoError(t, err)
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	_, err := Compile([]Config{
		{Preset: "x"},
		{Preset: "snowplow", Paths: map[string][]string{"usr": {"event"}, "time": {"log.time", "y", `event["t"]`, "log.event_name"}}},
		{},
	})
	require.Error(t, err)
	var keys []string
	for line := range strings.Lines(err.Error()) {
		key, _, _ := strings.Cut(line, ":")
		keys = append(keys, key)
	}
	assert.Equal(t, []string{
		"layouts[0].preset", "layouts[1].usr", "layouts[1].time[1]", "layouts[1].time[3]", "layouts[1].properties",
		"layouts[2].event_type", "layouts[2].properties",
	}, keys)
}

func TestCompileBoundsTheKeysOfEventTypes(t *testing.T) {
	var configs []Config
	for i := range MaxTypeKeys - 1 {
		configs = append(configs, byHand("event_type", fmt.Sprintf(`event["%d"]["name"]`, i), `log.event_name`, `log.body`))
	}
	// A key counts once, and that of a condition counts too.
	configs = append(configs, byHand("event_type", `event["0"]`, `log.attributes["0"]["type"]`, `log.body["1"]`))
	_, err := Compile(append(configs, byHand("event_type", `event["x"]`)))
	require.NoError(t, err)
	_, err = Compile(append(configs, byHand("event_type", `event["x"]`, `event["y"]`)))
	require.EqualError(t, err, "layouts: they look for event types under 61 different keys; allowed: 60")
	_, err = Compile(append(configs, Config{Preset: "segment"}))
	require.EqualError(t, err, "layouts: they look for event types under 61 different keys; allowed: 60")
}

func TestHasIdentity(t *testing.T) {
	for name, row := range map[string]struct {
		config Config
		want   bool
	}{
		"by hand, neither":         {byHand(""), false},
		"by hand, a user":          {byHand("user_id", `event["u"]`), true},
		"by hand, a device":        {byHand("device_id", `event["d"]`), true},
		"by hand, an empty list":   {byHand("user_id"), false},
		"a preset":                 {Config{Preset: "segment"}, true},
		"a preset without a user":  {Config{Preset: "segment", Paths: map[string][]string{"user_id": {}}}, true},
		"a preset without either":  {Config{Preset: "segment", Paths: map[string][]string{"user_id": {}, "device_id": {}}}, false},
		"a preset that is unknown": {Config{Preset: "segmnt"}, true},
	} {
		assert.Equal(t, row.want, row.config.HasIdentity(), name)
	}
}

func TestResolvePath(t *testing.T) {
	resource, record := pcommon.NewResource(), plog.NewLogRecord()
	resource.Attributes().PutStr("k", "of resource")
	record.SetEventName("name")
	require.NoError(t, record.Attributes().FromRaw(map[string]any{"k": "of attributes", "m": map[string]any{"k": "in attributes"}}))
	require.NoError(t, record.Body().FromRaw(map[string]any{"k": "of body", "m": map[string]any{"k": "in body", "m": map[string]any{}}, "s": "text"}))
	inBody := &Source{Resource: resource, Record: record, Root: record.Body().Map()}
	inAttributes := &Source{Resource: resource, Record: record, Root: record.Attributes()}
	for text, want := range map[string]struct{ inBody, inAttributes any }{
		`event["k"]`:               {"of body", "of attributes"},
		`event["m"]["k"]`:          {"in body", "in attributes"},
		`log.body["k"]`:            {"of body", "of body"},
		`log.attributes["k"]`:      {"of attributes", "of attributes"},
		`resource.attributes["k"]`: {"of resource", "of resource"},
		`event["missing"]`:         {nil, nil},
		`event["m"]["missing"]`:    {nil, nil},
		`event["k"]["k"]`:          {nil, nil},
		`event["s"]["k"]`:          {nil, nil},
		`log.event_name`:           {nil, nil},
		`log.time`:                 {nil, nil},
		`log.attributes`:           {nil, nil},
	} {
		p, err := parsePath(text)
		require.NoError(t, err, text)
		for source, want := range map[*Source]any{inBody: want.inBody, inAttributes: want.inAttributes} {
			v, present := p.Value(source)
			assert.Equal(t, want != nil, present, text)
			if present {
				assert.Equal(t, want, v.AsRaw(), text)
			}
		}
	}
	for text, want := range map[string]struct {
		container pcommon.Map
		standsIn  bool
	}{
		`log.body`:            {record.Body().Map(), false},
		`log.attributes`:      {record.Attributes(), false},
		`event`:               {inBody.Root, false},
		`resource.attributes`: {resource.Attributes(), false},
		`event["m"]`:          {inBody.Root, true},
		`log.body["m"]`:       {inBody.Root, true},
		`event["m"]["m"]`:     {inBody.Root, false},
		`log.attributes["m"]`: {record.Attributes(), false},
		`event["missing"]`:    {inBody.Root, true},
		`log.event_name`:      {pcommon.Map{}, false},
	} {
		p, err := parsePath(text)
		require.NoError(t, err, text)
		container, isMap := p.Container(inBody)
		assert.Equal(t, want.container != pcommon.Map{}, isMap, text)
		assert.Equal(t, want.container, container, text)
		assert.Equal(t, want.standsIn, p.StandsIn(inBody, inBody.Root), text)
	}
	t.Run("a body that isn't a map", func(t *testing.T) {
		record.Body().SetStr("text")
		p := Path{Start: Body}
		v, present := p.Value(inAttributes)
		assert.True(t, present)
		assert.Equal(t, "text", v.Str())
		_, isMap := p.Container(inAttributes)
		assert.False(t, isMap)
		p.Keys = []string{"k"}
		_, present = p.Value(inAttributes)
		assert.False(t, present)
		assert.False(t, p.StandsIn(inAttributes, inAttributes.Root))
	})
}
