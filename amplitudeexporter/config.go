// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"errors"
	"slices"
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
	// ClientConfig has the settings of every HTTP client in the collector. Its endpoint is a whole URL that replaces the one
	// of region and api, and its timeout applies to one request.
	ClientConfig confighttp.ClientConfig `mapstructure:",squash"`
	// QueueConfig and RetryConfig have the settings of every exporter.
	QueueConfig configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	RetryConfig configretry.BackOffConfig                                `mapstructure:"retry_on_failure"`

	// APIKey is the key of the Amplitude project.
	APIKey configopaque.String `mapstructure:"api_key"`
	// Region is where the project's data is stored: us or eu.
	Region string `mapstructure:"region"`
	// API is http_v2 or batch.
	API API `mapstructure:"api"`
	// MinIDLength is how many characters a user_id or device_id must have.
	MinIDLength int `mapstructure:"min_id_length"`
	// PartnerID is the partner_id of events that have none.
	PartnerID string `mapstructure:"partner_id"`
	// Lanes is how many requests may be under way at once. Those of one user or device follow each other in one lane.
	Lanes int `mapstructure:"lanes"`
	// MaxRetryAfter limits how long the Retry-After of an answer can make the exporter wait.
	MaxRetryAfter time.Duration `mapstructure:"max_retry_after"`
	// Layouts say where the parts of an event are in a record. They must be those of the impression processor.
	Layouts []LayoutConfig `mapstructure:"layouts"`
	// JSONBody limits the JSON texts in bodies that are read.
	JSONBody JSONBodyConfig `mapstructure:"json_body"`
	// Send says which events are sent: all or impressions.
	Send Send `mapstructure:"send"`
	// Calls says what becomes of the calls of CDPs that aren't track calls.
	Calls CallsConfig `mapstructure:"calls"`
	// EventTypes are the event types of impressions.
	EventTypes []string `mapstructure:"event_types"`
	// DeadLetter keeps in a file what is never delivered.
	DeadLetter DeadLetterConfig `mapstructure:"dead_letter"`
	// OlderUpdates says what happens to an update that is older than one that was sent: leave_out or send.
	OlderUpdates OlderUpdates `mapstructure:"older_updates"`
	// UserPropertiesSync says whether events update the properties of their users, and are shown with all of them.
	UserPropertiesSync bool `mapstructure:"user_properties_sync"`
	// DryRun shows the requests that would be sent.
	DryRun DryRunConfig `mapstructure:"dry_run"`
}

// API is one of Amplitude's HTTP APIs: http_v2 or batch.
type API = amplitude.API

// LayoutConfig is an entry of layouts: a preset, a preset with some fields replaced, or every field by hand.
type LayoutConfig = layout.Config

// JSONBodyConfig limits the JSON texts in bodies that are parsed.
type JSONBodyConfig = jsonvalue.Limits

// Send says which events are sent.
type Send string

const (
	// SendAll sends every event that a layout finds.
	SendAll Send = "all"
	// SendImpressions sends impressions and their user property updates.
	SendImpressions Send = "impressions"
)

// DeadLetterConfig configures the file of events that Amplitude refuses for good, or that can't be sent.
type DeadLetterConfig struct {
	// Path is the file. If it is "", nothing is kept.
	Path string `mapstructure:"path"`
	// MaxMegabytes is the size at which the file is rotated, and MaxBackups is how many rotated files are kept.
	MaxMegabytes int `mapstructure:"max_megabytes"`
	MaxBackups   int `mapstructure:"max_backups"`
	// Reasons are kept in addition to the refusals.
	Reasons []string `mapstructure:"reasons"`
}

// OlderUpdates says what happens to an update of an experiment's user property that is older than one that was sent.
type OlderUpdates string

const (
	// LeaveOutOlderUpdates leaves it out, because it would undo the newer one.
	LeaveOutOlderUpdates OlderUpdates = "leave_out"
	// SendOlderUpdates sends it, so that the update that comes last counts.
	SendOlderUpdates OlderUpdates = "send"
)

