// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/extension"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/diagnosis"
	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

const (
	// gatherFor is how long numbers are gathered after somebody looked last.
	gatherFor = time.Hour
	// maxAge is when gathering starts again from zero. Otherwise, with always, the sample of users would be ever older.
	maxAge = 24 * time.Hour
	// maxViewers is how many pages may be open at once.
	maxViewers = 8
	// stopWait is how long a stop waits for requests under way.
	stopWait = 5 * time.Second
)

// inspector is the extension: what components report to, and the server of the page.
type inspector struct {
	config   *Config
	settings extension.Settings
	*explainers
	viewers *semaphore.Weighted

	// isWatched is what components ask for each batch.
	isWatched atomic.Bool
	hasher    *hasher
	telemetry *metadata.TelemetryBuilder
	// mutex guards the fields below.
	mutex     sync.Mutex
	diagnoser *diagnosis.Diagnoser
	state     *state
	volumes   *volumes
	// forget clears isWatched after gatherFor. It is nil before somebody looks.
	forget *time.Timer

	server  *http.Server
	serving sync.WaitGroup
	// stopping is closed when open pages must end.
	stopping chan struct{}
}

var _ inspection.Inspector = (*inspector)(nil)

func newInspector(set extension.Settings, config *Config) (*inspector, error) {
	explainers, err := newExplainers()
	if err != nil {
		return nil, err
	}
	i := &inspector{
		config: config, settings: set, explainers: explainers, viewers: semaphore.NewWeighted(maxViewers), stopping: make(chan struct{}),
		hasher: newHasher(),
	}
	if i.diagnoser, err = diagnosis.New(); err != nil {
		return nil, err
	}
	if i.telemetry, err = metadata.NewTelemetryBuilder(set.TelemetrySettings); err != nil {
		return nil, err
	}
	now := time.Now()
	i.state = i.newState(now)
	if config.Always {
		i.volumes = newVolumes(i.hasher, now)
	}
	i.isWatched.Store(config.Always)
	return i, nil
}

// Start listens, and serves until Shutdown.
func (i *inspector) Start(ctx context.Context, host component.Host) error {
	for id, other := range host.GetExtensions() {
		if _, is := other.(inspection.Inspector); is && id != i.settings.ID {
			return errors.New("there is another impression_inspector, and components can report to one only; remove it")
		}
	}
	if err := i.observeVolumes(); err != nil {
		return err
	}
	server, err := i.config.ServerConfig.ToServer(ctx, host.GetExtensions(), i.settings.TelemetrySettings, i.handler(),
		confighttp.WithErrorHandler(refuse))
	if err != nil {
		return err
	}
	listener, err := i.config.ServerConfig.ToListener(ctx)
	if err != nil {
		return err
	}
	i.settings.Logger.Info("showing impressions", zap.String("url", "http://"+listener.Addr().String()))
	i.server = server
	i.serving.Go(func() { i.serve(listener, host) })
	return nil
}

func (i *inspector) serve(listener net.Listener, host component.Host) {
	if err := i.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
	}
}

// Shutdown ends open pages, and answers the requests under way.
func (i *inspector) Shutdown(ctx context.Context) error {
	i.stopGathering()
	i.telemetry.Shutdown()
	if i.server == nil {
		return nil
	}
	close(i.stopping)
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	err := i.server.Shutdown(ctx)
	if err != nil {
		err = i.server.Close()
	}
	i.serving.Wait()
	return err
}

func (i *inspector) newState(now time.Time) *state {
	return newState(i.config, i.hasher, i.diagnoser, now)
}

func (i *inspector) stopGathering() {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.isWatched.Store(false)
	if i.forget != nil {
		i.forget.Stop()
	}
}

// IsWatched implements inspection.Inspector.
func (i *inspector) IsWatched() bool {
	return i.isWatched.Load()
}

// look notes that somebody looks, and does something with the state.
func (i *inspector) look(do func(*state, time.Time)) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	now := time.Now()
	if !i.isWatched.Load() || now.Sub(i.state.since) > maxAge {
		i.state = i.newState(now)
	}
	i.isWatched.Store(true)
	if i.forget == nil {
		i.forget = time.AfterFunc(gatherFor, func() { i.isWatched.Store(i.config.Always) })
	}
	i.forget.Reset(gatherFor)
	do(i.state, now)
}

// report adds a report to the state.
func (i *inspector) report(do func(*state, time.Time)) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	now := time.Now()
	if now.Sub(i.state.since) > maxAge {
		i.state = i.newState(now)
	}
	do(i.state, now)
}

// Received implements inspection.Inspector.
func (i *inspector) Received(r inspection.Received) {
	i.report(func(s *state, now time.Time) { s.received(r, now) })
}

// Processed implements inspection.Inspector.
func (i *inspector) Processed(p *inspection.Processed) {
	i.report(func(s *state, now time.Time) {
		s.processed(p, now)
		i.volumes.add(p.Shown, now)
	})
}

// Delivered implements inspection.Inspector.
func (i *inspector) Delivered(d *inspection.Delivered) {
	i.report(func(s *state, now time.Time) { s.delivered(d, now) })
}
