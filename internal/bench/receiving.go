// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/consumer/consumertest"
)

// receiving is the job of answering webhooks over loopback. A server works in many goroutines, so it is measured in CPU time of
// the process. The webhooks come from another process.
type receiving struct {
	contender string
	// events is the number of events in each webhook.
	events int

	poster *posterProcess
	server *webhookServer
}

func newReceiverGroup(name string, events int) *group {
	g := &group{name: "receiver/" + name}
	for _, contender := range []string{ours, bareHandler, bareInConfighttp} {
		g.add(contender, &receiving{contender: contender, events: events})
	}
	return g
}

// webhooksPerSample makes samples so long that each has some collections of garbage, and so short that there are many.
func (r *receiving) webhooksPerSample() int {
	return 1000 / min(r.events, 20)
}

func (r *receiving) check() error {
	return compareReceived(r.contender, newWebhooks(1, r.events))
}

func (r *receiving) prepare(batches) (err error) {
	if r.poster, err = startPoster(); err != nil {
		return err
	}
	r.server, err = startWebhookServer(r.contender, consumertest.NewNop())
	return err
}

// countAllocs includes the allocations of the HTTP server.
func (r *receiving) countAllocs() (float64, error) {
	posted := r.webhooksPerSample()
	ready := func(number int) func() work { return func() work { return r.posted(number) } }
	return allocsPerEvent(ready(posted), ready(1), (posted-1)*r.events)
}

// sample returns a single sample, because CPU time isn't precise over short spans. It includes the collection of garbage.
func (r *receiving) sample() ([]float64, error) {
	posted := r.webhooksPerSample()
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	runtime.GC()
	took, err := timed(cpuTime, r.contender, r.posted(posted))
	return []float64{perEvent(took, posted*r.events)}, err
}

func (r *receiving) posted(number int) work {
	return func(context.Context) error { return r.poster.post(r.server.url, r.events, number) }
}

func (r *receiving) close() error {
	return errors.Join(r.poster.close(), r.server.stop(context.Background()))
}

// compareReceived returns an error if a contender makes other events of webhooks than ours. It compares the bodies of the
// records, because only ours sets attributes and the time.
func compareReceived(contender string, webhooks []webhook) error {
	want, err := received(ours, webhooks)
	if err != nil {
		return err
	}
	got, err := received(contender, webhooks)
	if err != nil {
		return err
	}
	return compareRecords(contender, want, got)
}

// received returns the sorted texts of the bodies that a contender makes of webhooks.
func received(contender string, webhooks []webhook) ([]string, error) {
	sink := &consumertest.LogsSink{}
	server, err := startWebhookServer(contender, sink)
	if err != nil {
		return nil, err
	}
	err = postAll(http.DefaultClient, server.url, webhooks, len(webhooks))
	if err := errors.Join(err, server.stop(context.Background())); err != nil {
		return nil, err
	}
	var bodies []string
	for _, logs := range sink.AllLogs() {
		for record := range records(logs) {
			var text strings.Builder
			writeText(&text, record.Body())
			bodies = append(bodies, text.String())
		}
	}
	slices.Sort(bodies)
	return bodies, nil
}
