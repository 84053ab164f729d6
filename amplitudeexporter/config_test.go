// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/configtest"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

func TestConfigStruct(t *testing.T) {
	require.NoError(t, componenttest.CheckConfigStruct(createDefaultConfig()))
}

func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	return configtest.Load(t, createDefaultConfig().(*Config), text)
}

func TestLoadConfig(t *testing.T) {
	defaults := configtest.LoadFile(t, createDefaultConfig().(*Config), component.NewID(metadata.Type))
	assert.Equal(t, "https://api2.amplitude.com/2/httpapi", defaults.url())
	assert.Equal(t, 8, defaults.Lanes)
	assert.Equal(t, 30*time.Second, defaults.ClientConfig.Timeout)
	assert.Positive(t, defaults.ClientConfig.HTTP2ReadIdleTimeout, "a dead connection is noticed")
	assert.True(t, defaults.RetryConfig.Enabled)
	assert.Zero(t, defaults.RetryConfig.MaxElapsedTime)
	queue := defaults.QueueConfig.Get()
	assert.Equal(t, 1, queue.NumConsumers)
	assert.True(t, queue.BlockOnOverflow)
	assert.Equal(t, int64(8192), queue.Batch.Get().MinSize)
	assert.Equal(t, 200*time.Millisecond, queue.Batch.Get().FlushTimeout)
	assert.Zero(t, queue.Batch.Get().MaxSize)

	everything := configtest.LoadFile(t, createDefaultConfig().(*Config), component.NewIDWithName(metadata.Type, "everything"))
	assert.Equal(t, "http://proxy.internal/2/httpapi", everything.url())
	assert.Equal(t, amplitude.Batch, everything.API)
	assert.Equal(t, "partner", everything.PartnerID)
	assert.Equal(t, []layout.Config{{Preset: "segment", Paths: map[string][]string{"device_id": {`event["anon"]`}}}}, everything.Layouts)
	assert.Equal(t, jsonvalue.Limits{MaxBytes: 1000000, MaxDepth: 10, MaxValues: 5000}, everything.JSONBody)
	assert.Equal(t, DryRunConfig{Enabled: true, Path: "requests.ndjson"}, everything.DryRun)
	assert.Equal(t, DeadLetterConfig{MaxMegabytes: 100, MaxBackups: 10}, defaults.DeadLetter)
	assert.Equal(t, DeadLetterConfig{Path: "dead-letters.ndjson", MaxMegabytes: 20, MaxBackups: 3, Reasons: []string{"not_an_event"}}, everything.DeadLetter)
	assert.Equal(t, CallsConfig{
		Identify: IdentifyConfig{Enabled: true}, Page: ViewConfig{Enabled: true}, Screen: ViewConfig{Enabled: true}, Traits: TraitsFromIdentify,
		Products: ProductsAsList, Attribution: true,
	}, defaults.Calls)
	assert.Equal(t, CallsConfig{
		Identify: IdentifyConfig{SkipUnchanged: true},

		Page: ViewConfig{Enabled: true, Name: "Viewed {category} {name}"}, Group: GroupConfig{Type: "company", TypeTrait: "kind", NameTrait: "name"}, Traits: TraitsFromEveryCall,
		Products: ProductsAsEvents,
	}, everything.Calls)
	assert.Equal(t, []string{"$impression", "shown"}, everything.EventTypes)
	assert.Equal(t, LeaveOutOlderUpdates, defaults.OlderUpdates)
	assert.Equal(t, SendOlderUpdates, everything.OlderUpdates)
	assert.Equal(t, []bool{true, false}, []bool{defaults.UserPropertiesSync, everything.UserPropertiesSync})
	assert.Equal(t, int64(2000), everything.QueueConfig.Get().Batch.Get().MinSize)
	assert.Equal(t, 200*time.Millisecond, everything.QueueConfig.Get().Batch.Get().FlushTimeout, "the keys beside a given key keep their defaults")
	assert.Equal(t, 1, everything.QueueConfig.Get().NumConsumers)
	assert.Equal(t, time.Minute, everything.RetryConfig.MaxInterval)
}

