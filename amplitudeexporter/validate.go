// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/config/configcompression"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// Validate reports every error in the exporter's own keys at once, each with its key, its value, and what is allowed. The
// configuration types that it shares with other exporters, such as that of sending_queue, validate themselves.
func (c *Config) Validate() error {
	_, layoutsErr := layout.Compile(c.Layouts)
	return errors.Join(
		errorIf(c.APIKey == "", "api_key: missing; give the project's API key, such as ${env:AMPLITUDE_API_KEY}"),
		c.validateEndpoint(),
		c.validateChoices(),
		c.validateNumbers(),
		layoutsErr,
		c.validateIdentities(),
		c.Calls.validate(),
		c.validateDeadLetter(),
		c.validateDelivery(),
	)
}

func errorIf(condition bool, format string, args ...any) error {
	if !condition {
		return nil
	}
	return fmt.Errorf(format, args...)
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
	}
	isLoopback := at.Hostname() == "localhost" || net.ParseIP(at.Hostname()).IsLoopback()
	return errorIf(at.Scheme == "http" && !isLoopback && !c.ClientConfig.TLS.Insecure,
		"endpoint: %q would send the API key and the events as plain text; allowed: https, http to loopback, or tls.insecure: true", given)
}

func (c *Config) validateChoices() error {
	return errors.Join(
		errorIf(c.Region != amplitude.RegionUS && c.Region != amplitude.RegionEU, "region: %q is not known; allowed: us, eu", c.Region),
		errorIf(c.API != amplitude.HTTPV2 && c.API != amplitude.Batch, "api: %q is not known; allowed: http_v2, batch", c.API),
		errorIf(c.Send != SendAll && c.Send != SendImpressions, "send: %q is not known; allowed: all, impressions", c.Send),
		errorIf(c.OlderUpdates != LeaveOutOlderUpdates && c.OlderUpdates != SendOlderUpdates,
			"older_updates: %q is not known; allowed: leave_out, send", c.OlderUpdates),
		errorIf(c.Send == SendImpressions && len(c.EventTypes) == 0,
			"event_types: empty, so send: impressions would send nothing; give at least one event type"),
		errorIf(slices.Contains(c.EventTypes, ""), "event_types: one is empty; give the event types of impressions"),
		errorIf(c.DryRun.Path != "" && !c.DryRun.Enabled,
			"dry_run.path: %q without dry_run.enabled: true has no effect; give both or neither", c.DryRun.Path),
	)
}

func (c *Config) validateNumbers() error {
	between1And := func(maximum int, key string, value int) error {
		return errorIf(value < 1 || value > maximum, "%s: %d; allowed: 1 to %d", key, value, maximum)
	}
	return errors.Join(
		between1And(amplitude.MaxStringLength, "min_id_length", c.MinIDLength),
		between1And(256, "lanes", c.Lanes),
		between1And(1<<30, "json_body.max_bytes", c.JSONBody.MaxBytes),
		between1And(10_000, "json_body.max_depth", c.JSONBody.MaxDepth),
		between1And(1<<30, "json_body.max_values", c.JSONBody.MaxValues),
		errorIf(amplitude.LongEnough(c.PartnerID, amplitude.MaxStringLength+1),
			"partner_id: %d characters; allowed: up to %d", utf8.RuneCountInString(c.PartnerID), amplitude.MaxStringLength),
		between1And(1<<20, "dead_letter.max_megabytes", c.DeadLetter.MaxMegabytes),
		between1And(10_000, "dead_letter.max_backups", c.DeadLetter.MaxBackups),
		errorIf(c.MaxRetryAfter < time.Second || c.MaxRetryAfter > amplitude.MaxRetryAfter,
			"max_retry_after: %s; allowed: 1s to %s", c.MaxRetryAfter, amplitude.MaxRetryAfter),
		errorIf(c.ClientConfig.Timeout <= 0,
			"timeout: %s would let one request without an answer block all others; allowed: more than 0", c.ClientConfig.Timeout),
	)
}

// validateIdentities finds the layouts whose events could never be sent.
func (c *Config) validateIdentities() error {
	var errs []error
	for i, l := range c.Layouts {
		errs = append(errs, errorIf(!l.HasIdentity(),
			"layouts[%d]: no user_id and no device_id, and Amplitude refuses events without either; give a path for at least one of them", i))
	}
	return errors.Join(errs...)
}

