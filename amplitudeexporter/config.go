// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/configkeys"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// Config is the configuration of the exporter. config.schema.json describes the same keys.
type Config struct {
	// ClientConfig is that of every HTTP client of the collector. Its endpoint replaces the one of region and api, and is
	// the whole URL; its timeout is that of one request.
	ClientConfig confighttp.ClientConfig `mapstructure:",squash"`
	// QueueConfig is that of every exporter.
	QueueConfig configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	// RetryConfig is that of every exporter.
	RetryConfig configretry.BackOffConfig `mapstructure:"retry_on_failure"`

	// APIKey is the project's.
	APIKey configopaque.String `mapstructure:"api_key"`
	// Region is where the project's data reside: us or eu.
	Region string `mapstructure:"region"`
	// API is http_v2 or batch.
	API amplitude.API `mapstructure:"api"`
	// MinIDLength is the number of characters that a user_id or device_id needs.
	MinIDLength int `mapstructure:"min_id_length"`
	// Lanes is the most requests under way at once, those of one user or device one after the other.
	Lanes int `mapstructure:"lanes"`
	// Layouts say where the parts of an event are in a record, as those of the impression processor.
	Layouts []layout.Config `mapstructure:"layouts"`
	// JSONBody bounds the JSON texts in bodies that are read.
	JSONBody jsonvalue.Limits `mapstructure:"json_body"`
	// Send says which events are sent: all or impressions.
	Send Send `mapstructure:"send"`
	// EventTypes are those of impressions, for send: impressions. User property updates of impressions belong to them.
	EventTypes []string `mapstructure:"event_types"`
	// DryRun builds and counts requests, and sends none.
	DryRun DryRunConfig `mapstructure:"dry_run"`
}

// Send says which events are sent.
type Send string

const (
	// SendAll sends each event of a layout.
	SendAll Send = "all"
	// SendImpressions sends impressions and their user property updates.
	SendImpressions Send = "impressions"
)

// DryRunConfig is for looking at what would be sent.
type DryRunConfig struct {
	Enabled bool `mapstructure:"enabled"`
	// Path is a file to which each request is appended, a line of JSON, without the key; "" for none.
	Path string `mapstructure:"path"`
}

const (
	maxLanes       = 256
	maxMinIDLength = amplitude.MaxStringLength
)

func createDefaultConfig() component.Config {
	client := confighttp.NewDefaultClientConfig()
	client.Timeout = 30 * time.Second
	keepalive := confighttp.NewDefaultKeepaliveClientConfig()
	// Without, all but two lanes would connect anew for each request.
	keepalive.MaxIdleConnsPerHost = keepalive.MaxIdleConns
	client.Keepalive = configoptional.Some(keepalive)
	// Without, requests on a connection that has died without a word would time out until the kernel gives it up, a
	// quarter of an hour later.
	client.HTTP2ReadIdleTimeout = 10 * time.Second
	client.HTTP2PingTimeout = 5 * time.Second

	queue := exporterhelper.NewDefaultQueueConfig()
	// More than one takes the batches out of order.
	queue.NumConsumers = 1
	// A receiver that waits loses nothing.
	queue.BlockOnOverflow = true
	// Receivers hand over a few records at a time, which would leave most lanes idle.
	queue.Batch = configoptional.Some(exporterhelper.BatchConfig{
		Sizer:        exporterhelper.RequestSizerTypeItems,
		MinSize:      8192,
		FlushTimeout: 200 * time.Millisecond,
	})

	retry := configretry.NewDefaultBackOffConfig()
	retry.InitialInterval = time.Second
	// Without limit: an outage may last.
	retry.MaxElapsedTime = 0

	return &Config{
		ClientConfig: client,
		QueueConfig:  configoptional.Some(queue),
		RetryConfig:  retry,
		Region:       amplitude.RegionUS,
		API:          amplitude.HTTPV2,
		MinIDLength:  amplitude.DefaultMinIDLength,
		Lanes:        8,
		Layouts:      []layout.Config{{Preset: "otel"}, {Preset: "amplitude"}, {Preset: "segment"}},
		JSONBody:     jsonvalue.Limits{MaxBytes: 4 << 20, MaxDepth: 40, MaxValues: 100_000},
		Send:         SendAll,
		EventTypes:   []string{"$impression", "[Experiment] Impression", "$exposure", "[Experiment] Exposure"},
	}
}

// Unmarshal reads the configuration. Where a key is unknown or does not decode, the values are checked nevertheless, so
// that all faults are reported at once.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	unknown := configkeys.Unknown(conf.ToStringMap(), c)
	decoding := conf.Unmarshal(c, confmap.WithIgnoreUnused())
	if unknown == nil && decoding == nil {
		return nil
	}
	return errors.Join(unknown, c.decodeByKey(conf), c.Validate())
}