func TestURL(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                        "https://api2.amplitude.com/2/httpapi",
		`{region: eu}`:              "https://api.eu.amplitude.com/2/httpapi",
		`{region: eu, api: batch}`:  "https://api.eu.amplitude.com/batch",
		`{endpoint: ""}`:            "https://api2.amplitude.com/2/httpapi",
		`{region: eu, endpoint: ~}`: "https://api.eu.amplitude.com/2/httpapi",
		`{region: eu, endpoint: "http://127.0.0.1:80/x"}`: "http://127.0.0.1:80/x",
		`{endpoint: "http://[::1]/x"}`:                    "http://[::1]/x",
		`{endpoint: "http://localhost/x"}`:                "http://localhost/x",
		`{endpoint: "https://proxy/x"}`:                   "https://proxy/x",
	} {
		config, err := load(t, strings.Replace(text, "{", "{api_key: k, ", 1))
		require.NoError(t, err)
		assert.Equal(t, want, config.url(), text)
	}
}

// badConfigs are configurations and what their errors must say: the key, the value, and what is allowed.
var badConfigs = map[string]struct{ yaml, says string }{
	"no key":           {`{}`, "api_key: missing"},
	"empty key":        {`{api_key: ""}`, "api_key: missing"},
	"unknown key":      {`{api_key: k, flag: 1}`, "flag: no such key; allowed: api, api_key, auth, "},
	"unknown nested":   {`{api_key: k, dry_run: {enable: true}}`, "dry_run.enable: no such key; allowed: enabled, path"},
	"unknown in queue": {`{api_key: k, sending_queue: {batch: {min: 1}}}`, "sending_queue.batch.min: no such key; allowed: enabled, flush_timeout, "},
	"unknown in tls":   {`{api_key: k, tls: {insecur: true}}`, "tls.insecur: no such key; allowed: ca_file, "},
	"wrong type":       {`{api_key: k, lanes: many}`, "'lanes'"},
	"region":           {`{api_key: k, region: asia}`, `region: "asia" is not known; allowed: us, eu`},
	"api":              {`{api_key: k, api: identify}`, `api: "identify" is not known; allowed: http_v2, batch`},
	"send":             {`{api_key: k, send: none}`, `send: "none" is not known; allowed: all, impressions`},
	"older updates":    {`{api_key: k, older_updates: drop}`, `older_updates: "drop" is not known; allowed: leave_out, send`},
	"page's name":      {`{api_key: k, calls: {page: {name: "Viewed {title}"}}}`, `calls.page.name: "Viewed {title}" has braces around something else; allowed: {name}, {category}`},
	"screen's name":    {`{api_key: k, calls: {screen: {name: "{name"}}}`, `calls.screen.name: "{name" has braces`},
	"unknown call":     {`{api_key: k, calls: {alias: {enabled: true}}}`, "calls.alias: no such key; allowed: attribution, group, identify, page, products, screen, traits"},
	"products":         {`{api_key: k, calls: {products: both}}`, `calls.products: "both" is not known; allowed: list, event`},
	"traits":           {`{api_key: k, calls: {traits: all}}`, `calls.traits: "all" is not known; allowed: identify, every_call`},
	"group's type":     {`{api_key: k, calls: {group: {type: $set}}}`, `calls.group.type: "$set" is the name of an operation`},
	"long group type":  {`{api_key: k, calls: {group: {type: ` + strings.Repeat("x", 1025) + `}}}`, "calls.group.type: 1025 characters; allowed: up to 1024"},
	"no event types":   {`{api_key: k, send: impressions, event_types: []}`, "event_types: empty"},
	"empty type":       {`{api_key: k, event_types: [a, ""]}`, "event_types: one is empty"},
	"dry run path":     {`{api_key: k, dry_run: {path: x}}`, `dry_run.path: "x" without dry_run.enabled: true has no effect`},
	"long partner":     {`{api_key: k, partner_id: ` + strings.Repeat("x", 1025) + `}`, "partner_id: 1025 characters; allowed: up to 1024"},
	"megabytes":        {`{api_key: k, dead_letter: {path: x, max_megabytes: 0}}`, "dead_letter.max_megabytes: 0; allowed: 1 to 1048576"},
	"backups":          {`{api_key: k, dead_letter: {path: x, max_backups: 0}}`, "dead_letter.max_backups: 0; allowed: 1 to 10000"},
	"dead reason":      {`{api_key: k, dead_letter: {path: x, reasons: [not_an_event, older_update]}}`, `dead_letter.reasons[1]: "older_update" can't be added; allowed: not_an_event, identify, page, screen, group, alias, page_ping, other; what is refused is kept anyway`},
	"dead path":        {`{api_key: k, dead_letter: {reasons: [not_an_event]}}`, `dead_letter.reasons: ["not_an_event"] without dead_letter.path has no effect; give both or neither`},
	"unknown in dead":  {`{api_key: k, dead_letter: {paths: x}}`, "dead_letter.paths: no such key; allowed: max_backups, max_megabytes, path, reasons"},
	"no lanes":         {`{api_key: k, lanes: 0}`, "lanes: 0; allowed: 1 to 256"},
	"too many lanes":   {`{api_key: k, lanes: 257}`, "lanes: 257; allowed: 1 to 256"},
	"min id length":    {`{api_key: k, min_id_length: 0}`, "min_id_length: 0; allowed: 1 to 1024"},
	"json bytes":       {`{api_key: k, json_body: {max_bytes: 0}}`, "json_body.max_bytes: 0; allowed: 1 to"},
	"json depth":       {`{api_key: k, json_body: {max_depth: -1}}`, "json_body.max_depth: -1; allowed: 1 to"},
	"json values":      {`{api_key: k, json_body: {max_values: 0}}`, "json_body.max_values: 0; allowed: 1 to"},
	"no timeout":       {`{api_key: k, timeout: 0s}`, "timeout: 0s"},
	"not a URL":        {`{api_key: k, endpoint: "api2.amplitude.com"}`, `endpoint: "api2.amplitude.com" isn't a URL; give the whole URL, such as https://`},
	"not parsed":       {`{api_key: k, endpoint: "http://[::1"}`, `endpoint: "http://[::1" isn't a URL`},
	"another scheme":   {`{api_key: k, endpoint: "ftp://host/x"}`, `endpoint: "ftp://host/x" isn't a URL`},
	"query":            {`{api_key: k, endpoint: "https://proxy/x?y=z"}`, "endpoint: a user, password, query or fragment in a URL would be logged"},
	"plain text":       {`{api_key: k, endpoint: "http://proxy/x"}`, `endpoint: "http://proxy/x" would send the API key and the events as plain text; allowed: https, http to loopback, or tls.insecure: true`},
	"no layout":        {`{api_key: k, layouts: []}`, "layouts: empty"},
	"unknown preset":   {`{api_key: k, layouts: [{preset: otle}]}`, `layouts[0].preset: "otle" is not known`},
	"nobody":           {`{api_key: k, layouts: [{preset: amplitude, user_id: [], device_id: []}]}`, "layouts[0]: no user_id and no device_id"},
	"compression":      {`{api_key: k, compression: zstd}`, `compression: "zstd" makes requests that Amplitude cannot read`},
	"retry off":        {`{api_key: k, retry_on_failure: {enabled: false}}`, "retry_on_failure.enabled: false loses"},
	"consumers":        {`{api_key: k, sending_queue: {num_consumers: 10}}`, "sending_queue.num_consumers: 10 reorders a user's events; allowed: 1"},
	"max size":         {`{api_key: k, sending_queue: {batch: {max_size: 10000}}}`, "sending_queue.batch.max_size: 10000 drops valid records"},
	"partition":        {`{api_key: k, sending_queue: {batch: {partition: {metadata_keys: [tenant]}}}}`, "sending_queue.batch.partition.metadata_keys: [tenant] reorders"},
	"stock queue":      {`{api_key: k, sending_queue: {queue_size: 0}}`, "`queue_size` must be positive"},
	"stock retry":      {`{api_key: k, retry_on_failure: {multiplier: -1}}`, "multiplier"},
	"storage, result":  {`{api_key: k, sending_queue: {storage: file_storage, wait_for_result: true}}`, "wait_for_result"},
}