func (c *Config) validateDeadLetter() error {
	set := &c.DeadLetter
	errs := []error{errorIf(set.Path == "" && len(set.Reasons) > 0,
		"dead_letter.reasons: %q without dead_letter.path has no effect; give both or neither", set.Reasons)}
	for i, r := range set.Reasons {
		errs = append(errs, errorIf(!slices.Contains(keepable(), r),
			"dead_letter.reasons[%d]: %q can't be added; allowed: %s; what is refused is kept anyway", i, r, strings.Join(keepable(), ", ")))
	}
	return errors.Join(errs...)
}

// validateDelivery refuses the settings that are certain to lose or reorder events sooner or later.
func (c *Config) validateDelivery() error {
	compression := c.ClientConfig.Compression
	errs := []error{
		errorIf(!c.RetryConfig.Enabled,
			"retry_on_failure.enabled: false loses events that Amplitude doesn't accept at once and, with storage, those queued at a shutdown; allowed: true"),
		errorIf(compression.IsCompressed() && compression != configcompression.TypeGzip,
			"compression: %q makes requests that Amplitude cannot read, so their events would be refused and dropped; allowed: none, gzip", compression),
	}
	if !c.QueueConfig.HasValue() {
		return errors.Join(errs...)
	}
	queue := c.QueueConfig.Get()
	errs = append(errs, errorIf(queue.NumConsumers != 1,
		"sending_queue.num_consumers: %d reorders a user's events; allowed: 1; use lanes to send more requests at once", queue.NumConsumers))
	if queue.Batch.HasValue() {
		batch := queue.Batch.Get()
		errs = append(errs,
			errorIf(batch.MaxSize > 0,
				"sending_queue.batch.max_size: %d drops valid records behind a larger one; allowed: 0, because requests never exceed Amplitude's limits anyway", batch.MaxSize),
			errorIf(len(batch.Partition.MetadataKeys) > 0,
				"sending_queue.batch.partition.metadata_keys: %v reorders a user's events that come with different metadata; allowed: none", batch.Partition.MetadataKeys))
	}
	return errors.Join(errs...)
}

// warnings describe the settings that lose or reorder events only in some circumstances. They are logged at start.
func (c *Config) warnings() []string {
	var warnings []string
	warnIf := func(condition bool, warning string) {
		if condition {
			warnings = append(warnings, warning)
		}
	}
	if c.QueueConfig.HasValue() {
		queue := c.QueueConfig.Get()
		warnIf(c.queueIsInMemory(),
			"sending_queue.storage: not given: waiting events are lost when the collector ends; give a storage extension such as file_storage")
		warnIf(queue.StorageID == nil && queue.WaitForResult,
			"sending_queue.wait_for_result: true: a throttled user or an event that is refused holds up all others; give sending_queue.storage instead")
		warnIf(!queue.BlockOnOverflow,
			"sending_queue.block_on_overflow: false: a full queue refuses events, which are lost unless the receiver sends them again")
		warnIf(!queue.Batch.HasValue(),
			"sending_queue.batch: not given: each request of a receiver is a batch of its own, and its few events leave most lanes idle")
	} else {
		warnIf(true, "sending_queue.enabled: false: events of concurrent requests may be reordered, and waiting events are lost when the collector ends unless the receiver sends them again")
	}
	warnIf(c.RetryConfig.MaxElapsedTime > 0, fmt.Sprintf(
		"retry_on_failure.max_elapsed_time: %s: a longer outage loses events, and later events may overtake earlier ones when the collector stops; give 0 to retry without end",
		c.RetryConfig.MaxElapsedTime))
	warnIf(c.API == amplitude.Batch, "api: batch: unlike for http_v2, Amplitude doesn't promise to keep the order of one device's events")
	warnIf(!c.UserPropertiesSync, "user_properties_sync: false: no event changes a user property, and Amplitude recognizes repeated events for 7 days only: send the same events again within that time or never")
	warnIf(c.DryRun.Enabled, "dry_run.enabled: true: nothing is sent; all events are counted as dry_run and leave the queue")
	return warnings
}
