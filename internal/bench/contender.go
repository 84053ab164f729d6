// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"iter"
	"runtime"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

// The contenders at processing.
const (
	floor          = "floor"
	floorComponent = "floor, as component"
	ours           = "ours"
	allPresets     = "ours, all presets"
	unwatched      = "ours, inspector unwatched"
	bareSearch     = "bare search"
	neededSearch   = "needed search, as component"
	bareParse      = "bare parse"
	// ottlFanOut and ottlIdealRouter do the same job as ours, ottlSelection only finds the impressions.
	ottlFanOut      = "OTTL fan-out"
	ottlIdealRouter = "OTTL ideal router"
	ottlSelection   = "OTTL selection"
)

// consume processes a batch.
type consume func(context.Context, plog.Logs) error

// newContender returns a contender that sends its output to next.
func newContender(name, layout string, next consumer.Logs) (consume, error) {
	switch name {
	case floor:
		return func(_ context.Context, logs plog.Logs) error {
			countImpressions(logs)
			return nil
		}, nil
	case floorComponent:
		return newComponent("floor", countImpressions, next)
	case ours:
		return newOurs(defaultConfig(), next)
	case allPresets:
		return newOurs(allPresetsConfig(), next)
	case unwatched:
		return newUnwatched(next)
	case bareSearch:
		return func(_ context.Context, logs plog.Logs) error {
			search(logs)
			return nil
		}, nil
	case neededSearch:
		return newComponent("search", searchAll, next)
	case bareParse:
		return newBareParse(), nil
	default:
		return newPeer(name, layout, next)
	}
}

// newProcessor creates a component as the collector does, with metrics that are collected and a logger that discards.
func newProcessor(factory processor.Factory, name string, config component.Config, next consumer.Logs) (processor.Logs, error) {
	return factory.CreateLogs(context.Background(), newSettings(factory.Type(), name), config, next)
}

func newSettings(kind component.Type, name string) processor.Settings {
	return processor.Settings{ID: component.NewIDWithName(kind, name), TelemetrySettings: newTelemetry()}
}

func newTelemetry() component.TelemetrySettings {
	// Like the collector below level detailed, leave out the metrics of HTTP servers and clients, and the sizes: measuring a batch
	// takes another pass over it.
	sizes := metric.NewView(metric.Instrument{Name: "otelcol_exporter_*_size_bytes"}, metric.Stream{Aggregation: metric.AggregationDrop{}})
	http := metric.NewView(
		metric.Instrument{Scope: instrumentation.Scope{Name: otelhttp.ScopeName}}, metric.Stream{Aggregation: metric.AggregationDrop{}})
	return component.TelemetrySettings{
		Logger:         zap.NewNop(),
		TracerProvider: tracenoop.NewTracerProvider(),
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()), metric.WithView(sizes, http)),
	}
}

// newComponent shows how much of a processor's time the collector's helper and its telemetry take beside a job.
func newComponent(name string, job func(plog.Logs), next consumer.Logs) (consume, error) {
	p, err := processorhelper.NewLogs(context.Background(), newSettings(component.MustNewType(name), ""), nil, next,
		func(_ context.Context, logs plog.Logs) (plog.Logs, error) {
			job(logs)
			return logs, nil
		})
	if err != nil {
		return nil, err
	}
	return p.ConsumeLogs, nil
}

// countImpressions is the minimum for records with an EventName: it visits each and compares its EventName.
func countImpressions(logs plog.Logs) {
	found := 0
	resources := logs.ResourceLogs()
	for i := range resources.Len() {
		scopes := resources.At(i).ScopeLogs()
		for j := range scopes.Len() {
			records := scopes.At(j).LogRecords()
			for k := range records.Len() {
				if records.At(k).EventName() == impressionType {
					found++
				}
			}
		}
	}
	// Keep the compiler from removing the loop.
	runtime.KeepAlive(found)
}

// search is the minimum for texts without impressions: it searches each for the event type.
func search(logs plog.Logs) {
	found := 0
	for record := range records(logs) {
		if strings.Contains(record.Body().Str(), impressionType) {
			found++
		}
	}
	runtime.KeepAlive(found)
}

// searchAll does what no processor of records with texts can do without: it looks for an impression in the EventName, under a
// key of the attributes, and in the text, where the event type can have an escape.
func searchAll(logs plog.Logs) {
	found := 0
	for record := range records(logs) {
		text := record.Body().Str()
		_, isEvent := record.Attributes().Get("event")
		if record.EventName() == impressionType || isEvent || strings.Contains(text, impressionType) || strings.IndexByte(text, '\\') >= 0 {
			found++
		}
	}
	runtime.KeepAlive(found)
}

func records(logs plog.Logs) iter.Seq[plog.LogRecord] {
	return func(yield func(plog.LogRecord) bool) {
		resources := logs.ResourceLogs()
		for i := range resources.Len() {
			scopes := resources.At(i).ScopeLogs()
			for j := range scopes.Len() {
				records := scopes.At(j).LogRecords()
				for k := range records.Len() {
					if !yield(records.At(k)) {
						return
					}
				}
			}
		}
	}
}
