// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// slow takes a time for each request.
type slow struct {
	http.RoundTripper
	took time.Duration
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(s.took):
		return s.RoundTripper.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// TestAStopDoesNotWaitForAServerThatHangs, but waits for one that is slow and accepts events.
func TestAStopDoesNotWaitForAServerThatHangs(t *testing.T) {
	for name, test := range map[string]struct {
		took    time.Duration
		maxStop time.Duration
		arrive  int
	}{
		"hangs":   {took: 20 * time.Second, maxStop: 10 * time.Second, arrive: 0},
		"is slow": {took: 4 * time.Second, maxStop: 5 * 5 * time.Second, arrive: 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := amplitudetest.New()
				config := createDefaultConfig().(*Config)
				config.APIKey, config.Lanes = "key", 1
				config.QueueConfig.Get().Batch.Get().MinSize = 1
				e, err := newExporter(exportertest.NewNopSettings(metadata.Type), config)
				require.NoError(t, err)
				queue, err := newResumingQueue(t.Context(), exportertest.NewNopSettings(metadata.Type), e)
				require.NoError(t, err)
				require.NoError(t, queue.Start(t.Context(), componenttest.NewNopHost()))
				e.client.Transport = &slow{RoundTripper: handled{server}, took: test.took}
				for n := range 5 {
					require.NoError(t, queue.ConsumeLogs(t.Context(), logsOf(eventOf("user-1", n))))
					synctest.Wait()
				}
				began := time.Now()
				require.NoError(t, queue.Shutdown(t.Context()))
				assert.LessOrEqual(t, time.Since(began), test.maxStop)
				assert.Len(t, server.User("user-1").Events, test.arrive)
			})
		})
	}
}
