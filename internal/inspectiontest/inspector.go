// SPDX-License-Identifier: Apache-2.0

// Package inspectiontest has an inspector that keeps what components report, for their tests.
package inspectiontest // import "github.com/impression-collector/impression-bridge/internal/inspectiontest"

import (
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/inspection"
)

// Inspector keeps all reports. It is an extension, and a host with no other extension.
type Inspector struct {
	component.StartFunc
	component.ShutdownFunc
	Watched bool

	mutex      sync.Mutex
	received   []inspection.Received
	processed  []*inspection.Processed
	delivered  []*inspection.Delivered
	Processors map[string]func(plog.Logs) []inspection.Event
	Exporters  map[string]func(plog.Logs) []inspection.Sent
}

var _ inspection.Inspector = (*Inspector)(nil)

// New returns an inspector that is watched or not.
func New(watched bool) *Inspector {
	return &Inspector{
		Watched:    watched,
		Processors: map[string]func(plog.Logs) []inspection.Event{},
		Exporters:  map[string]func(plog.Logs) []inspection.Sent{},
	}
}

// GetExtensions implements component.Host.
func (i *Inspector) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("impression_inspector"): i}
}

// IsWatched implements inspection.Inspector.
func (i *Inspector) IsWatched() bool { return i.Watched }

// Received implements inspection.Inspector.
func (i *Inspector) Received(r inspection.Received) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.received = append(i.received, r)
}

// Processed implements inspection.Inspector.
func (i *Inspector) Processed(p *inspection.Processed) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.processed = append(i.processed, p)
}

// Delivered implements inspection.Inspector.
func (i *Inspector) Delivered(d *inspection.Delivered) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.delivered = append(i.delivered, d)
}

// ExplainProcessor implements inspection.Inspector.
func (i *Inspector) ExplainProcessor(id string, explain func(plog.Logs) []inspection.Event) {
	i.Processors[id] = explain
}

// ExplainExporter implements inspection.Inspector.
func (i *Inspector) ExplainExporter(id string, explain func(plog.Logs) []inspection.Sent) {
	i.Exporters[id] = explain
}

// Requests returns the reports of receivers so far.
func (i *Inspector) Requests() []inspection.Received {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.received
}

// Batches returns the reports of processors so far.
func (i *Inspector) Batches() []*inspection.Processed {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.processed
}

// Deliveries returns the reports of exporters so far.
func (i *Inspector) Deliveries() []*inspection.Delivered {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.delivered
}