// decodeByKey reads each key by itself: the decoder sets none where one beside a squashed struct does not decode.
func (c *Config) decodeByKey(conf *confmap.Conf) error {
	// Without Unmarshal, which would call this again.
	type fields Config
	given := conf.ToStringMap()
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(given)) {
		one := confmap.New()
		if err := one.Merge(conf); err != nil {
			return err
		}
		for other := range given {
			if other != key {
				one.Delete(other)
			}
		}
		err := one.Unmarshal((*fields)(c), confmap.WithIgnoreUnused())
		if err != nil && key == "api_key" {
			// What did not decode is not also missing.
			c.APIKey = "given"
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// Validate reports every fault of the exporter's own keys at once, each with its key, value, and what is allowed. Those of
// the keys that it shares with other exporters, such as sending_queue, are found by their own.
func (c *Config) Validate() error {
	_, layoutsErr := layout.Compile(c.Layouts)
	return errors.Join(
		c.checkKey(),
		c.checkEndpoint(),
		c.checkChoices(),
		c.checkNumbers(),
		layoutsErr,
		c.checkIdentities(),
		errors.Join(c.losses()...),
	)
}

func (c *Config) checkKey() error {
	if c.APIKey == "" {
		return errors.New("api_key: missing; give the project's API key, such as ${env:AMPLITUDE_API_KEY}")
	}
	return nil
}

// url is where requests go.
func (c *Config) url() string {
	if c.ClientConfig.Endpoint != "" {
		return c.ClientConfig.Endpoint
	}
	return c.API.URL(c.Region)
}

// storageID is where the queue is stored, nil for memory.
func (c *Config) storageID() *component.ID {
	if !c.QueueConfig.HasValue() {
		return nil
	}
	return c.QueueConfig.Get().StorageID
}

func (c *Config) checkEndpoint() error {
	given := c.ClientConfig.Endpoint
	if given == "" {
		return nil
	}
	at, err := url.Parse(given)
	switch {
	case strings.ContainsAny(given, "@?#"):
		return errors.New("endpoint: a user, password, query or fragment in a URL would be logged; allowed: a URL without; give secrets by auth or headers")
	case err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http":
		return fmt.Errorf("endpoint: %q is no URL; allowed: all of one, such as %s", given, amplitude.HTTPV2.URL(amplitude.RegionUS))
	case at.Scheme == "http" && !isLoopback(at.Hostname()) && !c.ClientConfig.TLS.Insecure:
		return fmt.Errorf("endpoint: %q would send the API key and the events as plain text; allowed: https, http to loopback, or tls.insecure: true", given)
	}
	return nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func (c *Config) checkChoices() error {
	var faults []error
	if c.Region != amplitude.RegionUS && c.Region != amplitude.RegionEU {
		faults = append(faults, fmt.Errorf("region: %q is not known; allowed: us, eu", c.Region))
	}
	if c.API != amplitude.HTTPV2 && c.API != amplitude.Batch {
		faults = append(faults, fmt.Errorf("api: %q is not known; allowed: http_v2, batch", c.API))
	}
	if c.Send != SendAll && c.Send != SendImpressions {
		faults = append(faults, fmt.Errorf("send: %q is not known; allowed: all, impressions", c.Send))
	}
	if c.Send == SendImpressions && len(c.EventTypes) == 0 {
		faults = append(faults, errors.New("event_types: empty, so that send: impressions would send none; give at least one event type"))
	}
	if slices.Contains(c.EventTypes, "") {
		faults = append(faults, errors.New("event_types: one is empty; give the event types of impressions"))
	}
	if c.DryRun.Path != "" && !c.DryRun.Enabled {
		faults = append(faults, fmt.Errorf("dry_run.path: %q without dry_run.enabled: true has no effect; give both or none", c.DryRun.Path))
	}
	return errors.Join(faults...)
}

func (c *Config) checkNumbers() error {
	var faults []error
	for _, number := range []struct {
		key        string
		value, max int
	}{
		{"min_id_length", c.MinIDLength, maxMinIDLength},
		{"lanes", c.Lanes, maxLanes},
		{"json_body.max_bytes", c.JSONBody.MaxBytes, 1 << 30},
		{"json_body.max_depth", c.JSONBody.MaxDepth, 10_000},
		{"json_body.max_values", c.JSONBody.MaxValues, 1 << 30},
	} {
		if number.value < 1 || number.value > number.max {
			faults = append(faults, fmt.Errorf("%s: %d; allowed: 1 to %d", number.key, number.value, number.max))
		}
	}
	if c.ClientConfig.Timeout <= 0 {
		faults = append(faults, fmt.Errorf("timeout: %s, so that one request without an answer would stop all; allowed: more than 0", c.ClientConfig.Timeout))
	}
	return errors.Join(faults...)
}

// checkIdentities finds the layouts whose events could never be sent.
func (c *Config) checkIdentities() error {
	var faults []error
	for i, l := range c.Layouts {
		if !l.HasIdentity() {
			faults = append(faults, fmt.Errorf("layouts[%d]: no user_id and no device_id, without which Amplitude takes no event; give a path for at least one of them", i))
		}
	}
	return errors.Join(faults...)
}
