// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/configtest"
)

func TestConfigStruct(t *testing.T) {
	require.NoError(t, componenttest.CheckConfigStruct(createDefaultConfig()))
}

func load(tb testing.TB, text string) (*Config, error) {
	tb.Helper()
	return configtest.Load(tb, createDefaultConfig().(*Config), text)
}

func TestLoadConfig(t *testing.T) {
	defaults := configtest.LoadFile(t, createDefaultConfig().(*Config), component.NewID(metadata.Type))
	assert.Equal(t, "localhost:8088", defaults.ServerConfig.NetAddr.Endpoint)
	assert.Equal(t, 3*time.Second, defaults.MaxWait)
	assert.Equal(t, 100, defaults.MaxConcurrentRequests)
	assert.Equal(t, 10*time.Second, defaults.ServerConfig.ReadHeaderTimeout)
	assert.Equal(t, int64(4<<20), defaults.ServerConfig.MaxRequestBodySize)

	everything := configtest.LoadFile(t, createDefaultConfig().(*Config), component.NewIDWithName(metadata.Type, "everything"))
	assert.Equal(t, "0.0.0.0:8088", everything.ServerConfig.NetAddr.Endpoint)
	assert.Equal(t, 2*time.Second, everything.MaxWait)
	assert.Equal(t, 50, everything.MaxConcurrentRequests)
	assert.Equal(t, int64(1000000), everything.ServerConfig.MaxRequestBodySize)
	assert.Equal(t, []string{"10.0.0.0/8", "::1"}, everything.TrustedProxies)
	assert.Equal(t, []string{"X-Request-Id"}, everything.HeaderAttributes)
	assert.True(t, everything.ServerConfig.Auth.HasValue())
	assert.True(t, everything.ServerConfig.CORS.HasValue())
	require.Len(t, everything.Sources, 4)
	segment := everything.Sources["segment"]
	assert.Equal(t, SignatureConfig{Preset: "segment", Secrets: []configopaque.String{"new", "old"}}, *segment.Signature.Get())
	assert.Equal(t, HeaderConfig{Name: "Authorization", Values: []configopaque.String{"new", "old"}}, *segment.Header.Get())
	byHand := everything.Sources["by hand"]
	assert.Equal(t, SignatureConfig{
		Header: "X-Sum", Prefix: "v0=", Algorithm: "sha256", Encoding: "base64", Signs: "timestamp.body",
		TimestampHeader: "X-Time", Tolerance: new(time.Minute), Secrets: []configopaque.String{"secret"},
	}, *byHand.Signature.Get())
	basic := everything.Sources["basic"]
	assert.Equal(t, "basicauth", basic.Auth.Get().AuthenticatorID.String())
	open := everything.Sources["open"]
	assert.Equal(t, SourceConfig{Path: "/open"}, open)
}

