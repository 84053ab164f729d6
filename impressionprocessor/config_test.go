// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/configtest"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

func TestConfigStruct(t *testing.T) {
	require.NoError(t, componenttest.CheckConfigStruct(createDefaultConfig()))
}

func TestLoadConfig(t *testing.T) {
	for id, want := range map[component.ID]*Config{
		component.NewID(metadata.Type):                 defaultsWith(),
		component.NewIDWithName(metadata.Type, "drop"): defaultsWith(dropUnassigned, emit(EmitNone)),
		component.NewIDWithName(metadata.Type, "everything"): {
			EventTypes: map[string]string{"$impression": "[Experiment] Impression", "$$exposure": "[Experiment] Exposure"},
			Layouts: []layout.Config{
				{Preset: "otel"},
				{Preset: "segment", Paths: map[string][]string{"device_id": {`event["anon"]`}}},
				{Paths: map[string][]string{
					"event_type": {`log.attributes["name"]`},
					"properties": {`log.attributes["props"]`},
					"user_id":    {`log.attributes["uid"]`, `resource.attributes["user.id"]`},
					"time":       {`log.attributes["at"]`, `log.time`},
				}},
			},
			MinIDLength:    1,
			UserProperties: UserPropertiesConfig{Emit: EmitInline, UnsetVariants: []string{"off"}},
			Unassigned:     KeepUnassigned,
			JSONBody:       jsonvalue.Limits{MaxBytes: 1000000, MaxDepth: 10, MaxValues: 5000},
			Estimate:       &EstimateConfig{MonthlyTrackedUsers: 1000000, ExperimentsPerMonth: 5, PageViewsPerUser: 20},
		},
	} {
		t.Run(id.String(), func(t *testing.T) {
			assert.Equal(t, want, configtest.LoadFile(t, createDefaultConfig().(*Config), id))
		})
	}
}

