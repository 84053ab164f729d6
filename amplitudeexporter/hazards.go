// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/config/configcompression"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// losses are the settings under which data is certain to be lost or reordered, sooner or later. They are refused.
func (c *Config) losses() []error {
	var faults []error
	if !c.RetryConfig.Enabled {
		faults = append(faults, errors.New(
			"retry_on_failure.enabled: false loses what Amplitude does not take at once, and with storage what is queued at a stop; allowed: true"))
	}
	if compression := c.ClientConfig.Compression; compression.IsCompressed() && compression != configcompression.TypeGzip {
		faults = append(faults, fmt.Errorf(
			"compression: %q makes requests that Amplitude cannot read, and refuses, so that their events are dropped; allowed: none, gzip", compression))
	}
	if !c.QueueConfig.HasValue() {
		return faults
	}
	queue := c.QueueConfig.Get()
	if queue.NumConsumers != 1 {
		faults = append(faults, fmt.Errorf(
			"sending_queue.num_consumers: %d reorders a user's events; allowed: 1, and lanes for more requests at once", queue.NumConsumers))
	}
	if !queue.Batch.HasValue() {
		return faults
	}
	batch := queue.Batch.Get()
	if batch.MaxSize > 0 {
		faults = append(faults, fmt.Errorf(
			"sending_queue.batch.max_size: %d drops valid records behind one that is larger; allowed: 0, for requests are cut to Amplitude's limits anyway",
			batch.MaxSize))
	}
	if len(batch.Partition.MetadataKeys) > 0 {
		faults = append(faults, fmt.Errorf(
			"sending_queue.batch.partition.metadata_keys: %v reorders a user's events that come with different metadata; allowed: none",
			batch.Partition.MetadataKeys))
	}
	return faults
}

// risks are the settings under which data can be lost or reordered, where it depends on what else is there. They are
// warned of at start.
func (c *Config) risks() []string {
	risks := c.queueRisks()
	if c.RetryConfig.MaxElapsedTime > 0 {
		risks = append(risks, fmt.Sprintf("retry_on_failure.max_elapsed_time: %s: events are lost in an outage that lasts longer, and what comes behind them may overtake them when the collector stops; 0 is without limit",
			c.RetryConfig.MaxElapsedTime))
	}
	if c.API == amplitude.Batch {
		risks = append(risks, "api: batch: Amplitude does not say that it keeps the order of one device's events, as it does of http_v2")
	}
	if c.DryRun.Enabled {
		risks = append(risks, "dry_run.enabled: true: nothing is sent, and all counts as delivered")
	}
	return risks
}

func (c *Config) queueRisks() []string {
	if !c.QueueConfig.HasValue() {
		return []string{"sending_queue.enabled: false: events that come in several requests at once may change their order, and " +
			"those that wait are lost when the collector ends, unless the receiver sends them again"}
	}
	queue := c.QueueConfig.Get()
	var risks []string
	if queue.StorageID == nil && !queue.WaitForResult {
		risks = append(risks, "sending_queue.storage: not given: events that wait are lost when the collector ends; give a storage extension such as file_storage")
	}
	if !queue.BlockOnOverflow {
		risks = append(risks, "sending_queue.block_on_overflow: false: events are refused while the queue is full, and are lost unless the receiver sends them again")
	}
	if !queue.Batch.HasValue() {
		risks = append(risks, "sending_queue.batch: not given: the lanes share the few events of one request of the receiver, and most of them idle")
	}
	return risks
}
