// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/config/configcompression"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// Validate reports every error in the exporter's own keys at once, each with its key, its value, and what is allowed. The
// configuration types that it shares with other exporters, such as that of sending_queue, validate themselves.
func (c *Config) Validate() error {
	_, layoutsErr := layout.Compile(c.Layouts)
	return errors.Join(
		c.validateKey(),
		c.validateEndpoint(),
		c.validateChoices(),
		c.validateNumbers(),
		layoutsErr,
		c.validateIdentities(),
		c.validateDelivery(),
		c.validateQueue(),
	)
}

func (c *Config) validateKey() error {
	if c.APIKey == "" {
		return errors.New("api_key: missing; give the project's API key, such as ${env:AMPLITUDE_API_KEY}")
	}
	return nil
}

func (c *Config) validateEndpoint() error {
	given := c.ClientConfig.Endpoint
	if given == "" {
		return nil
	}
	at, err := url.Parse(given)
	switch {
	case strings.ContainsAny(given, "@?#"):
		return errors.New("endpoint: a user, password, query or fragment in a URL would be logged; remove it, and give secrets in auth or headers")
	case err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http":
		return fmt.Errorf("endpoint: %q isn't a URL; give the whole URL, such as %s", given, amplitude.HTTPV2.URL(amplitude.RegionUS))
	case at.Scheme == "http" && !isLoopback(at.Hostname()) && !c.ClientConfig.TLS.Insecure:
		return fmt.Errorf("endpoint: %q would send the API key and the events as plain text; allowed: https, http to loopback, or tls.insecure: true", given)
	}
	return nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func (c *Config) validateChoices() error {
	var errs []error
	if c.Region != amplitude.RegionUS && c.Region != amplitude.RegionEU {
		errs = append(errs, fmt.Errorf("region: %q is not known; allowed: us, eu", c.Region))
	}
	if c.API != amplitude.HTTPV2 && c.API != amplitude.Batch {
		errs = append(errs, fmt.Errorf("api: %q is not known; allowed: http_v2, batch", c.API))
	}
	if c.Send != SendAll && c.Send != SendImpressions {
		errs = append(errs, fmt.Errorf("send: %q is not known; allowed: all, impressions", c.Send))
	}
	if c.Send == SendImpressions && len(c.EventTypes) == 0 {
		errs = append(errs, errors.New("event_types: empty, so send: impressions would send nothing; give at least one event type"))
	}
	if slices.Contains(c.EventTypes, "") {
		errs = append(errs, errors.New("event_types: one is empty; give the event types of impressions"))
	}
	if c.DryRun.Path != "" && !c.DryRun.Enabled {
		errs = append(errs, fmt.Errorf("dry_run.path: %q without dry_run.enabled: true has no effect; give both or neither", c.DryRun.Path))
	}
	return errors.Join(errs...)
}

func (c *Config) validateNumbers() error {
	var errs []error
	for _, number := range []struct {
		key        string
		value, max int
	}{
		{"min_id_length", c.MinIDLength, amplitude.MaxStringLength},
		{"lanes", c.Lanes, 256},
		{"json_body.max_bytes", c.JSONBody.MaxBytes, 1 << 30},
		{"json_body.max_depth", c.JSONBody.MaxDepth, 10_000},
		{"json_body.max_values", c.JSONBody.MaxValues, 1 << 30},
	} {
		if number.value < 1 || number.value > number.max {
			errs = append(errs, fmt.Errorf("%s: %d; allowed: 1 to %d", number.key, number.value, number.max))
		}
	}
	if c.ClientConfig.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout: %s would let one request without an answer block all others; allowed: more than 0", c.ClientConfig.Timeout))
	}
	return errors.Join(errs...)
}

// validateIdentities finds the layouts whose events could never be sent.
func (c *Config) validateIdentities() error {
	var errs []error
	for i, l := range c.Layouts {
		if !l.HasIdentity() {
			errs = append(errs, fmt.Errorf("layouts[%d]: no user_id and no device_id, and Amplitude refuses events without either; give a path for at least one of them", i))
		}
	}
	return errors.Join(errs...)
}

// validateDelivery and validateQueue refuse the settings that are certain to lose or reorder events sooner or later.
func (c *Config) validateDelivery() error {
	var errs []error
	if !c.RetryConfig.Enabled {
		errs = append(errs, errors.New(
			"retry_on_failure.enabled: false loses events that Amplitude doesn't accept at once and, with storage, those queued at a shutdown; allowed: true"))
	}
	if compression := c.ClientConfig.Compression; compression.IsCompressed() && compression != configcompression.TypeGzip {
		errs = append(errs, fmt.Errorf(
			"compression: %q makes requests that Amplitude cannot read, so their events would be refused and dropped; allowed: none, gzip", compression))
	}
	return errors.Join(errs...)
}

func (c *Config) validateQueue() error {
	if !c.QueueConfig.HasValue() {
		return nil
	}
	var errs []error
	queue := c.QueueConfig.Get()
	if queue.NumConsumers != 1 {
		errs = append(errs, fmt.Errorf(
			"sending_queue.num_consumers: %d reorders a user's events; allowed: 1; use lanes to send more requests at once", queue.NumConsumers))
	}
	if !queue.Batch.HasValue() {
		return errors.Join(errs...)
	}
	batch := queue.Batch.Get()
	if batch.MaxSize > 0 {
		errs = append(errs, fmt.Errorf(
			"sending_queue.batch.max_size: %d drops valid records behind a larger one; allowed: 0, because the exporter splits requests at Amplitude's limits anyway",
			batch.MaxSize))
	}
	if len(batch.Partition.MetadataKeys) > 0 {
		errs = append(errs, fmt.Errorf(
			"sending_queue.batch.partition.metadata_keys: %v reorders a user's events that come with different metadata; allowed: none",
			batch.Partition.MetadataKeys))
	}
	return errors.Join(errs...)
}

// warnings describe the settings that lose or reorder events only in some circumstances. They are logged at start.
func (c *Config) warnings() []string {
	warnings := c.queueWarnings()
	if c.RetryConfig.MaxElapsedTime > 0 {
		warnings = append(warnings, fmt.Sprintf("retry_on_failure.max_elapsed_time: %s: an outage that lasts longer loses events, and later events may overtake earlier ones when the collector stops; give 0 to retry without end",
			c.RetryConfig.MaxElapsedTime))
	}
	if c.API == amplitude.Batch {
		warnings = append(warnings, "api: batch: unlike for http_v2, Amplitude doesn't promise to keep the order of one device's events")
	}
	if c.DryRun.Enabled {
		warnings = append(warnings, "dry_run.enabled: true: nothing is sent, but all events leave the queue as if they were delivered")
	}
	return warnings
}

func (c *Config) queueWarnings() []string {
	if !c.QueueConfig.HasValue() {
		return []string{"sending_queue.enabled: false: events of concurrent requests may be reordered, and waiting events are lost when " +
			"the collector ends unless the receiver sends them again"}
	}
	queue := c.QueueConfig.Get()
	var warnings []string
	if queue.StorageID == nil && !queue.WaitForResult {
		warnings = append(warnings, "sending_queue.storage: not given: waiting events are lost when the collector ends; give a storage extension such as file_storage")
	}
	if !queue.BlockOnOverflow {
		warnings = append(warnings, "sending_queue.block_on_overflow: false: a full queue refuses events, which are lost unless the receiver sends them again")
	}
	if !queue.Batch.HasValue() {
		warnings = append(warnings, "sending_queue.batch: not given: each request of a receiver is a batch of its own, and its few events leave most lanes idle")
	}
	return warnings
}
