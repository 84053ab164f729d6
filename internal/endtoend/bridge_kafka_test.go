// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// TestKafkaKeyedByUser kills the bridge during an outage of Amplitude, and again during delivery.
func TestKafkaKeyedByUser(t *testing.T) {
	t.Parallel()
	const topic, partitions, count = "keyed", 8, 12
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic))
	require.NoError(t, err)
	defer cluster.Close()
	users := trackedUsers(40)
	produceKeyed(t, cluster, topic, users, count)

	server := amplitudetest.Start(t)
	server.AnswerAll(unavailable)
	c := startBridge(t, "bridge/kafka-keyed", server,
		"KAFKA_BROKER="+cluster.ListenAddrs()[0], "KAFKA_TOPIC="+topic, "KAFKA_INSTANCE=bridge-0")
	// By then, offsets would be committed if the receiver committed them too early.
	require.NoError(t, c.WaitUntil(t.Context(), "a fourth attempt to send an event", func() (bool, error) {
		return maxTimesSent(server) >= 4, nil
	}))
	require.NoError(t, c.Kill())

	server.AnswerUsually()
	require.NoError(t, c.Restart(t.Context()))
	waitForIngested(t, c, server, 200)
	require.NoError(t, c.Kill())

	require.NoError(t, c.Restart(t.Context()))
	assertKnown(t, c, server, users, count)
	require.NoError(t, c.Stop())
}

// produceKeyed writes count events of each user to a topic: first every user's first event, then every user's second one,
// and so on.
func produceKeyed(t *testing.T, cluster *kfake.Cluster, topic string, users []string, count int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	require.NoError(t, err)
	defer client.Close()
	var messages []*kgo.Record
	for number := range count {
		for _, user := range users {
			messages = append(messages, &kgo.Record{Topic: topic, Key: []byte(user), Value: trackedEvent{user: user, number: number}.call(t)})
		}
	}
	require.NoError(t, client.ProduceSync(t.Context(), messages...).FirstErr())
}

// maxTimesSent returns how often the event with the most attempts was sent.
func maxTimesSent(server *amplitudetest.Server) int {
	maximum, sent := 0, map[string]int{}
	for _, request := range server.Requests() {
		for i := range request.Events {
			id := request.Events[i].InsertID
			sent[id]++
			maximum = max(maximum, sent[id])
		}
	}
	return maximum
}
