// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"golang.org/x/sync/errgroup"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

const (
	// maxHostile is the size of the largest hostile input. maxHostileMemory is the memory that a collector may take for it.
	maxHostile       = 4 << 20
	maxHostileMemory = 350 << 20
)

// hostileScenario sends each hostile input to a new collector, in one way, or in the long form in all ways and in three sizes.
func hostileScenario(t *testing.T, size size) {
	t.Helper()
	highest := 0
	for i, in := range hostileInputs {
		ways := waysOf(in)
		if !*long {
			ways = ways[i%len(ways):][:1]
		}
		for _, way := range ways {
			var row strings.Builder
			for _, part := range size.fractions {
				took, used := way.measure(t, in, maxHostile/part)
				fmt.Fprintf(&row, " %5d KiB: %3d MiB, %5.2f s", maxHostile/part>>10, used>>20, took.Seconds())
				assert.LessOrEqual(t, used, maxHostileMemory, "%s, %s, 1/%d of %d bytes", in.name, way.name, part, maxHostile)
				highest = max(highest, used)
			}
			reportf(t, "%-52s %-13s%s", in.name, way.name, row.String())
		}
	}
	reportf(t, "%d hostile inputs of up to %d KiB: peak memory at most %d MiB", len(hostileInputs), maxHostile/slices.Min(size.fractions)>>10, highest>>20)
}

// way is how an input reaches the collector.
type way struct {
	name string
	// logs returns the records to send. It is nil if the input is written to a file.
	logs func(t *testing.T, in hostileInput, size int) plog.Logs
}

func waysOf(in hostileInput) []way {
	if in.logs != nil {
		return []way{{"OTLP", func(_ *testing.T, in hostileInput, size int) plog.Logs { return in.logs(size) }}}
	}
	return []way{{"OTLP, maps", mapsOf}, {"OTLP, texts", textsOf}, {"file", nil}}
}

func textsOf(_ *testing.T, in hostileInput, size int) plog.Logs {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, text := range in.texts(size) {
		records.AppendEmpty().Body().SetStr(text)
	}
	return logs
}

func mapsOf(t *testing.T, in hostileInput, size int) plog.Logs {
	t.Helper()
	logs := textsOf(t, in, size)
	parser := jsonvalue.NewParser(jsonvalue.Limits{MaxBytes: 2 * maxHostile, MaxDepth: 1 << 20})
	for _, record := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		value := pcommon.NewValueEmpty()
		// What is nested too deeply stays a text.
		if parser.Parse(record.Body().Str(), value) == nil {
			value.MoveTo(record.Body())
		}
	}
	return logs
}

// bodyOf returns the request with an input, and makes the input smaller if its request is larger than size.
func (w way) bodyOf(t *testing.T, in hostileInput, size int) []byte {
	t.Helper()
	for attempt := size; ; attempt -= size / 20 {
		body, err := plogotlp.NewExportRequestFromLogs(w.logs(t, in, attempt)).MarshalProto()
		require.NoError(t, err)
		if len(body) <= size+size/20 {
			return body
		}
	}
}

// measure returns how long a new collector takes to deliver what it makes of an input, and its peak memory, including that of a
// collector that has only started. It doesn't include the queue's file, which is mapped into memory.
func (w way) measure(t *testing.T, in hostileInput, size int) (took time.Duration, used int) {
	t.Helper()
	amplitudeServer := startAmplitude(t)
	input := filepath.Join(t.TempDir(), "input.ndjson")
	variables := []string{"INPUT=" + input}
	if in.isInline {
		variables = append(variables, "EMIT=inline")
	}
	b := startBridge(t, amplitudeServer, "hostile.yaml", variables...)
	defer func() { require.NoError(t, b.Kill()) }()
	last := newPeople("last", 1)
	base := memoryOf(t, b.PID()).peak
	peak := watchMemory(t, b.PID())
	var began time.Time
	if w.logs == nil {
		lines := append(in.texts(size), `{"type":"track","event":"Viewed","userId":"last-00000@example.com","properties":{"number":0}}`, "")
		began = time.Now()
		require.NoError(t, os.WriteFile(input, []byte(strings.Join(lines, "\n")), 0o600))
	} else {
		body := w.bodyOf(t, in, size)
		began = time.Now()
		require.NoError(t, newSender(b).sendRequest(t.Context(), body), in.name)
		require.NoError(t, newSender(b).send(t.Context(), batch(last, 0)))
	}
	err := b.WaitUntil(t.Context(), "the event after the input", func() (bool, error) {
		return len(amplitudeServer.User(last[0].id()).Events) > 0, nil
	})
	took = time.Since(began)
	used = base + peak().anonymous
	require.NoError(t, err, in.name)
	return took, used
}

// limiterScenario has four senders of hostile inputs to the production bridge in a container of 512 MiB. What the memory limiter
// refuses must be accepted when it is sent again.
func limiterScenario(t *testing.T, size size) {
	t.Helper()
	const container = 512
	b := startLimited(t, container)
	defer func() { require.NoError(t, b.Kill()) }()
	peak := watchMemory(t, b.PID())
	inputs := make(chan []byte)
	s := newSender(b)
	group, ctx := errgroup.WithContext(t.Context())
	for range 4 {
		group.Go(func() error {
			for body := range inputs {
				if err := s.sendRequest(ctx, body); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for i := range size.records {
		in := hostileInputs[i%len(hostileInputs)]
		inputs <- waysOf(in)[0].bodyOf(t, in, maxHostile)
	}
	close(inputs)
	require.NoError(t, group.Wait())
	used := peak()
	reportf(t, "%d hostile inputs from 4 senders, container of %d MiB: peak memory %d MiB, %d MiB without the queue's file; "+
		"%d times refused, all accepted in the end", size.records, container, used.peak>>20, used.anonymous>>20, s.refused.Load())
	assert.LessOrEqual(t, used.anonymous, container<<20)
}

// startLimited starts the production bridge with the memory limits of a container.
func startLimited(t *testing.T, mebibytes int) *bridge {
	t.Helper()
	limit := func(key string, percent int) string {
		return fmt.Sprintf("--config=yaml:processors::memory_limiter::%s: %d", key, mebibytes*percent/100)
	}
	return startProduction(t, startAmplitude(t), []string{limit("limit_mib", 80), limit("spike_limit_mib", 20)},
		"STORAGE="+t.TempDir(), fmt.Sprintf("GOMEMLIMIT=%dMiB", mebibytes*70/100))
}