// badConfigs are configurations that are refused, with parts of the error: the key, the value, what is allowed.
var badConfigs = map[string]struct {
	yaml string
	says []string
	// beyondSchema is set if the schema can't express the fault.
	beyondSchema bool
}{
	"unknown key":            {yaml: `evnt_types: {a: b}`, says: []string{"evnt_types: no such key; allowed: estimate, event_types,"}},
	"unknown nested key":     {yaml: `{layouts: [{preset: otel}, {preset: otel, user: ['event["u"]']}]}`, says: []string{`layouts[1].user: no such key; allowed: preset, event_type,`}},
	"wrong type":             {yaml: `telemetry: {max_experiments: many}`, says: []string{"'telemetry.max_experiments' expected type 'int'"}},
	"no event type":          {yaml: `event_types: {}`, says: []string{"event_types: empty"}},
	"empty pre form":         {yaml: `event_types: {"": b}`, says: []string{"event_types: a key is empty"}},
	"empty post form":        {yaml: `event_types: {a: ""}`, says: []string{`event_types: the value of "a" is empty`}},
	"two spellings":          {yaml: `event_types: {$a: b, $$a: c}`, says: []string{`event_types: "$$a" and "$a" are the same event type`}, beyondSchema: true},
	"chain":                  {yaml: `event_types: {a: b, b: c}`, says: []string{`event_types: "a" becomes "b", which is a key too`}, beyondSchema: true},
	"onto itself":            {yaml: `event_types: {a: a}`, says: []string{`event_types: "a" becomes "a", which is a key too`}, beyondSchema: true},
	"identify as pre form":   {yaml: `event_types: {$identify: a}`, says: []string{`event_types: "$identify": "a": $identify is the event type of the emitted updates`}},
	"identify as post form":  {yaml: `event_types: {a: $identify}`, says: []string{`event_types: "a": "$identify"`}},
	"no layout":              {yaml: `layouts: []`, says: []string{"layouts: empty"}},
	"unknown preset":         {yaml: `layouts: [{preset: segmnt}]`, says: []string{`layouts[0].preset: "segmnt" is not known; allowed: amplitude, customerio, hightouch,`}},
	"no event type path":     {yaml: `layouts: [{properties: [log.body], user_id: ['event["u"]']}]`, says: []string{"layouts[0].event_type: missing"}},
	"no properties path":     {yaml: `layouts: [{event_type: [log.body], user_id: ['event["u"]']}]`, says: []string{"layouts[0].properties: missing"}},
	"removed event type":     {yaml: `layouts: [{preset: segment, event_type: []}]`, says: []string{"layouts[0].event_type: missing"}},
	"unknown start":          {yaml: `layouts: [{preset: segment, user_id: ['body["u"]']}]`, says: []string{"layouts[0].user_id[0]: `body[\"u\"]` starts with `body`; allowed: log.event_name,"}},
	"key without quotes":     {yaml: `layouts: [{preset: segment, user_id: ['event[u]']}]`, says: []string{"layouts[0].user_id[0]: `event[u]`: a key is written [\"name\"]"}},
	"key not closed":         {yaml: `layouts: [{preset: segment, user_id: ['event["u"']}]`, says: []string{"`event[\"u\"`: a key is written"}},
	"key in other quotes":    {yaml: "layouts: [{preset: segment, user_id: ['event[`u`]']}]", says: []string{"a key is written"}},
	"text after a key":       {yaml: `layouts: [{preset: segment, user_id: ['event["u"].id']}]`, says: []string{"a key is written"}},
	"empty key":              {yaml: `layouts: [{preset: segment, user_id: ['event["u"][""]']}]`, says: []string{"`event[\"u\"][\"\"]`: a key is empty"}},
	"empty path":             {yaml: `layouts: [{preset: segment, user_id: ['']}]`, says: []string{"layouts[0].user_id[0]: `` starts with ``"}},
	"keys of event_name":     {yaml: `layouts: [{preset: otel, event_type: ['log.event_name["a"]']}]`, says: []string{"log.event_name has no keys"}},
	"event type of resource": {yaml: `layouts: [{preset: otel, event_type: ['resource.attributes["e"]']}]`, says: []string{"layouts[0].event_type[0]: `resource.attributes[\"e\"]` cannot hold an event type; allowed: log.event_name,"}},
	"event type is a map":    {yaml: `layouts: [{preset: otel, event_type: [log.attributes]}]`, says: []string{"`log.attributes` is a map; add the key"}},
	"properties in time":     {yaml: `layouts: [{preset: otel, properties: [log.time]}]`, says: []string{"`log.time` cannot hold the properties; allowed: log.body,"}},
	"id in event_name":       {yaml: `layouts: [{preset: otel, insert_id: [log.event_name]}]`, says: []string{"`log.event_name` is not allowed here"}},
	"id is a map":            {yaml: `layouts: [{preset: otel, device_id: [resource.attributes]}]`, says: []string{"`resource.attributes` is a map; add a key"}},
	"text in time":           {yaml: `layouts: [{preset: otel, ip: [log.time]}]`, says: []string{"layouts[0].ip[0]: `log.time` is not allowed here; allowed: log.body,"}},
	"map is all fields":      {yaml: `layouts: [{preset: otel, groups: [event]}]`, says: []string{"layouts[0].groups[0]: `event` is a map; add a key"}},
	"time in event_name":     {yaml: `layouts: [{preset: otel, time: [log.event_name]}]`, says: []string{"`log.event_name` cannot hold a time; allowed: log.time,"}, beyondSchema: true},
	"no identity":            {yaml: `layouts: [{event_type: [log.body], properties: [log.attributes]}]`, says: []string{"layouts[0]: no user_id and no device_id"}, beyondSchema: true},
	"unknown emit":           {yaml: `user_properties: {emit: both}`, says: []string{`user_properties.emit: "both" is not known; allowed: record, inline, none`}},
	"empty unset variant":    {yaml: `user_properties: {unset_variants: [""]}`, says: []string{"user_properties.unset_variants: a name is empty"}},
	"unknown unassigned":     {yaml: `unassigned: remove`, says: []string{`unassigned: "remove" is not known; allowed: keep, drop`}},
	"drop with inline":       {yaml: `{unassigned: drop, user_properties: {emit: inline}}`, says: []string{"unassigned: drop would remove the events to which user_properties.emit: inline"}},
	"estimate in part":       {yaml: `estimate: {monthly_tracked_users: 3, page_views_per_user: 2}`, says: []string{"estimate.experiments_per_month: 0, or not given; allowed: 1 or more, all three together"}},
	"negative estimate":      {yaml: `estimate: {monthly_tracked_users: 3, experiments_per_month: -1, page_views_per_user: 2}`, says: []string{"estimate.experiments_per_month: -1"}},
	"estimate too large": {
		yaml: `estimate: {monthly_tracked_users: 4611686018427387904, experiments_per_month: 1, page_views_per_user: 2}`,
		says: []string{"estimate: 4611686018427387904 x 1 x 2 is more than 2^63-1"}, beyondSchema: true,
	},
	"preset without properties": {yaml: `layouts: [{preset: snowplow}]`, says: []string{"layouts[0].properties: missing; give at least one path, such as event[\"unstruct_event_"}},
	"preset without user":       {yaml: `layouts: [{preset: tealium}]`, says: []string{"layouts[0].user_id: preset tealium has no user id that is right for everyone; give a path such as event["}},
	"no bytes":                  {yaml: `json_body: {max_bytes: 0}`, says: []string{"json_body.max_bytes: 0; allowed: 1 or more"}},
	"no depth":                  {yaml: `json_body: {max_depth: -1}`, says: []string{"json_body.max_depth: -1; allowed: 1 or more"}},
	"no values":                 {yaml: `json_body: {max_values: 0}`, says: []string{"json_body.max_values: 0; allowed: 1 or more"}},
	"negative bound":            {yaml: `telemetry: {max_experiments: -1}`, says: []string{"telemetry.max_experiments: -1 is negative; allowed: 0 (off) or more"}},
	"all at once": {
		yaml: `{evnt: 1, event_types: {a: ""}, layouts: [{preset: x}, {preset: otel, time: [y]}], unassigned: z, estimate: {}}`,
		says: []string{
			"evnt: no such key", `the value of "a" is empty`, `layouts[0].preset: "x"`, "layouts[1].time[0]: `y`", `unassigned: "z"`,
			"estimate.monthly_tracked_users", "estimate.experiments_per_month", "estimate.page_views_per_user",
		},
	},
}

