// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/confmap"

	"github.com/impression-collector/impression-bridge/internal/configkeys"
)

// Config is the configuration of the extension. config.schema.json describes the same keys.
type Config struct {
	// ServerConfig has the settings of every HTTP server in the collector.
	ServerConfig confighttp.ServerConfig `mapstructure:",squash"`

	// Hosts are the names under which browsers may reach the page, besides addresses, localhost, and the endpoint's host.
	Hosts []string `mapstructure:"hosts"`
	// ShowValues shows the ids of users and the values of all properties.
	ShowValues bool `mapstructure:"show_values"`
	// Always gathers numbers while nobody looks, too.
	Always bool `mapstructure:"always"`
	// Experiments has the intended weight of each variant, by flag key. Without it, all variants are meant to be equal.
	Experiments map[string]map[string]float64 `mapstructure:"experiments"`
}

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = "localhost:8090"
	// Explain takes a payload at a time.
	server.MaxRequestBodySize = 1 << 20
	return &Config{ServerConfig: server}
}

// Unmarshal decodes the configuration. If a key is unknown, it also validates the values, so that all errors are reported at once.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	unknown := configkeys.Unknown(conf.ToStringMap(), c)
	if err := conf.Unmarshal(c, confmap.WithIgnoreUnused()); err != nil || unknown == nil {
		return errors.Join(unknown, err)
	}
	return errors.Join(unknown, c.Validate())
}

// Validate reports every error in the extension's own keys at once.
func (c *Config) Validate() error {
	endpoint := c.ServerConfig.NetAddr.Endpoint
	errs := []error{
		errorIf(!c.isLocal() && !c.ServerConfig.Auth.HasValue(),
			"endpoint: %q can be reached from other machines; set auth, or give a loopback address such as localhost:8090", endpoint),
		errorIf(c.ServerConfig.CORS.HasValue(), "cors: the page is only for its own origin; remove it"),
	}
	for i, host := range c.Hosts {
		errs = append(errs, errorIf(host == "" || strings.ContainsAny(host, ":/ *"),
			"hosts[%d]: %q isn't a name of a host; give it without scheme and port, such as bridge.internal", i, host))
	}
	for _, flag := range slices.Sorted(maps.Keys(c.Experiments)) {
		weights := c.Experiments[flag]
		errs = append(errs, errorIf(len(weights) < 2 || len(weights) > maxVariants,
			"experiments.%s: %d variants; give 2 to %d, such as {control: 50, treatment: 50}", flag, len(weights), maxVariants))
		for _, variant := range slices.Sorted(maps.Keys(weights)) {
			w := weights[variant]
			errs = append(errs, errorIf(!(w > 0) || math.IsInf(w, 0), "experiments.%s.%s: %g; allowed: more than 0", flag, variant, w))
		}
	}
	return errors.Join(errs...)
}

func errorIf(condition bool, format string, args ...any) error {
	if !condition {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// isLocal reports whether only this machine can reach the endpoint.
func (c *Config) isLocal() bool {
	if c.ServerConfig.NetAddr.Transport == confignet.TransportTypeUnix {
		return true
	}
	host := c.endpointHost()
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// endpointHost returns the host of the endpoint, or "" if it has none.
func (c *Config) endpointHost() string {
	host, _, err := net.SplitHostPort(c.ServerConfig.NetAddr.Endpoint)
	if err != nil {
		return ""
	}
	return host
}
