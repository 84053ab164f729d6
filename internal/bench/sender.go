// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/nopexporter"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter"
)

// The contenders at sending, besides ours, which is the exporter alone.
const (
	analyticsGo = "analytics-go"
	toNop       = "processor, nop exporter"
	toAmplitude = "processor, amplitude exporter"
)

// sender is a contender that sends batches. It may work in the background.
type sender interface {
	// load prepares the batch with this index. The returned work may finish before all events have arrived.
	load(number int) work
	// close waits until all events have arrived.
	close() error
}

// newSender returns a contender that sends the events of these batches to a URL.
func newSender(contender, url string, batches []plog.Logs) (sender, error) {
	if contender == analyticsGo {
		return newAnalytics(url, batches)
	}
	factory := amplitudeexporter.NewFactory()
	if contender == toNop {
		factory = nopexporter.NewFactory()
	}
	last, err := newExporter(factory, url)
	if err != nil {
		return nil, err
	}
	if contender == ours {
		return &pipeline{batches: batches, first: last.ConsumeLogs, exporter: last}, nil
	}
	first, err := newOurs(defaultConfig(), last)
	if err != nil {
		return nil, errors.Join(err, last.Shutdown(context.Background()))
	}
	return &pipeline{batches: batches, first: first, exporter: last}, nil
}

// newExporter creates and starts an exporter. Its configuration is the default one, plus the required settings.
func newExporter(factory exporter.Factory, url string) (exporter.Logs, error) {
	config := factory.CreateDefaultConfig()
	if ours, isOurs := config.(*amplitudeexporter.Config); isOurs {
		ours.APIKey = apiKey
		ours.ClientConfig.Endpoint = url
	}
	if err := confmap.Validate(config); err != nil {
		return nil, err
	}
	set := exporter.Settings{ID: component.NewID(factory.Type()), TelemetrySettings: newTelemetry()}
	e, err := factory.CreateLogs(context.Background(), set, config)
	if err != nil {
		return nil, err
	}
	return e, e.Start(context.Background(), componenttest.NewNopHost())
}

// apiKey can be any text, because the sink accepts all.
const apiKey = "bench"

// pipeline is a sender of collector components.
type pipeline struct {
	batches  []plog.Logs
	first    consume
	exporter component.Component
}

func (p *pipeline) load(number int) work {
	batch := copyOf(p.batches[number])
	return func(ctx context.Context) error { return p.first(ctx, batch) }
}

func (p *pipeline) close() error {
	return p.exporter.Shutdown(context.Background())
}
