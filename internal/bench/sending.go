// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// sending is the job of sending events to a sink until they have arrived. A sender also works in the background, so it is
// measured in CPU time of the process.
type sending struct {
	workload
	contender string

	sink   *sinkProcess
	sender sender
}

func newExporterGroup() *group {
	return newSendingGroup("exporter", ours, analyticsGo)
}

// newPipelineGroup returns two pipelines whose difference is the cost of the exporter after the processor.
func newPipelineGroup() *group {
	return newSendingGroup("pipeline", toNop, toAmplitude)
}

// newCallsGroup returns the exporter with calls of different types.
func newCallsGroup() *group {
	g := &group{name: "calls"}
	for _, call := range []string{"", identifyCall, pageCall} {
		w := newWorkload(segmentBody, 0)
		w.call = call
		g.add(cmp.Or(call, trackLabel), &sending{workload: w, contender: ours})
	}
	return g
}

const trackLabel = "track"

func newSendingGroup(name string, contenders ...string) *group {
	g := &group{name: name}
	for _, contender := range contenders {
		g.add(contender, &sending{workload: newWorkload(segmentBody, 10), contender: contender})
	}
	return g
}

func (s *sending) check() error {
	if s.contender != analyticsGo {
		return nil
	}
	return compareSent(s.contender, s.batch(0))
}

// prepare gives the sender a batch with one record after the distinct batches.
func (s *sending) prepare(made batches) (err error) {
	if s.sink, err = startSink(); err != nil {
		return err
	}
	s.sender, err = newSender(s.contender, s.sink.url, append(slices.Clip(made.of(s.workload)), s.single().batch(0)))
	return err
}

// sentRounds is how often each batch is sent for one sample. Twice is enough to fill several of the exporter's own batches of
// 8,192 events.
const sentRounds = 2

func (s *sending) eventsPerSample() int {
	return sentRounds * distinct * s.events()
}

// countAllocs leaves out allocations that a single event causes too, such as those of the request.
func (s *sending) countAllocs() (float64, error) {
	one := s.single()
	little := func() work { return s.ready(arriving(s.contender, one), distinct) }
	return allocsPerEvent(s.all, little, s.eventsPerSample()-one.events())
}

// sample returns a single sample, because CPU time isn't precise over short spans. It includes the collection of the sender's
// garbage, but not of the garbage that preparing the batches left.
func (s *sending) sample() ([]float64, error) {
	all := s.all()
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	took, err := timed(cpuTime, s.contender, all)
	return []float64{perEvent(took, s.eventsPerSample())}, err
}

func (s *sending) all() work {
	var numbers []int
	for i := range sentRounds * distinct {
		numbers = append(numbers, i%distinct)
	}
	return s.ready(len(numbers)*arriving(s.contender, s.workload), numbers...)
}

// ready prepares the batches with these numbers. The sink then waits for this number of events.
func (s *sending) ready(events int, numbers ...int) work {
	loaded := make([]work, 0, len(numbers))
	for _, number := range numbers {
		loaded = append(loaded, s.sender.load(number))
	}
	return func(ctx context.Context) error {
		for _, send := range loaded {
			if err := send(ctx); err != nil {
				return err
			}
		}
		return s.sink.await(events)
	}
}

// arriving returns the number of events that a contender sends for one batch.
func arriving(contender string, w workload) int {
	switch contender {
	case toNop:
		return 0
	case toAmplitude:
		// Each impression has a user property update.
		return w.events() + w.impressions()
	default:
		return w.events()
	}
}

func (s *sending) close() error {
	return errors.Join(s.sender.close(), s.sink.close())
}

// compareSent returns an error if a contender sends other events for a batch than ours.
func compareSent(contender string, batch plog.Logs) error {
	want, err := sent(ours, batch)
	if err != nil {
		return err
	}
	got, err := sent(contender, batch)
	if err != nil {
		return err
	}
	if len(want) != len(got) {
		return fmt.Errorf("%s sends %d events, %s %d", ours, len(want), contender, len(got))
	}
	for id := range want {
		if !reflect.DeepEqual(want[id], got[id]) {
			return fmt.Errorf("%s and %s send different events:\n%v\n%v", ours, contender, want[id], got[id])
		}
	}
	return nil
}

// sent returns the fields of each event that a contender sends, by insert_id.
func sent(contender string, batch plog.Logs) (map[string]map[string]any, error) {
	server := amplitudetest.New()
	if err := server.Listen(context.Background(), "127.0.0.1:0"); err != nil {
		return nil, err
	}
	sender, err := newSender(contender, server.URL(amplitude.HTTPV2), []plog.Logs{batch})
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	err = sender.load(0)(context.Background())
	if err := errors.Join(err, sender.close(), server.Close()); err != nil {
		return nil, err
	}
	events := map[string]map[string]any{}
	for _, request := range server.Requests() {
		for _, event := range request.Events {
			fields := maps.Clone(event.Fields)
			// Each client names itself here.
			delete(fields, "library")
			events[event.InsertID] = fields
		}
	}
	return events, nil
}