func TestBadConfigs(t *testing.T) {
	for name, bad := range badConfigs {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, bad.yaml)
			require.ErrorContains(t, err, bad.says)
		})
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, err := load(t, `{unknown: 1, region: asia, api: x, lanes: 0, endpoint: "http://proxy/x", layouts: [{preset: otle}], sending_queue: {num_consumers: 10}, retry_on_failure: {enabled: false}}`)
	for _, part := range []string{"unknown", "api_key:", "region:", "api:", "lanes:", "endpoint:", "layouts[0].preset:", "sending_queue.num_consumers:", "retry_on_failure.enabled:"} {
		require.ErrorContains(t, err, part)
	}
}

// TestAllErrorsAtOnceIfAKeyDoesNotDecode: such a key must not hide other errors, nor make other keys look missing.
func TestAllErrorsAtOnceIfAKeyDoesNotDecode(t *testing.T) {
	for text, parts := range map[string][]string{
		`{api_key: k, region: asia, lanes: many}`:                                 {"'lanes'", "region:"},
		`{api_key: k, region: asia, sending_queue: {consumers: 1}}`:               {"sending_queue.consumers: no such key", "region:"},
		`{api_key: k, region: asia, timeout: soon}`:                               {"timeout", "region:"},
		`{api_key: k, lanes: [1], sending_queue: {num_consumers: 2}, send: most}`: {"'lanes'", "sending_queue.num_consumers:", "send:"},
		`{api_key: [k], region: asia}`:                                            {"'api_key'", "region:"},
	} {
		_, err := load(t, text)
		for _, part := range parts {
			require.ErrorContains(t, err, part, text)
		}
		assert.NotContains(t, err.Error(), "api_key: missing", text)
	}
}

