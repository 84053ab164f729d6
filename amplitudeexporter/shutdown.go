// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"context"
	"sync/atomic"
	"time"
)

// shutdownPatience is how long a shutdown waits for a request to be accepted. Orchestrators such as Kubernetes kill a
// collector 30 seconds after they asked it to stop.
const shutdownPatience = 5 * time.Second

// shutdown interrupts deliveries when the exporter stops and no request is accepted any more.
type shutdown struct {
	// interrupted is done when deliveries must end.
	interrupted context.Context
	interrupt   context.CancelFunc
	// timer is nil until the shutdown begins.
	timer atomic.Pointer[time.Timer]
}

func newShutdown() *shutdown {
	s := &shutdown{}
	s.interrupted, s.interrupt = context.WithCancel(context.Background())
	return s
}

func (s *shutdown) begin() {
	s.timer.Store(time.AfterFunc(shutdownPatience, s.interrupt))
}

// noteAccepted lets a shutdown go on, because it delivers what the queue has.
func (s *shutdown) noteAccepted() {
	if timer := s.timer.Load(); timer != nil {
		timer.Reset(shutdownPatience)
	}
}

func (s *shutdown) end() {
	if timer := s.timer.Load(); timer != nil {
		timer.Stop()
	}
	s.interrupt()
}

// context returns a context of a delivery that also ends when the shutdown interrupts it.
func (s *shutdown) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.interrupted, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}
