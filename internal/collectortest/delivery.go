// SPDX-License-Identifier: Apache-2.0

package collectortest // import "github.com/impression-collector/impression-bridge/internal/collectortest"

import (
	"bytes"
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
	last, err := markOfLast(events)
	if err != nil {
		return err
	}
	variables = append(variables, "INPUT="+events, "AMPLITUDE_ENDPOINT="+server.URL(amplitude.HTTPV2), "AMPLITUDE_API_KEY=any")
	c, err := Start(ctx, Default, config, variables...)
	if err != nil {
		return err
	}
	delivered := c.WaitUntil(ctx, "the last event of the file", func() (bool, error) {
		return slices.ContainsFunc(server.Events(), func(e amplitudetest.Event) bool { return bytes.Contains(e.Raw, last) }), nil
	})
	// On a stop, the collector sends what other lanes still hold.
	return errors.Join(delivered, c.Stop())
}
