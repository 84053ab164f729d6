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

// peerConfigs are the processors section of a collector's configuration, by layout.
//
//go:embed peers
var peerConfigs embed.FS

// newPeer makes one of the arrangements of OTTL processors. OTTL cannot add a record, so the updates are made of copies
// of the events, in a branch of their own.
func newPeer(name, layout string, next consumer.Logs) (consume, error) {
	if layout == segmentText {
		return newTextPeer(name, next)
	}
	config, err := peerConfig(layout)
	if err != nil {
		return nil, err
	}
	rename, err := newPeerProcessor(transformprocessor.NewFactory(), "rename", config, next)
	if err != nil {
		return nil, err
	}
	identify, err := newPeerProcessor(transformprocessor.NewFactory(), "identify", config, next)
	if err != nil {
		return nil, err
	}
	if name == favourable {
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

// newTextPeer parses texts, then leaves them to the arrangement for maps. The fan-out is not for it: its filters let pass
// what is still a text.
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
	// As the collector does it.
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

// copyAll is two pipelines on one receiver: the collector copies the batch for all but the last.
func copyAll(first, last consumer.Logs) consume {
	return func(ctx context.Context, logs plog.Logs) error {
		copied := plog.NewLogs()
		logs.CopyTo(copied)
		return errors.Join(first.ConsumeLogs(ctx, copied), last.ConsumeLogs(ctx, logs))
	}
}

// copyMatching is what a router could do at best: only impressions are copied, and only those among them that get no
// update are left to filter.
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

// matches looks for impressions where a layout has them.
func matches(layout string) func(plog.LogRecord) bool {
	switch layout {
	case segmentBody:
		return func(record plog.LogRecord) bool {
			// Texts that were not parsed are among them.
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
