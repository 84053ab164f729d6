// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	analytics "github.com/amplitude/analytics-go/amplitude"
	"go.opentelemetry.io/collector/pdata/plog"
)

// analyticsSender sends with Amplitude's own client. Its events are converted in advance, which a caller in a pipeline
// couldn't do.
type analyticsSender struct {
	client analytics.Client
	events [][]analytics.Event
}

// newAnalytics returns a sender whose requests are as large as the batches. Each batch is flushed, so the client's queue stays
// far below the 20,000 events at which it drops events.
func newAnalytics(url string, batches []plog.Logs) (*analyticsSender, error) {
	s := &analyticsSender{}
	for _, batch := range batches {
		var events []analytics.Event
		for record := range records(batch) {
			event, err := analyticsEvent(record)
			if err != nil {
				return nil, err
			}
			events = append(events, event)
		}
		s.events = append(s.events, events)
	}
	config := analytics.NewConfig(apiKey)
	config.ServerURL = url
	config.FlushQueueSize = eventsPerBatch
	config.Logger = silent{}
	s.client = analytics.NewClient(config)
	return s, nil
}

// analyticsEvent converts a track call in the body into the client's event.
func analyticsEvent(record plog.LogRecord) (analytics.Event, error) {
	call := record.Body().Map().AsRaw()
	text := func(key string) string {
		s, _ := call[key].(string)
		return s
	}
	at, err := time.Parse(segmentTime, text("timestamp"))
	if err != nil {
		return analytics.Event{}, fmt.Errorf("timestamp: %w", err)
	}
	milliseconds := at.UnixMilli()
	properties, _ := call["properties"].(map[string]any)
	if own, present := properties["time"].(float64); present {
		milliseconds = int64(own)
		delete(properties, "time")
	}
	surroundings, _ := call["context"].(map[string]any)
	ip, _ := surroundings["ip"].(string)
	platform := ""
	if library, _ := surroundings["library"].(map[string]any); library["name"] == "analytics.js" {
		platform = "Web"
	}
	return analytics.Event{
		EventType:       text("event"),
		EventProperties: properties,
		EventOptions: analytics.EventOptions{
			UserID: text("userId"), DeviceID: text("anonymousId"), Time: milliseconds, InsertID: text("messageId"), IP: ip,
			Platform: platform,
		},
	}, nil
}

func (s *analyticsSender) load(number int) work {
	return func(context.Context) error {
		for i := range s.events[number] {
			s.client.Track(s.events[number][i])
		}
		s.client.Flush()
		return nil
	}
}

func (s *analyticsSender) close() error {
	s.client.Shutdown()
	return nil
}

// silent is a logger that discards everything.
type silent struct{}

func (silent) Debugf(string, ...any) {}
func (silent) Infof(string, ...any)  {}
func (silent) Warnf(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
