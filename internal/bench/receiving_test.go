// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
)

func TestContendersReceiveTheSame(t *testing.T) {
	for _, events := range []int{1, 3} {
		webhooks := newWebhooks(1, events)[:2]
		bodies, err := received(ours, webhooks)
		require.NoError(t, err)
		assert.Len(t, bodies, 2*events)
		for _, contender := range []string{bareHandler, bareInConfighttp} {
			require.NoError(t, compareReceived(contender, webhooks))
		}
	}
}

func TestContendersCheckSignatures(t *testing.T) {
	for _, contender := range []string{ours, bareHandler, bareInConfighttp} {
		sink := &consumertest.LogsSink{}
		server, err := startWebhookServer(contender, sink)
		require.NoError(t, err)
		for _, events := range []int{1, 3} {
			webhooks := newWebhooks(1, events)
			forged := webhook{body: webhooks[0].body, signature: webhooks[1].signature}
			require.ErrorContains(t, forged.post(http.DefaultClient, server.url), "401 Unauthorized", contender)
		}
		require.NoError(t, server.stop(t.Context()))
		assert.Empty(t, sink.AllLogs(), contender)
	}
}

func TestEachContenderAnswers(t *testing.T) {
	g := newReceiverGroup("batch", eventsPerText)
	require.NoError(t, g.prepare())
	for _, e := range g.entries {
		samples, err := e.sample()
		require.NoError(t, err, e.label)
		assert.Len(t, samples, 1, e.label)
	}
	require.NoError(t, g.close())
}