// TestAnAPIKeyOfDigitsIsText even if another key has an error: environment variables are text.
func TestAnAPIKeyOfDigitsIsText(t *testing.T) {
	t.Setenv("CANARY", "0123456789")
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs:              []string{"yaml:{api_key: '${env:CANARY}', region: asia, lanes: many}"},
		ProviderFactories: []confmap.ProviderFactory{yamlprovider.NewFactory(), envprovider.NewFactory()},
	})
	require.NoError(t, err)
	conf, err := resolver.Resolve(t.Context())
	require.NoError(t, err)
	err = conf.Unmarshal(createDefaultConfig())
	require.ErrorContains(t, err, "region:")
	assert.NotContains(t, err.Error(), "api_key")
}

// TestSecretsInTheEndpointAreNotRepeated: errors of the HTTP client contain the URL, and are logged.
func TestSecretsInTheEndpointAreNotRepeated(t *testing.T) {
	for _, endpoint := range []string{
		"https://user:canary@proxy/x", "https://canary@proxy/x", "https://proxy/x?token=canary", "https://proxy/x#canary",
		"proxy/x?token=canary", "https://user:canary@[::1", "http://proxy/x?token=canary",
	} {
		_, err := load(t, fmt.Sprintf(`{api_key: k, endpoint: %q}`, endpoint))
		require.ErrorContains(t, err, "endpoint: a user, password, query or fragment in a URL would be logged")
		assert.NotContains(t, err.Error(), "canary")
	}
}

func TestPlainTextIsAllowedExplicitly(t *testing.T) {
	_, err := load(t, `{api_key: k, endpoint: "http://proxy/x", tls: {insecure: true}}`)
	assert.NoError(t, err)
}

func TestWarningsNameTheirKeys(t *testing.T) {
	for text, keys := range map[string][]string{
		`{sending_queue: {storage: file_storage}}`: nil,
		`{}`: {"sending_queue.storage: not given"},
		`{sending_queue: {wait_for_result: true}}`:                                {"sending_queue.wait_for_result: true"},
		`{sending_queue: {enabled: false}}`:                                       {"sending_queue.enabled: false"},
		`{sending_queue: {storage: file_storage, block_on_overflow: false}}`:      {"sending_queue.block_on_overflow: false"},
		`{sending_queue: {storage: file_storage, batch: {enabled: false}}}`:       {"sending_queue.batch: not given"},
		`{api: batch, sending_queue: {storage: s}}`:                               {"api: batch"},
		`{user_properties_sync: false, sending_queue: {storage: s}}`:              {"user_properties_sync: false"},
		`{retry_on_failure: {max_elapsed_time: 5m}, sending_queue: {storage: s}}`: {"retry_on_failure.max_elapsed_time: 5m0s"},
		`{dry_run: {enabled: true}, sending_queue: {storage: s}}`:                 {"dry_run.enabled: true"},
	} {
		config, err := load(t, strings.Replace(text, "{", "{api_key: k, ", 1))
		require.NoError(t, err, text)
		warnings := config.warnings()
		require.Len(t, warnings, len(keys), text)
		for i, key := range keys {
			assert.True(t, strings.HasPrefix(warnings[i], key), warnings[i])
		}
	}
}

func TestTheAPIKeyIsNotPrinted(t *testing.T) {
	config, err := load(t, `{api_key: canary}`)
	require.NoError(t, err)
	conf := confmap.New()
	require.NoError(t, conf.Marshal(config))
	for _, printed := range []string{fmt.Sprint(config), fmt.Sprintf("%+v %#v", config, config.APIKey), fmt.Sprint(conf.ToStringMap())} {
		assert.NotContains(t, printed, "canary")
	}
}

func TestADisabledQueueIsNotValidated(t *testing.T) {
	config := createDefaultConfig().(*Config)
	config.APIKey = "key"
	config.QueueConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
	assert.NoError(t, config.Validate())
}
