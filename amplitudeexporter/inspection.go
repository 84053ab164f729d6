// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"bytes"
	"time"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// inspected returns what the inspector is told of the batch.
func (e *amplitudeExporter) inspected() *inspection.Delivered {
	report := &inspection.Delivered{Exporter: e.storages.exporter.String(), Skipped: map[string]int64{}, Unsent: e.batch.unsent}
	for k := range e.batch.skipped {
		for r, n := range e.batch.skipped[k] {
			if n > 0 {
				report.Skipped[reason(r).String()] += n
			}
		}
	}
	for i := range e.batch.items {
		it := &e.batch.items[i]
		item := inspection.Item{State: inspection.StateWaiting}
		// The encoder wrote the text, so it is valid.
		_ = json.Unmarshal(it.JSON, &item)
		switch {
		case it.State == delivery.Delivered && it.unpaired:
			item.State, item.Reason = inspection.StateDelivered, reasonUnpairedUpdate.String()
		case it.State == delivery.Delivered:
			item.State = inspection.StateDelivered
		case it.stale:
			item.State, item.Reason = inspection.StateRefused, reasonOlderUpdate.String()
		case it.State == delivery.Dropped:
			item.State, item.Reason = inspection.StateRefused, it.Reason.String()
		}
		report.Items = append(report.Items, item)
	}
	return report
}

// addUnsent notes an event that is skipped.
func (b *batch) addUnsent(why reason, e *reader.Event) {
	if e.Problem != reader.NoProblem || len(b.unsent) == inspection.MaxDetails {
		return
	}
	b.unsent = append(b.unsent, inspection.Item{
		Type: e.Text(event.Type), InsertID: e.Text(event.InsertID), State: inspection.StateRefused, Reason: why.String(),
	})
}

// explain describes what the exporter makes of each record. It sends nothing, and doesn't know which updates were sent before.
func (e *amplitudeExporter) explain(logs plog.Logs) []inspection.Sent {
	r, err := newBatchReader(e.config, e.library)
	if err != nil {
		// The exporter couldn't have been created.
		return nil
	}
	r.pairing.logger = zap.NewNop()
	var b batch
	var all []inspection.Sent
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			r.pairing.beginScope()
			for _, e := range r.events.Events(resource.Resource(), scope.LogRecords()) {
				sent, first := inspection.Sent{Event: inspection.Describe(e)}, len(b.items)
				if _, why := r.readEvent(&b, e, time.Now()); why != reasonNone {
					sent.Reason, sent.IsUnpaired = why.String(), why == reasonUnpairedUpdate
				}
				for i := range b.items[first:] {
					it := &b.items[first+i]
					sent.JSON = append(sent.JSON, bytes.Clone(it.JSON))
					sent.IsUnpaired = sent.IsUnpaired || it.unpaired
				}
				all = append(all, sent)
			}
		}
	}
	return all
}
