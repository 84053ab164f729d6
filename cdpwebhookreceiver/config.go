// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"

	"github.com/impression-collector/impression-bridge/internal/configkeys"
)

// Config is the configuration of the receiver. config.schema.json describes the same keys.
type Config struct {
	// ServerConfig has the settings of every HTTP server in the collector.
	ServerConfig confighttp.ServerConfig `mapstructure:",squash"`

	// MaxWait is how long a sender waits for an answer at most.
	MaxWait time.Duration `mapstructure:"max_wait"`
	// MaxConcurrentRequests is how many requests may be under way. More are refused.
	MaxConcurrentRequests int `mapstructure:"max_concurrent_requests"`
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is believed.
	TrustedProxies []string `mapstructure:"trusted_proxies"`
	// HeaderAttributes are the names of request headers that become attributes of each record.
	HeaderAttributes []string `mapstructure:"header_attributes"`
	// Sources are the senders, by name.
	Sources map[string]SourceConfig `mapstructure:"sources"`
}

// SourceConfig says where a sender posts its events, and how to recognize it.
type SourceConfig struct {
	// Path is the path of the URL. The source has this path and everything below it.
	Path string `mapstructure:"path"`
	// Signature is the signature that each request must have.
	Signature configoptional.Optional[SignatureConfig] `mapstructure:"signature"`
	// Header is the header that each request must have, in addition to the signature if both are given.
	Header configoptional.Optional[HeaderConfig] `mapstructure:"header"`
	// Auth names the extension that must let each request through, in addition to the others.
	Auth configoptional.Optional[configauth.Config] `mapstructure:"auth"`
}

// SignatureConfig describes an HMAC of the body: by the name of a preset, or by all other keys.
type SignatureConfig struct {
	// Preset is segment or customerio.
	Preset string `mapstructure:"preset"`
	// Secrets are the keys of the HMAC. One of them must match.
	Secrets []configopaque.String `mapstructure:"secrets"`

	// Header is the name of the header with the signature, and Prefix is what its value starts with.
	Header string `mapstructure:"header"`
	Prefix string `mapstructure:"prefix"`
	// Algorithm is sha1 or sha256, the default.
	Algorithm string `mapstructure:"algorithm"`
	// Encoding is hex, the default, or base64.
	Encoding string `mapstructure:"encoding"`
	// Signs says what is signed: body, the default, first_element, or timestamp.body.
	Signs string `mapstructure:"signs"`
	// TimestampHeader is the name of the header with the time of a signature of timestamp.body, in seconds or milliseconds
	// since 1970. Tolerance is how far it may be from now, 5 minutes by default.
	TimestampHeader string         `mapstructure:"timestamp_header"`
	Tolerance       *time.Duration `mapstructure:"tolerance"`
}

// HeaderConfig is a header with a fixed value.
type HeaderConfig struct {
	// Name is the name of the header.
	Name string `mapstructure:"name"`
	// Values are the allowed values. Several are for rotating a secret.
	Values []configopaque.String `mapstructure:"values"`
}

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = "localhost:8088"
	// Half-open connections cost little, but shouldn't stay.
	server.ReadHeaderTimeout = 10 * time.Second
	// The bodies of all requests under way may be in memory. CDPs send up to 1,000 events at once, far less than this.
	server.MaxRequestBodySize = 4 << 20
	return &Config{
		ServerConfig:          server,
		MaxWait:               3 * time.Second,
		MaxConcurrentRequests: 100,
	}
}

// Unmarshal decodes the configuration. If a key is unknown or doesn't decode, it also validates the values, so that all errors
// are reported at once.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	unknown := configkeys.Unknown(conf.ToStringMap(), c)
	if conf.Unmarshal(c, confmap.WithIgnoreUnused()) == nil && unknown == nil {
		return nil
	}
	// A type without Unmarshal, which would recurse.
	type fields Config
	failed, decoding := configkeys.DecodeByKey(conf, (*fields)(c))
	if slices.Contains(failed, "sources") {
		// Sources that don't decode aren't also missing.
		c.Sources = map[string]SourceConfig{"given": {Path: "/"}}
	}
	return errors.Join(unknown, decoding, c.Validate())
}
