// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go.opentelemetry.io/collector/consumer"

	"github.com/impression-collector/impression-bridge/impressionprocessor"
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

// everyPreset is every preset, the default ones first, with the fields that some have none for.
func everyPreset() []layout.Config {
	return []layout.Config{
		{Preset: "otel"},
		{Preset: "amplitude"},
		{Preset: "segment"},
		{Preset: "hightouch"},
		{Preset: "customerio"},
		{Preset: "rudderstack"},
		{Preset: "jitsu"},
		{Preset: "mparticle"},
		{Preset: "snowplow", Properties: []string{`event["unstruct_event_com_acme_impression_1"]`}},
		{Preset: "tealium", UserID: []string{`event["customer_id"]`}},
	}
}
