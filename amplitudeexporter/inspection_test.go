// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/inspectiontest"
)

func TestDeliveriesAreReportedToTheInspector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inspector := inspectiontest.New(true)
		p := startHandled(t, inspector, amplitudetest.New(), nil)
		p.server.AnswerAll(unavailable)
		logs := logsOf(newEvent("first"), `{"no": "event"}`, `{"type":"track","event":"no user","messageId":"m"}`)
		require.Error(t, p.push(t.Context(), logs))
		p.server.AnswerUsually()
		time.Sleep(time.Minute)
		require.NoError(t, p.push(t.Context(), logs))
		item := inspection.Item{Type: "first", InsertID: "first", State: inspection.StateWaiting}
		delivered := item
		delivered.State = inspection.StateDelivered
		assert.Equal(t, []*inspection.Delivered{
			{
				Exporter: "amplitude", Skipped: map[string]int64{"not_an_event": 1, "missing_id": 1}, Items: []inspection.Item{item},
				Unsent: []inspection.Item{{Type: "no user", InsertID: "m", State: inspection.StateRefused, Reason: "missing_id"}},
			},
			{Exporter: "amplitude", Skipped: map[string]int64{}, Items: []inspection.Item{delivered}},
		}, inspector.Deliveries())
		p.stop(t)
	})
}

func TestRefusalsAreReportedToTheInspector(t *testing.T) {
	inspector := inspectiontest.New(true)
	p := start(t, inspector, nil)
	p.server.AnswerNext(1, amplitudetest.Answer{Status: http.StatusBadRequest, Body: `{"code":400,"events_with_invalid_fields":{"time":[1]}}`})
	require.NoError(t, p.push(t.Context(), logsOf(newEvent("good"), newEvent("bad"))))
	assert.Equal(t, []inspection.Item{
		{Type: "good", InsertID: "good", State: inspection.StateDelivered},
		{Type: "bad", InsertID: "bad", State: inspection.StateRefused, Reason: "invalid_field"},
	}, inspector.Deliveries()[0].Items)
}

func TestNothingIsReportedWhileNobodyLooks(t *testing.T) {
	inspector := inspectiontest.New(false)
	p := start(t, inspector, nil)
	require.NoError(t, p.push(t.Context(), logsOf(newEvent("a"))))
	assert.Empty(t, inspector.Deliveries())
}

// TestExplainSendsNothing explains events, which are neither sent nor counted nor remembered.
func TestExplainSendsNothing(t *testing.T) {
	inspector := inspectiontest.New(false)
	p := start(t, inspector, nil)
	explain := inspector.Exporters["amplitude"]
	require.NotNil(t, explain)
	for range 2 {
		sent := explain(logsOf(newEvent("a"), `{"no": "event"}`, `[`+newEvent("b")+`, {"type":"track","event":"c","userId":"none"}]`))
		require.Len(t, sent, 4)
		assert.JSONEq(t, `{"event_type":"a","user_id":"user-17","time":1795428000000,"insert_id":"a"}`, string(sent[0].JSON[0]))
		assert.Equal(t, "segment", sent[0].Layout)
		assert.Equal(t, "not_an_event", sent[1].Reason)
		assert.Equal(t, "b", sent[2].Type)
		assert.NotEmpty(t, sent[2].JSON)
		assert.Equal(t, "refused_id", sent[3].Reason)
		assert.Empty(t, sent[3].JSON)
	}
	assert.Zero(t, p.server.Counts().Requests)
	assert.Empty(t, inspector.Deliveries())
	p.assertEvents(t)
}
