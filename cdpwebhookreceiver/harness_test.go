// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// running is a receiver that listens.
type running struct {
	receiver.Logs
	endpoint  string
	logs      *observer.ObservedLogs
	telemetry *componenttest.Telemetry
}

// start starts a receiver with a configuration in YAML. The test stops it if it doesn't do so itself.
func start(t *testing.T, text string, next consumer.Logs) *running {
	t.Helper()
	return startIn(t, text, next, componenttest.NewNopHost())
}

func startIn(t *testing.T, text string, next consumer.Logs, host component.Host) *running {
	t.Helper()
	config, err := load(t, text)
	require.NoError(t, err)
	config.ServerConfig.NetAddr.Endpoint, err = collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)

	if !strings.Contains(text, "max_wait") {
		// The machine may be slow.
		config.MaxWait, config.ServerConfig.WriteTimeout = longWait, 0
	}

	r := &running{endpoint: config.ServerConfig.NetAddr.Endpoint, telemetry: componenttest.NewTelemetry()}
	set := receivertest.NewNopSettings(metadata.Type)
	set.ID = component.NewID(metadata.Type)
	set.TelemetrySettings = r.telemetry.NewTelemetrySettings()
	var core zapcore.Core
	core, r.logs = observer.New(zap.DebugLevel)
	set.Logger = zap.New(core)
	r.Logs, err = NewFactory().CreateLogs(t.Context(), set, config, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), host))
	t.Cleanup(func() {
		require.NoError(t, r.Shutdown(context.Background()))
		require.NoError(t, r.telemetry.Shutdown(context.Background()))
	})
	return r
}

// answered is a receiver's answer.
type answered struct {
	status        int
	header        http.Header
	text          string
	Success       bool
	Code          int
	Reason, Error string
}

// do sends a request. Each header is "Name: value".
func (r *running) do(t *testing.T, method, path string, body []byte, headers ...string) answered {
	t.Helper()
	a, err := r.try(t, method, path, body, headers...)
	require.NoError(t, err)
	return a
}

// try is like do. It may be called in another goroutine than the test's.
func (r *running) try(t *testing.T, method, path string, body []byte, headers ...string) (answered, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Add(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	a := answered{status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &a)
	return a, err
}

func (r *running) post(t *testing.T, path, body string, headers ...string) answered {
	t.Helper()
	return r.do(t, http.MethodPost, path, []byte(body), headers...)
}

func bodiesOf(batches []plog.Logs) []any {
	var all []any
	for _, record := range collectortest.Records(batches) {
		all = append(all, record.Body().AsRaw())
	}
	return all
}

const (
	longWait = time.Minute
	tick     = 5 * time.Millisecond
)
