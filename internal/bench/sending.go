// SPDX-License-Identifier: Apache-2.0

package main

import (
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

// sending is the job of sending events to a sink, until they are there. A sender works in the background too, so it is
// measured by the CPU time of the process: what it needs of one core.
type sending struct {
	workload
	contender string

	sink   *sinkProcess
	sender sender
}

func newExporterGroup() *group {
	return newSendingGroup("exporter", ours, analyticsGo)
}

// newPipelineGroup is for the difference: what the exporter costs beyond the processor.
func newPipelineGroup() *group {
	return newSendingGroup("pipeline", toNop, toAmplitude)
}

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

// prepare has a batch of one record follow the distinct ones.
func (s *sending) prepare(made batches) (err error) {
	if s.sink, err = startSink(); err != nil {
		return err
	}
	s.sender, err = newSender(s.contender, s.sink.url, append(slices.Clip(made.of(s.workload)), s.single().batch(0)))
	return err
}

// sentRounds is how often each batch is sent in a turn: so that the exporter's own batches, of 8,192 events or more, are
// several.
const sentRounds = 2

func (s *sending) eventsPerTurn() int {
	return sentRounds * distinct * s.events()
}

// countAllocs leaves out what is allocated for one event alone, such as its request.
func (s *sending) countAllocs() (float64, error) {
	one := s.single()
	little := func() work { return s.ready(arriving(s.contender, one), distinct) }
	return allocsPerEvent(s.all, little, s.eventsPerTurn()-one.events())
}

// turn is one sample, for CPU time is not exact in small pieces. What a core yields includes collecting the garbage that
// the sender makes, but not that of making the batches ready.
func (s *sending) turn() ([]float64, error) {
	all := s.all()
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	took, err := timed(cpuTime, s.contender, all)
	return []float64{perEvent(took, s.eventsPerTurn())}, err
}

func (s *sending) all() work {
	var numbers []int
	for i := range sentRounds * distinct {
		numbers = append(numbers, i%distinct)
	}
	return s.ready(len(numbers)*arriving(s.contender, s.workload), numbers...)
}

// ready makes the batches of these numbers ready, of which so many events arrive.
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

// arriving is how many events of a batch are sent.
func arriving(contender string, w workload) int {
	switch contender {
	case toNop:
		return 0
	case toAmplitude:
		// Each impression has an update.
		return w.events() + w.impressions()
	default:
		return w.events()
	}
}

func (s *sending) close() error {
	return errors.Join(s.sender.close(), s.sink.close())
}

// compareSent says where a contender sends other events of a batch than ours does.
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
		return fmt.Errorf("%s sends %d events of a batch, %s %d", ours, len(want), contender, len(got))
	}
	for id := range want {
		if !reflect.DeepEqual(want[id], got[id]) {
			return fmt.Errorf("%s and %s send different events:\n%v\n%v", ours, contender, want[id], got[id])
		}
	}
	return nil
}

// sent are the fields of each event that a contender sends, by insert_id.
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
			// A client may say what it is.
			delete(fields, "library")
			events[event.InsertID] = fields
		}
	}
	return events, nil
}
