// SPDX-License-Identifier: Apache-2.0

package sdktest // import "github.com/impression-collector/impression-bridge/internal/sdktest"

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// Bridge is a collector that runs testdata/sdks/collector.yaml, and the fake Amplitude that it sends to.
type Bridge struct {
	*collectortest.Collector

	Amplitude *amplitudetest.Server

	// webhooks is the host and port of the receiver for CDPs' webhooks.
	webhooks string
}

// Start starts a bridge with the layout of a preset.
func Start(ctx context.Context, preset string) (*Bridge, error) {
	root, rootErr := collectortest.Root()
	endpoint, endpointErr := collectortest.FreeEndpoint(ctx)
	if err := errors.Join(rootErr, endpointErr); err != nil {
		return nil, err
	}
	server := amplitudetest.New()
	if err := server.Listen(ctx, "127.0.0.1:0"); err != nil {
		return nil, err
	}
	config, layouts := filepath.Join(root, "testdata", "sdks", "collector.yaml"), "::layouts: [{preset: "+preset+"}]"
	c, err := collectortest.StartWithFlags(ctx, collectortest.Default, config,
		[]string{"--config=yaml:processors::impression" + layouts, "--config=yaml:exporters::amplitude" + layouts},
		"WEBHOOK_ENDPOINT="+endpoint, "AMPLITUDE_ENDPOINT="+server.URL(amplitude.HTTPV2), "AMPLITUDE_API_KEY=any")
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return &Bridge{Collector: c, Amplitude: server, webhooks: endpoint}, nil
}

// Server returns the URL, without a path, of the receiver that takes requests with a path: OTLP or CDPs' webhooks.
func (b *Bridge) Server(path string) *url.URL {
	server := url.URL{Scheme: "http", Host: b.webhooks}
	if path == "/v1/logs" {
		server.Host = b.OTLPEndpoint
	}
	return &server
}

// Stop stops the collector, which delivers all that it has accepted first, and the fake Amplitude.
func (b *Bridge) Stop() error {
	return errors.Join(b.Collector.Stop(), b.Amplitude.Close())
}

// Known returns what Amplitude knows, as JSON.
func (b *Bridge) Known() string {
	return Known(b.Amplitude)
}

// Known returns what a fake Amplitude knows, as JSON.
func Known(server *amplitudetest.Server) string {
	page := httptest.NewRecorder()
	server.ServeHTTP(page, httptest.NewRequest(http.MethodGet, server.KnownURL()+".json", http.NoBody))
	return page.Body.String()
}
