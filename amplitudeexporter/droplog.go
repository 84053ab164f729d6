// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// dropLog logs impressions that are dropped, with the keys of one of them, and how many other events Amplitude refused. It never logs
// a value.
type dropLog struct {
	logger      *zap.Logger
	impressions [reasonCount]droppedImpressions
	// refused counts the other events, and refusedAt is when they were last logged.
	refused   [amplitude.Reasons]int64
	refusedAt time.Time
	// waitingFor is why all events wait, and waitingAt is when that was last logged.
	waitingFor string
	waitingAt  time.Time
}

// droppedImpressions are the impressions that were dropped for one reason since the last line.
type droppedImpressions struct {
	count int64
	// keys are the top-level keys of the first one.
	keys     []string
	loggedAt time.Time
}

// dropLogPeriod is the least time between two lines about the same reason, except for those at shutdown.
const dropLogPeriod = 10 * time.Second

// skip notes a record that isn't sent.
func (d *dropLog) skip(what kind, why reason, e *reader.Event) {
	if what == kindImpression {
		d.impressions[why].add(func() []string { return keysOfRecord(e.Record) })
	}
}

func (i *droppedImpressions) add(keys func() []string) {
	if i.count == 0 {
		i.keys = keys()
	}
	i.count++
}

// add notes the items that Amplitude refused, and logs what is due.
func (d *dropLog) add(items []item, now time.Time) {
	for i := range items {
		switch it := &items[i]; {
		case !it.refused():
		case it.kind == kindImpression:
			d.impressions[reasonOf(it.Reason.String())].add(func() []string { return keysOfItem(it) })
		default:
			d.refused[it.Reason]++
		}
	}
	d.log(now, dropLogPeriod)
}

// flush logs what isn't logged yet.
func (d *dropLog) flush(now time.Time) { d.log(now, 0) }

func (d *dropLog) log(now time.Time, period time.Duration) {
	for why := range d.impressions {
		dropped := &d.impressions[why]
		if dropped.count == 0 || now.Sub(dropped.loggedAt) < period {
			continue
		}
		d.logger.Warn("impressions are dropped", zap.Stringer("reason", reason(why)), zap.Int64("impressions", dropped.count),
			zap.Strings("keys_of_one", dropped.keys))
		*dropped = droppedImpressions{loggedAt: now}
	}
	if d.refused == [amplitude.Reasons]int64{} || now.Sub(d.refusedAt) < period {
		return
	}
	fields := make([]zap.Field, 0, len(d.refused))
	for r, count := range d.refused {
		if count > 0 {
			fields = append(fields, zap.Int64(amplitude.Reason(r).String(), count))
		}
	}
	d.logger.Warn("Amplitude refused events; they are dropped", fields...)
	d.refused, d.refusedAt = [amplitude.Reasons]int64{}, now
}

// wait logs that Amplitude refuses the key or everything, so that the items wait.
func (d *dropLog) wait(refusal error, items []item, now time.Time) {
	if d.waitingFor == refusal.Error() && now.Sub(d.waitingAt) < dropLogPeriod {
		return
	}
	d.waitingFor, d.waitingAt = refusal.Error(), now
	waiting := 0
	var keys []string
	for i := range items {
		if it := &items[i]; it.State == delivery.Left {
			if waiting == 0 {
				keys = keysOfItem(it)
			}
			waiting++
		}
	}
	d.logger.Error("Amplitude accepts no events; they wait", zap.Error(refusal), zap.Int("events", waiting), zap.Strings("keys_of_one", keys))
}

const (
	// maxLoggedKeys is how many keys are logged, and maxLoggedKey how many bytes of each.
	maxLoggedKeys = 20
	maxLoggedKey  = 64
)

// keysOfRecord returns the keys of a record's attributes, and of a body that is a map.
func keysOfRecord(record plog.LogRecord) []string {
	var keys []string
	for key := range record.Attributes().All() {
		keys = append(keys, "attributes."+key)
	}
	if record.Body().Type() == pcommon.ValueTypeMap {
		for key := range record.Body().Map().All() {
			keys = append(keys, key)
		}
	}
	return loggable(keys)
}

// keysOfItem returns the keys of an event in Amplitude's form.
func keysOfItem(it *item) []string {
	var fields map[string]jsontext.Value
	// The encoder wrote valid JSON.
	_ = json.Unmarshal(it.events()[0], &fields, jsontext.AllowDuplicateNames(true))
	keys := make([]string, 0, len(fields))
	for key := range fields {
		keys = append(keys, key)
	}
	return loggable(keys)
}

func loggable(keys []string) []string {
	slices.Sort(keys)
	keys = keys[:min(len(keys), maxLoggedKeys)]
	for i, key := range keys {
		keys[i] = string([]byte(key[:min(len(key), maxLoggedKey)]))
	}
	return keys
}