func TestBadConfigs(t *testing.T) {
	for name, bad := range badConfigs {
		t.Run(name, func(t *testing.T) {
			err := load(t, bad.yaml)
			require.Error(t, err)
			for _, says := range bad.says {
				assert.ErrorContains(t, err, says)
			}
		})
	}
}

func load(t *testing.T, text string) error {
	t.Helper()
	_, err := configtest.Load(t, createDefaultConfig().(*Config), text)
	return err
}

func TestSchemaRefusesBadConfigs(t *testing.T) {
	configs := map[string]configtest.BadConfig{}
	for name, bad := range badConfigs {
		configs[name] = configtest.BadConfig{YAML: bad.yaml, BeyondSchema: bad.beyondSchema}
	}
	configtest.CheckBadConfigs(t, configs)
}

func TestSchemaHasEveryKeyOfALayout(t *testing.T) {
	configtest.CheckLayoutKeys(t)
}

func TestSchemaHasEveryKey(t *testing.T) {
	configtest.CheckKeys(t, createDefaultConfig, map[string]string{
		"":                            "{unheard_of: 1}",
		"/properties/user_properties": "{user_properties: {unheard_of: 1}}",
		"/properties/json_body":       "{json_body: {unheard_of: 1}}",
		"/properties/telemetry":       "{telemetry: {unheard_of: 1}}",
		"/properties/estimate":        "{estimate: {unheard_of: 1}}",
	})
}

func TestSchemaListsThePresets(t *testing.T) {
	schema := configtest.Schema(t, configtest.SchemaFile)
	for _, preset := range layout.Presets() {
		entry := map[string]any{"preset": preset, "properties": []any{"event"}, "user_id": []any{}}
		assert.NoError(t, schema.Validate(map[string]any{"layouts": []any{entry}}))
	}
}

// ours selects the processor in a collector's configuration.
var ours = configtest.Component{Section: "processors", Type: metadata.Type.String()}

func TestSchemaAcceptsShippedConfigs(t *testing.T) {
	ours.CheckShipped(t)
}

func TestREADMEsShowGoodConfigs(t *testing.T) {
	ours.CheckMarkdown(t, createDefaultConfig, "README.md", filepath.Join("..", "README.md"))
}