// badConfigs are configurations and what their errors must say: the key, the value unless it is a secret, and what is
// allowed.
var badConfigs = map[string]struct{ yaml, says string }{
	"no source":          {`{}`, "sources: none; give at least one"},
	"unknown key":        {`{sources: {a: {path: /a}}, flag: 1}`, "flag: no such key; allowed: auth, "},
	"unknown in source":  {`{sources: {a: {path: /a, pth: 1}}}`, "sources.a.pth: no such key; allowed: auth, header, path, signature"},
	"unknown in header":  {`{sources: {a: {path: /a, header: {nam: x, values: [x]}}}}`, "sources.a.header.nam: no such key; allowed: enabled, name, values"},
	"unknown in tls":     {`{sources: {a: {path: /a}}, tls: {cert: x}}`, "tls.cert: no such key; allowed: "},
	"max_wait":           {`{sources: {a: {path: /a}}, max_wait: 0s}`, "max_wait: 0s would refuse every request; allowed: more than 0"},
	"write_timeout":      {`{sources: {a: {path: /a}}, max_wait: 40s}`, "write_timeout: 30s would cut off the answer after max_wait, 40s"},
	"no requests":        {`{sources: {a: {path: /a}}, max_concurrent_requests: 0}`, "max_concurrent_requests: 0; allowed: 1 to 100000"},
	"proxy":              {`{sources: {a: {path: /a}}, trusted_proxies: [proxy]}`, `trusted_proxies[0]: "proxy" isn't a network`},
	"wide proxy":         {`{sources: {a: {path: /a}}, trusted_proxies: ["::ffff:10.0.0.0/8"]}`, `trusted_proxies[0]: "::ffff:10.0.0.0/8" isn't a network`},
	"compression":        {`{sources: {a: {path: /a}}, compression_algorithms: [gzip, br]}`, `compression_algorithms[1]: "br" is not known; allowed: gzip, deflate, lz4, snappy, x-snappy-framed, zlib, zstd`},
	"source's name":      {`{sources: {none: {path: /a}}}`, `sources: a source can't be named "none"`},
	"no path":            {`{sources: {a: {}}}`, "sources.a.path: missing; give the path of the URL"},
	"relative path":      {`{sources: {a: {path: a}}}`, `sources.a.path: "a" isn't a plain path`},
	"path with a slash":  {`{sources: {a: {path: /a/}}}`, `sources.a.path: "/a/" isn't a plain path`},
	"path with a query":  {`{sources: {a: {path: "/a?b"}}}`, `sources.a.path: "/a?b" isn't a plain path`},
	"equal paths":        {`{sources: {a: {path: /x}, b: {path: /x}}}`, `sources.a.path: "/x" overlaps with "/x" of b`},
	"path below":         {`{sources: {a: {path: /x/y}, b: {path: /x}}}`, `sources.a.path: "/x/y" overlaps with "/x" of b`},
	"all paths":          {`{sources: {a: {path: /x}, b: {path: /}}}`, `sources.a.path: "/x" overlaps with "/" of b`},
	"preset":             {`{sources: {a: {path: /a, signature: {preset: segmnt, secrets: [x]}}}}`, `sources.a.signature.preset: "segmnt" is not known; allowed: customerio, segment`},
	"preset and header":  {`{sources: {a: {path: /a, signature: {preset: segment, header: X, secrets: [x]}}}}`, `sources.a.signature.preset: "segment" beside keys that it sets`},
	"no preset":          {`{sources: {a: {path: /a, signature: {secrets: [x]}}}}`, "sources.a.signature.preset: missing; give a preset, or signature.header"},
	"no secrets":         {`{sources: {a: {path: /a, signature: {preset: segment}}}}`, "sources.a.signature.secrets: none; give at least one"},
	"empty secret":       {`{sources: {a: {path: /a, signature: {preset: segment, secrets: [x, ""]}}}}`, "sources.a.signature.secrets[1]: empty; is the environment variable set?"},
	"signature's header": {`{sources: {a: {path: /a, signature: {header: "a b", secrets: [x]}}}}`, `sources.a.signature.header: "a b" isn't the name of a header`},
	"algorithm":          {`{sources: {a: {path: /a, signature: {header: X, algorithm: md5, secrets: [x]}}}}`, `sources.a.signature.algorithm: "md5" is not known; allowed: sha1, sha256`},
	"encoding":           {`{sources: {a: {path: /a, signature: {header: X, encoding: hx, secrets: [x]}}}}`, `sources.a.signature.encoding: "hx" is not known; allowed: hex, base64`},
	"signs":              {`{sources: {a: {path: /a, signature: {header: X, signs: url, secrets: [x]}}}}`, `sources.a.signature.signs: "url" is not known; allowed: body, first_element, timestamp.body`},
	"no timestamp":       {`{sources: {a: {path: /a, signature: {header: X, signs: timestamp.body, secrets: [x]}}}}`, `sources.a.signature.timestamp_header: "" isn't the name of a header`},
	"tolerance":          {`{sources: {a: {path: /a, signature: {header: X, signs: timestamp.body, timestamp_header: T, tolerance: -1s, secrets: [x]}}}}`, "sources.a.signature.tolerance: -1s; allowed: more than 0"},
	"no tolerance":       {`{sources: {a: {path: /a, signature: {header: X, signs: timestamp.body, timestamp_header: T, tolerance: 0s, secrets: [x]}}}}`, "sources.a.signature.tolerance: 0s; allowed: more than 0"},
	"tolerance unused":   {`{sources: {a: {path: /a, signature: {header: X, tolerance: 0s, secrets: [x]}}}}`, "without signature.signs: timestamp.body they have no effect"},
	"preset's tolerance": {`{sources: {a: {path: /a, signature: {preset: segment, tolerance: 0s, secrets: [x]}}}}`, `sources.a.signature.preset: "segment" beside keys that it sets`},
	"timestamp unused":   {`{sources: {a: {path: /a, signature: {header: X, timestamp_header: T, secrets: [x]}}}}`, "without signature.signs: timestamp.body they have no effect"},
	"header's name":      {`{sources: {a: {path: /a, header: {values: [x]}}}}`, `sources.a.header.name: "" isn't the name of a header`},
	"no values":          {`{sources: {a: {path: /a, header: {name: X}}}}`, "sources.a.header.values: none; give at least one"},
	"empty value":        {`{sources: {a: {path: /a, header: {name: X, values: [" "]}}}}`, "sources.a.header.values[0]: empty"},
	"line break":         {`{sources: {a: {path: /a, header: {name: X, values: ["canary\n"]}}}}`, "sources.a.header.values[0]: isn't a valid header value"},
	"space around":       {`{sources: {a: {path: /a, header: {name: X, values: [x, " canary"]}}}}`, "sources.a.header.values[1]: isn't a valid header value"},
	"authenticator":      {`{sources: {a: {path: /a, auth: {}}}}`, "sources.a.auth.authenticator: missing; give the name of an extension"},
	"attribute":          {`{sources: {a: {path: /a}}, header_attributes: ["a b"]}`, `header_attributes[0]: "a b" isn't the name of a header`},
	"credentials":        {`{sources: {a: {path: /a}}, header_attributes: [authorization]}`, `header_attributes[0]: "authorization" holds a secret`},
	"upper case":         {`{sources: {a: {path: /a}}, header_attributes: [COOKIE]}`, `header_attributes[0]: "COOKIE" holds a secret`},
	"proxy's":            {`{sources: {a: {path: /a}}, header_attributes: [PROXY-AUTHORIZATION]}`, `header_attributes[0]: "PROXY-AUTHORIZATION" holds a secret`},
	"mixed case":         {`{sources: {a: {path: /a}}, header_attributes: [proxy-AuthoriZation]}`, `header_attributes[0]: "proxy-AuthoriZation" holds a secret`},
	"secret header":      {`{sources: {a: {path: /a, header: {name: X, values: [x]}}}, header_attributes: [x]}`, `header_attributes[0]: "x" holds a secret`},
}

