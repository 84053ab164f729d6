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
	"go.opentelemetry.io/otel/sdk/metric"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

// The contenders.
const (
	floor          = "floor"
	floorComponent = "floor, as component"
	ours           = "ours"
	allPresets     = "all presets"
	bareScan       = "bare scan"
	bareParse      = "bare parse"
	fanOut         = "OTTL fan-out"
	favourable     = "OTTL favourable"
)

// consume is what a contender does with a batch.
type consume func(context.Context, plog.Logs) error

// newContender makes a contender that sends what comes out to next.
func newContender(name, layout string, next consumer.Logs) (consume, error) {
	switch name {
	case floor:
		return func(_ context.Context, logs plog.Logs) error {
			countImpressions(logs)
			return nil
		}, nil
	case floorComponent:
		return newFloorComponent(next)
	case ours:
		return newOurs(defaultConfig(), next)
	case allPresets:
		config := defaultConfig()
		config.Layouts = everyPreset()
		return newOurs(config, next)
	case bareScan:
		return func(_ context.Context, logs plog.Logs) error {
			scan(logs)
			return nil
		}, nil
	case bareParse:
		return newBareParse(), nil
	default:
		return newPeer(name, layout, next)
	}
}

// newProcessor makes a component as the collector does: with telemetry that is collected, and a logger that has nothing
// to say.
func newProcessor(factory processor.Factory, name string, config component.Config, next consumer.Logs) (processor.Logs, error) {
	return factory.CreateLogs(context.Background(), newSettings(factory.Type(), name), config, next)
}

func newSettings(kind component.Type, name string) processor.Settings {
	return processor.Settings{ID: component.NewIDWithName(kind, name), TelemetrySettings: newTelemetry()}
}

func newTelemetry() component.TelemetrySettings {
	// The collector too leaves these out, but at the level detailed: for them each batch is gone through once more.
	sizes := metric.NewView(metric.Instrument{Name: "otelcol_exporter_*_size_bytes"}, metric.Stream{Aggregation: metric.AggregationDrop{}})
	return component.TelemetrySettings{
		Logger:         zap.NewNop(),
		TracerProvider: tracenoop.NewTracerProvider(),
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()), metric.WithView(sizes)),
	}
}

// newFloorComponent shows what of a processor's time is spent by the collector's helper and its telemetry.
func newFloorComponent(next consumer.Logs) (consume, error) {
	p, err := processorhelper.NewLogs(context.Background(), newSettings(component.MustNewType("floor"), ""), nil, next,
		func(_ context.Context, logs plog.Logs) (plog.Logs, error) {
			countImpressions(logs)
			return logs, nil
		})
	if err != nil {
		return nil, err
	}
	return p.ConsumeLogs, nil
}

// countImpressions is the least that can be done: it visits each record and compares its event name.
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
	// The compiler may not leave out the loop.
	runtime.KeepAlive(found)
}

// scan is the least that can be done with texts without impressions: it looks for the event type in each.
func scan(logs plog.Logs) {
	found := 0
	for record := range records(logs) {
		if strings.Contains(record.Body().Str(), impressionType) {
			found++
		}
	}
	runtime.KeepAlive(found)
}

// newBareParse makes values of the texts in the bodies, with the parser and the limits that ours has, and does no more.
func newBareParse() consume {
	limits := defaultConfig().JSONBody
	parser := jsonvalue.NewParser(jsonvalue.Limits{MaxDepth: limits.MaxDepth, MaxBytes: limits.MaxBytes})
	return func(_ context.Context, logs plog.Logs) error {
		for record := range records(logs) {
			if err := parser.Parse(record.Body().Str(), record.Body()); err != nil {
				return err
			}
		}
		return nil
	}
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
