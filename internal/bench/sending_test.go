// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSendersSendTheSame(t *testing.T) {
	batch := smallBatch(segmentBody, 10)
	require.NoError(t, compareSent(analyticsGo, batch))
	events, err := sent(ours, batch)
	require.NoError(t, err)
	assert.Len(t, events, batch.LogRecordCount())

	require.EqualError(t, compareSent(toNop, batch), "ours sends 200 events, processor, nop exporter 0")
	// The processor emits an update for each impression.
	require.EqualError(t, compareSent(toAmplitude, batch), "ours sends 200 events, processor, amplitude exporter 220")
}

// TestEachEventArrives relies on the sink, which fails a sample if more or fewer events arrive than were sent.
func TestEachEventArrives(t *testing.T) {
	for _, g := range []*group{newExporterGroup(), newPipelineGroup()} {
		for _, e := range g.entries {
			e.job.(*sending).records = 50
		}
		require.NoError(t, g.prepare())
		for _, e := range g.entries {
			samples, err := e.sample()
			require.NoError(t, err, e.label)
			assert.Len(t, samples, 1, e.label)
			s := e.job.(*sending)
			assert.Equal(t, sentRounds*distinct*arriving(s.contender, s.workload), s.sink.sent, e.label)
		}
		require.NoError(t, g.close())
	}
}
