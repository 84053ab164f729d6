// SPDX-License-Identifier: Apache-2.0

package collectortest // import "github.com/impression-collector/impression-bridge/internal/collectortest"

import (
	"context"
	"errors"
	"slices"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// Deliver runs the default collector until it has delivered all events of a file, one JSON object per line, to a fake
// Amplitude. The configuration refers to the file as ${env:INPUT}, to the server as ${env:AMPLITUDE_ENDPOINT} and to a
// key as ${env:AMPLITUDE_API_KEY}.
func Deliver(ctx context.Context, config, events string, server *amplitudetest.Server, variables ...string) error {
	c, err := StartDelivery(ctx, config, events, server, variables...)
	if err != nil {
		return err
	}
	return c.Stop()
}

// StartDelivery is like Deliver, but leaves the collector running after the last event of the file.
func StartDelivery(ctx context.Context, config, events string, server *amplitudetest.Server, variables ...string) (*Collector, error) {
	variables = append(variables, "INPUT="+events, "AMPLITUDE_ENDPOINT="+server.URL(amplitude.HTTPV2), "AMPLITUDE_API_KEY=any")
	c, err := Start(ctx, Default, config, variables...)
	if err != nil {
		return nil, err
	}
	if err := c.WaitForLast(ctx, events, server); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// WaitForLast waits until a fake Amplitude has the last event of a file. Events before it may still be in other lanes, which
// the collector sends on a stop.
func (c *Collector) WaitForLast(ctx context.Context, events string, server *amplitudetest.Server) error {
	isLast, err := lastOf(events)
	if err != nil {
		return err
	}
	return c.WaitUntil(ctx, "the last event of the file", func() (bool, error) {
		return slices.ContainsFunc(server.Events(), func(e amplitudetest.Event) bool { return isLast(e.Raw) }), nil
	})
}
