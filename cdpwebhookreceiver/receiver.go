// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/confighttp/xconfighttp"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// stopGrace is how much longer than max_wait a stop waits for requests under way. Their answers are on the way by then.
const stopGrace = 2 * time.Second

// webhookReceiver is an HTTP server that hands events on to the pipeline.
type webhookReceiver struct {
	config    *Config
	settings  receiver.Settings
	next      consumer.Logs
	obsreport *receiverhelper.ObsReport
	telemetry *telemetry
	reporter  inspection.Reporter
	sources   []*source
	// unknown is the source of requests whose path no source has.
	unknown *source
	clients clientAddresses
	// bodies is set at start.
	bodies bodyReader
	// readers pools *eventReader.
	readers sync.Pool
	// slots bounds the requests under way. A request has its slot until the pipeline returns, which may be after its answer.
	slots *semaphore.Weighted
	// parsed bounds the bytes of bodies whose records are in memory.
	parsed *semaphore.Weighted

	server  *http.Server
	serving sync.WaitGroup
}

func newReceiver(set receiver.Settings, config *Config, next consumer.Logs) (*webhookReceiver, error) {
	obsreport, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: set.ID, Transport: "http", ReceiverCreateSettings: set,
	})
	if err != nil {
		return nil, err
	}
	clients, err := newClientAddresses(config.TrustedProxies)
	if err != nil {
		return nil, err
	}
	events, err := newEventReader()
	if err != nil {
		return nil, err
	}
	telemetry, err := newTelemetry(set)
	if err != nil {
		return nil, err
	}
	r := &webhookReceiver{
		config: config, settings: set, next: next, obsreport: obsreport, telemetry: telemetry, clients: clients,
		sources: newSources(config.Sources, telemetry),
		unknown: &source{name: noSource},
		slots:   semaphore.NewWeighted(int64(config.MaxConcurrentRequests)),
		parsed:  semaphore.NewWeighted(maxParsed),
	}
	r.unknown.series = telemetry.seriesOf(r.unknown)
	if err := telemetry.register(); err != nil {
		return nil, err
	}
	r.readers.New = func() any { return events.clone() }
	return r, nil
}

// Start listens, and serves until Shutdown.
func (r *webhookReceiver) Start(ctx context.Context, host component.Host) error {
	if err := pdatautil.RefusePooling(); err != nil {
		return err
	}
	for _, s := range r.sources {
		config := r.config.Sources[s.name].Auth
		if !config.HasValue() {
			continue
		}
		auth, err := config.Get().GetServerAuthenticator(ctx, host.GetExtensions())
		if err != nil {
			return fmt.Errorf("sources.%s.auth: %w", s.name, err)
		}
		s.auth = auth
	}
	r.warnOfOpenSources()
	r.reporter = inspection.Find(host.GetExtensions())
	server, err := r.newServer(ctx, host)
	if err != nil {
		return err
	}
	listener, err := r.config.ServerConfig.ToListener(ctx)
	if err != nil {
		return err
	}
	r.settings.Logger.Info("listening for webhooks", zap.String("endpoint", listener.Addr().String()))
	r.server = server
	r.serving.Go(func() { r.serve(listener, host) })
	return nil
}

// newServer returns confighttp's server, without its decompression.
func (r *webhookReceiver) newServer(ctx context.Context, host component.Host) (*http.Server, error) {
	isObserved, err := isHTTPObserved(ctx, r.settings.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	config := r.config.ServerConfig
	config.CompressionAlgorithms = []string{}
	server, err := config.ToServer(ctx, host.GetExtensions(), r.settings.TelemetrySettings, r,
		confighttp.WithErrorHandler(r.refuse),
		xconfighttp.WithOtelHTTPOptions(otelhttp.WithFilter(func(*http.Request) bool { return isObserved })))
	if err != nil {
		return nil, err
	}
	r.bodies.limit = config.MaxRequestBodySize
	r.bodies.decoders = allowedDecoders(r.config.ServerConfig.CompressionAlgorithms)
	server.Handler = r.limitTime(server.Handler)
	return server, nil
}

// limitTime sets the deadlines of a request before confighttp or its extensions see it.
func (r *webhookReceiver) limitTime(next http.Handler) http.Handler {
	// If no extension sees the request, only handle needs the context, and makes it without copying the request.
	isSeenByExtensions := r.config.ServerConfig.Auth.HasValue() || len(r.config.ServerConfig.Middlewares) > 0
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		deadline := time.Now().Add(r.config.MaxWait)
		// The deadline matters even if nobody reads the body, because the server reads the rest of it before it answers. The only
		// possible error is that w isn't a connection, in tests.
		_ = http.NewResponseController(w).SetReadDeadline(deadline)
		if isSeenByExtensions {
			ctx, cancel := context.WithDeadline(req.Context(), deadline)
			defer cancel()
			req = req.WithContext(ctx)
		}
		next.ServeHTTP(w, req)
	})
}

func (r *webhookReceiver) serve(listener net.Listener, host component.Host) {
	if err := r.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
	}
}

func (r *webhookReceiver) warnOfOpenSources() {
	if r.config.ServerConfig.Auth.HasValue() {
		return
	}
	for _, s := range r.sources {
		if s.signature == nil && s.header == nil && s.auth == nil {
			r.settings.Logger.Warn("anyone who reaches this source can send events; set its signature, header or auth, or the receiver's auth",
				zap.String("source", s.name), zap.String("path", s.path))
		}
	}
}

// Shutdown accepts no new connections, answers the requests under way, and waits until the pipeline has returned from all of
// them.
func (r *webhookReceiver) Shutdown(ctx context.Context) error {
	if r.server == nil {
		return nil
	}
	answered, cancel := context.WithTimeout(ctx, r.config.MaxWait+stopGrace)
	defer cancel()
	err := r.server.Shutdown(answered)
	if err != nil {
		// A sender that doesn't read its answer must not hold up the stop.
		err = errors.Join(ctx.Err(), r.server.Close())
	}
	r.serving.Wait()
	// The pipeline may still be at it after the answer, though its context has ended.
	all := int64(r.config.MaxConcurrentRequests)
	if returned := r.slots.Acquire(ctx, all); returned != nil {
		return errors.Join(err, returned)
	}
	r.slots.Release(all)
	return err
}
