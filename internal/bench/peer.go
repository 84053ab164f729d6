// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
)

// peerConfigs holds the processors section of a collector configuration for each layout.
//
//go:embed peers
var peerConfigs embed.FS

// newPeer returns a pipeline of OTTL processors. OTTL can't add a record, so the user property updates are made from copies
// of the events, in a branch of their own.
func newPeer(name, layout string, next consumer.Logs) (consume, error) {
	if layout == segmentText {
		return newTextPeer(name, next)
	}
	config, err := peerConfig(layout)
	if err != nil {
		return nil, err
	}
	if name == ottlSelection {
		return newSelection(config, next)
	}
	rename, err := newPeerProcessor(transformprocessor.NewFactory(), "rename", config, next)
	if err != nil {
		return nil, err
	}
	identify, err := newPeerProcessor(transformprocessor.NewFactory(), "identify", config, next)
	if err != nil {
		return nil, err
	}
	if name == ottlIdealRouter {
		updates, err := newPeerProcessor(filterprocessor.NewFactory(), "updates", config, identify)
		if err != nil {
			return nil, err
		}
		return copyMatching(rename, updates, matches(layout)), nil
	}
	impressions, err := newPeerProcessor(filterprocessor.NewFactory(), "impressions", config, identify)
	if err != nil {
		return nil, err
	}
	return copyAll(rename, impressions), nil
}

// newSelection returns the cheapest way to find impressions with OTTL: one lookup and one comparison for each record. It
// doesn't transform anything. With the filter's newer log_conditions, it was 9% slower in attributes, and elsewhere as fast
// within the noise between runs. A transform processor with this condition and one statement isn't faster either.
func newSelection(config *confmap.Conf, next consumer.Logs) (consume, error) {
	selection, err := newPeerProcessor(filterprocessor.NewFactory(), "selection", config, next)
	if err != nil {
		return nil, err
	}
	return selection.ConsumeLogs, nil
}

// newTextPeer returns a pipeline that parses texts and passes them to the pipeline for maps. That can't be the fan-out,
// because its filter doesn't drop bodies that are still texts.
func newTextPeer(name string, next consumer.Logs) (consume, error) {
	config, err := peerConfig(segmentText)
	if err != nil {
		return nil, err
	}
	ofMaps, err := newPeer(name, segmentBody, next)
	if err != nil {
		return nil, err
	}
	parsed, err := consumer.NewLogs(consumer.ConsumeLogsFunc(ofMaps))
	if err != nil {
		return nil, err
	}
	parse, err := newPeerProcessor(transformprocessor.NewFactory(), "parse", config, parsed)
	if err != nil {
		return nil, err
	}
	return parse.ConsumeLogs, nil
}

func peerConfig(layout string) (*confmap.Conf, error) {
	text, err := peerConfigs.ReadFile("peers/" + layout + ".yaml")
	if err != nil {
		return nil, err
	}
	// The collector unescapes $ like this.
	text = bytes.ReplaceAll(text, []byte("$$"), []byte("$"))
	retrieved, err := confmap.NewRetrievedFromYAML(text)
	if err != nil {
		return nil, err
	}
	return retrieved.AsConf()
}

func newPeerProcessor(factory processor.Factory, name string, of *confmap.Conf, next consumer.Logs) (processor.Logs, error) {
	key := factory.Type().String() + "/" + name
	section, err := of.Sub(key)
	if err != nil {
		return nil, err
	}
	config := factory.CreateDefaultConfig()
	if err := section.Unmarshal(config); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if err := confmap.Validate(config); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return newProcessor(factory, name, config, next)
}

// copyAll works like two pipelines on one receiver: the collector copies the batch for each pipeline except the last.
func copyAll(first, last consumer.Logs) consume {
	return func(ctx context.Context, logs plog.Logs) error {
		copied := plog.NewLogs()
		logs.CopyTo(copied)
		return errors.Join(first.ConsumeLogs(ctx, copied), last.ConsumeLogs(ctx, logs))
	}
}

// copyMatching works like an ideal router: it copies only impressions to the branch of the updates, which only has to drop
// impressions without an update.
func copyMatching(all, impressions consumer.Logs, matches func(plog.LogRecord) bool) consume {
	return func(ctx context.Context, logs plog.Logs) error {
		copied := plog.NewLogs()
		for _, resource := range logs.ResourceLogs().All() {
			copyMatchingScopes(resource, copied, matches)
		}
		err := all.ConsumeLogs(ctx, logs)
		if copied.ResourceLogs().Len() == 0 {
			return err
		}
		return errors.Join(err, impressions.ConsumeLogs(ctx, copied))
	}
}

func copyMatchingScopes(from plog.ResourceLogs, to plog.Logs, matches func(plog.LogRecord) bool) {
	var resource plog.ResourceLogs
	for _, scope := range from.ScopeLogs().All() {
		var records plog.LogRecordSlice
		for _, record := range scope.LogRecords().All() {
			if !matches(record) {
				continue
			}
			if resource == (plog.ResourceLogs{}) {
				resource = to.ResourceLogs().AppendEmpty()
				from.Resource().CopyTo(resource.Resource())
				resource.SetSchemaUrl(from.SchemaUrl())
			}
			if records == (plog.LogRecordSlice{}) {
				copied := resource.ScopeLogs().AppendEmpty()
				scope.Scope().CopyTo(copied.Scope())
				copied.SetSchemaUrl(scope.SchemaUrl())
				records = copied.LogRecords()
			}
			record.CopyTo(records.AppendEmpty())
		}
	}
}

// matches returns a function that reports whether a record is an impression in this layout.
func matches(layout string) func(plog.LogRecord) bool {
	switch layout {
	case segmentBody:
		return func(record plog.LogRecord) bool {
			// The body of a text that wasn't parsed is still a string.
			if record.Body().Type() != pcommon.ValueTypeMap {
				return false
			}
			event, present := record.Body().Map().Get("event")
			return present && event.Str() == impressionType
		}
	case segmentAttributes:
		return func(record plog.LogRecord) bool {
			event, present := record.Attributes().Get("event")
			return present && event.Str() == impressionType
		}
	default:
		return func(record plog.LogRecord) bool { return record.EventName() == impressionType }
	}
}