// DryRunConfig configures dry runs, which build and count requests without sending them.
type DryRunConfig struct {
	Enabled bool `mapstructure:"enabled"`
	// Path is a file to which each request is appended as a line of JSON, without the key. If it is "", none is written.
	Path string `mapstructure:"path"`
}

func createDefaultConfig() component.Config {
	client := confighttp.NewDefaultClientConfig()
	client.Timeout = 30 * time.Second
	keepalive := confighttp.NewDefaultKeepaliveClientConfig()
	// With the default of two, all other lanes would open a connection for each request.
	keepalive.MaxIdleConnsPerHost = keepalive.MaxIdleConns
	client.Keepalive = configoptional.Some(keepalive)
	// Without pings, requests on a dead connection would time out until the kernel closes it, a quarter of an hour later.
	client.HTTP2ReadIdleTimeout = 10 * time.Second
	client.HTTP2PingTimeout = 5 * time.Second

	queue := exporterhelper.NewDefaultQueueConfig()
	// More than one consumer would reorder batches.
	queue.NumConsumers = 1
	// A receiver that waits loses nothing; one that is refused may.
	queue.BlockOnOverflow = true
	// Most receivers push a few records at a time, which would leave most lanes idle.
	queue.Batch = configoptional.Some(exporterhelper.BatchConfig{
		Sizer:        exporterhelper.RequestSizerTypeItems,
		MinSize:      8192,
		FlushTimeout: 200 * time.Millisecond,
	})

	retry := configretry.NewDefaultBackOffConfig()
	retry.InitialInterval = time.Second
	// Retry without end, because an outage may last.
	retry.MaxElapsedTime = 0

	return &Config{
		ClientConfig: client,
		QueueConfig:  configoptional.Some(queue),
		RetryConfig:  retry,
		Region:       amplitude.RegionUS,
		API:          amplitude.HTTPV2,
		MinIDLength:  amplitude.DefaultMinIDLength,
		Lanes:        8,
		Layouts:      []LayoutConfig{{Preset: "otel"}, {Preset: "amplitude"}, {Preset: "segment"}},
		JSONBody:     JSONBodyConfig{MaxBytes: 4 << 20, MaxDepth: 40, MaxValues: 100_000},
		Send:         SendAll,
		Calls: CallsConfig{
			Identify: IdentifyConfig{Enabled: true}, Page: ViewConfig{Enabled: true}, Screen: ViewConfig{Enabled: true},
			Traits: TraitsFromIdentify, Products: ProductsAsList, Attribution: true,
		},
		OlderUpdates: LeaveOutOlderUpdates,

		UserPropertiesSync: true,
		EventTypes:         []string{"$impression", "[Experiment] Impression", "$exposure", "[Experiment] Exposure"},
		DeadLetter:         DeadLetterConfig{MaxMegabytes: 100, MaxBackups: 10},
		MaxRetryAfter:      5 * time.Minute,
	}
}

// url returns where requests go.
func (c *Config) url() string {
	if c.ClientConfig.Endpoint != "" {
		return c.ClientConfig.Endpoint
	}
	return c.API.URL(c.Region)
}

// storageID returns where the queue is stored, nil if it is in memory.
func (c *Config) storageID() *component.ID {
	if !c.QueueConfig.HasValue() {
		return nil
	}
	return c.QueueConfig.Get().StorageID
}

// queueIsInMemory reports whether records are accepted into a queue that is lost when the collector ends.
func (c *Config) queueIsInMemory() bool {
	return c.QueueConfig.HasValue() && c.storageID() == nil && !c.QueueConfig.Get().WaitForResult
}

// Unmarshal decodes the configuration. If a key is unknown or doesn't decode, it also validates the values, so that all
// errors are reported at once.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	unknown := configkeys.Unknown(conf.ToStringMap(), c)
	if conf.Unmarshal(c, confmap.WithIgnoreUnused()) == nil && unknown == nil {
		return nil
	}
	// A type without Unmarshal, which would recurse.
	type fields Config
	failed, decoding := configkeys.DecodeByKey(conf, (*fields)(c))
	if slices.Contains(failed, "api_key") {
		// A key that doesn't decode isn't also missing.
		c.APIKey = "given"
	}
	return errors.Join(unknown, decoding, c.Validate())
}
