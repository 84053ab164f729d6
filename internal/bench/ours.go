// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/impressionprocessor"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/inspectiontest"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

func defaultConfig() *impressionprocessor.Config {
	return impressionprocessor.NewFactory().CreateDefaultConfig().(*impressionprocessor.Config)
}

func newOurs(config *impressionprocessor.Config, next consumer.Logs) (consume, error) {
	p, err := newProcessor(impressionprocessor.NewFactory(), "", config, next)
	if err != nil {
		return nil, err
	}
	return p.ConsumeLogs, nil
}

// newUnwatched returns ours with an inspector at which nobody looks.
func newUnwatched(next consumer.Logs) (consume, error) {
	p, err := newProcessor(impressionprocessor.NewFactory(), "", defaultConfig(), next)
	if err != nil {
		return nil, err
	}
	return p.ConsumeLogs, p.Start(context.Background(), inspectiontest.New(false))
}

// allPresetsConfig lists every preset, the default ones first. Presets without a default for a required field get one.
func allPresetsConfig() *impressionprocessor.Config {
	config := defaultConfig()
	config.Layouts = []layout.Config{
		{Preset: "otel"},
		{Preset: "amplitude"},
		{Preset: "segment"},
		{Preset: "hightouch"},
		{Preset: "customerio"},
		{Preset: "rudderstack"},
		{Preset: "jitsu"},
		{Preset: "mparticle"},
		{Preset: "posthog"},
		{Preset: "snowplow", Paths: map[string][]string{"properties": {`event["unstruct_event_com_acme_impression_1"]`}}},
		{Preset: "tealium", Paths: map[string][]string{"user_id": {`event["customer_id"]`}}},
	}
	return config
}

// newBareParse returns a contender that only parses the texts in the bodies, with the parser and the limits of ours.
func newBareParse() consume {
	parser := jsonvalue.NewParser(defaultConfig().JSONBody)
	return func(_ context.Context, logs plog.Logs) error {
		for record := range records(logs) {
			if err := parser.Parse(record.Body().Str(), record.Body()); err != nil {
				return err
			}
		}
		return nil
	}
}

func newOurEncode() (encode, error) {
	value, err := encoded.Value()
	if err != nil {
		return nil, err
	}
	var e amplitude.Encoder
	var to []byte
	return func() ([]byte, error) {
		to = e.Append(to[:0], value)
		return to, nil
	}, nil
}
