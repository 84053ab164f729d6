// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/volume"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

const (
	// volumePeriod is the time after which counting begins again, because estimates are for a month.
	volumePeriod = 30 * 24 * time.Hour
	// maxVolumePairs is how many pairs of a user and an experiment are kept, which takes about 10 MB.
	maxVolumePairs = 1 << 16
)

// volumes counts users, experiments and page views for at most a month. The inspector's mutex guards it. It is nil unless the inspector
// always gathers, because numbers from the minutes in which somebody has the page open say nothing about a month.
type volumes struct {
	since   time.Time
	counter *volume.Counter
	hasher  *hasher
}

func newVolumes(hasher *hasher, now time.Time) *volumes {
	return &volumes{since: now, counter: volume.New(maxVolumePairs), hasher: hasher}
}

func (v *volumes) add(shown []inspection.Shown, now time.Time) {
	if v == nil {
		return
	}
	if now.Sub(v.since) > volumePeriod {
		v.since, v.counter = now, volume.New(maxVolumePairs)
	}
	for i := range shown {
		if s := &shown[i]; s.User != "" {
			v.counter.Add(v.hasher.hash(s.User), v.hasher.hash(s.FlagKey))
		}
	}
}

// The values of the attribute quantity, which are keys of the processor's estimate.
const (
	quantityUsers       = "monthly_tracked_users"
	quantityExperiments = "experiments_per_month"
	quantityPageViews   = "page_views_per_user"
)

// observeVolumes reports the numbers as metrics, if they are counted.
func (i *inspector) observeVolumes() error {
	if i.volumes == nil {
		return nil
	}
	id := attribute.String("otelcol.component.id", i.settings.ID.String())
	observed := func() (volume.Numbers, time.Duration) {
		i.mutex.Lock()
		defer i.mutex.Unlock()
		return i.volumes.counter.Numbers(), time.Since(i.volumes.since)
	}
	return errors.Join(
		i.telemetry.RegisterExtensionImpressionInspectorVolumeCallback(func(_ context.Context, o metric.Float64Observer) error {
			n, _ := observed()
			for quantity, value := range map[string]float64{
				quantityUsers: n.Users, quantityExperiments: n.Experiments, quantityPageViews: n.PageViewsPerUser,
			} {
				o.Observe(value, metric.WithAttributes(id, attribute.String("quantity", quantity)))
			}
			return nil
		}),
		i.telemetry.RegisterExtensionImpressionInspectorVolumePeriodCallback(func(_ context.Context, o metric.Float64Observer) error {
			_, period := observed()
			o.Observe(period.Seconds(), metric.WithAttributes(id))
			return nil
		}))
}
