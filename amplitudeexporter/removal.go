// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagefile"
)

// removal notices that the queue's file was removed or replaced. The queue still has the old file open, delivers from it, and can
// write to it, but what is in it when the collector ends is lost.
type removal struct {
	watch  *storagefile.Watch
	host   component.Host
	logger *zap.Logger
	report sync.Once
	// running is the goroutine that checks the file even if nothing comes, until done is closed.
	running sync.WaitGroup
	done    chan struct{}
}

// removalPeriod is how often the file is checked if nothing comes.
const removalPeriod = 10 * time.Second

// start starts watching. watch may be nil, and then nothing is noticed.
func (r *removal) start(watch *storagefile.Watch, host component.Host, logger *zap.Logger) {
	if watch == nil {
		return
	}
	r.watch, r.host, r.logger, r.done = watch, host, logger, make(chan struct{})
	r.running.Go(func() {
		ticker := time.NewTicker(removalPeriod)
		defer ticker.Stop()
		for r.check() == nil {
			select {
			case <-ticker.C:
			case <-r.done:
				return
			}
		}
	})
}

// check returns an error if the file is gone, and reports that once.
func (r *removal) check() error {
	if r.watch == nil {
		return nil
	}
	err := r.watch.Check()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("the queue's storage is gone: %w; no events are accepted until the collector starts again", err)
	r.report.Do(func() {
		r.logger.Error("events are refused; those that wait are delivered as long as the collector runs", zap.Error(err))
		componentstatus.ReportStatus(r.host, componentstatus.NewPermanentErrorEvent(err))
	})
	return err
}

func (r *removal) stop() {
	if r.done != nil {
		close(r.done)
		r.running.Wait()
	}
}