func TestBadConfigs(t *testing.T) {
	for name, bad := range badConfigs {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, bad.yaml)
			require.ErrorContains(t, err, bad.says)
			assert.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestValidateReportsEverythingAtOnce(t *testing.T) {
	_, err := load(t, `{max_wait: 0s, max_concurrent_requests: -1, unheard_of: canary, sources: {
		a: {path: /x, signature: {preset: canary-preset, secrets: [""]}, header: {name: X}}, b: {path: /x, unheard_of: canary}}}`)
	for _, says := range []string{
		"unheard_of: no such key", "sources.b.unheard_of: no such key", "max_wait: 0s", "max_concurrent_requests: -1",
		`signature.preset: "canary-preset"`, "signature.secrets[0]: empty", "header.values: none", `"/x" overlaps with "/x"`,
	} {
		require.ErrorContains(t, err, says)
	}
	assert.NotContains(t, strings.ReplaceAll(err.Error(), "canary-preset", ""), "canary")
}

// TestValidateReportsFaultsBesideWrongTypes has faults in the values of other keys.
func TestValidateReportsFaultsBesideWrongTypes(t *testing.T) {
	_, err := load(t, `{max_wait: many, max_concurrent_requests: 0, unheard_of: 1, trusted_proxies: [proxy], sources: {
		b: {path: /b, signature: {preset: 1, secrets: [x]}}, c: {path: [/c]}}}`)
	for _, says := range []string{
		"unheard_of: no such key", "'max_wait' time: invalid duration", "max_concurrent_requests: 0", `trusted_proxies[0]: "proxy"`,
		"preset' expected type 'string'", "'sources[c].path' expected type 'string'",
	} {
		require.ErrorContains(t, err, says)
	}
	for _, wrong := range []string{"sources: none", "max_wait: 0s", "path: missing"} {
		assert.NotContains(t, err.Error(), wrong)
	}
}

// TestNoSecretInErrors gives secrets the wrong type.
func TestNoSecretInErrors(t *testing.T) {
	for _, text := range []string{
		`{sources: {a: {path: /a, signature: {preset: segment, secrets: [[canary]]}}}}`,
		`{sources: {a: {path: /a, signature: {preset: segment, secrets: {a: canary}}}}}`,
		`{sources: {a: {path: /a, signature: canary}}}`,
		`{sources: {a: {path: /a, header: {name: X, values: [{a: canary}]}}}}`,
		`{sources: {a: canary}}`,
		`{sources: canary}`,
	} {
		_, err := load(t, text)
		require.Error(t, err, text)
		assert.NotContains(t, err.Error(), "canary", text)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	config, err := load(t, `{sources: {a: {path: /a, signature: {preset: segment, secrets: [canary]}, header: {name: X, values: [canary]}}}}`)
	require.NoError(t, err)
	printed := confmap.New()
	require.NoError(t, printed.Marshal(config))
	text, err := yaml.Marshal(printed.ToStringMap())
	require.NoError(t, err)
	assert.Contains(t, string(text), "[REDACTED]")
	assert.NotContains(t, string(text), "canary")
}
