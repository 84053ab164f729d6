// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// feeds lists, by the name of a recipe's input file, how the collector gets its input. A feed returns the batches that
// the collector wrote, each of which must equal the expected one.
var feeds = []struct {
	name string
	feed func(t *testing.T, config, input, output string) []plog.Logs
}{
	{"lines.ndjson", feedFile},
	{"messages.ndjson", feedKafka},
	{"otlp.yaml", feedOTLP},
}

// TestRecipes runs the collector with each configuration in examples/recipes on the input file in the same folder.
func TestRecipes(t *testing.T) {
	configs, err := filepath.Glob(examples("recipes", "*", "collector.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, configs)
	for _, config := range configs {
		folder := filepath.Dir(config)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			assert.FileExists(t, filepath.Join(folder, "README.md"))
			output := filepath.Join(t.TempDir(), "output.json")
			fed := 0
			for _, feed := range feeds {
				input := filepath.Join(folder, feed.name)
				if _, err := os.Stat(input); err != nil {
					continue
				}
				fed++
				for _, logs := range feed.feed(t, config, input, output) {
					assertExpected(t, filepath.Join(folder, "expected.yaml"), logs)
				}
			}
			require.Equal(t, 1, fed, "number of input files")
		})
	}
}

func feedFile(t *testing.T, config, input, output string) []plog.Logs {
	t.Helper()
	logs, err := collectortest.ProcessFile(t.Context(), config, input, output)
	require.NoError(t, err)
	return []plog.Logs{logs}
}

func feedOTLP(t *testing.T, config, input, output string) []plog.Logs {
	t.Helper()
	return process(t, collectortest.Default, config, "OUTPUT="+output, readLogs(t, input), output)[0]
}

// feedKafka sends each line of the input as a message to a Kafka broker in the test process.
func feedKafka(t *testing.T, config, input, output string) []plog.Logs {
	t.Helper()
	const topic = "recipe"
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	require.NoError(t, err)
	defer cluster.Close()
	broker := cluster.ListenAddrs()[0]
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	require.NoError(t, err)
	defer client.Close()

	data, err := os.ReadFile(input)
	require.NoError(t, err)
	var messages []*kgo.Record
	for line := range bytes.Lines(data) {
		messages = append(messages, &kgo.Record{Topic: topic, Value: bytes.TrimSpace(line)})
	}
	require.NoError(t, client.ProduceSync(t.Context(), messages...).FirstErr())

	logs, err := collectortest.Process(t.Context(), config, input, output, "KAFKA_BROKER="+broker, "KAFKA_TOPIC="+topic)
	require.NoError(t, err)
	return []plog.Logs{logs}
}
