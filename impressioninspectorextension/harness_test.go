// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/impression-collector/impression-bridge/amplitudeexporter"
	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/metadata"
	"github.com/impression-collector/impression-bridge/impressionprocessor"
	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// running is an inspector that listens, with a processor and an exporter that report to it.
type running struct {
	*inspector
	url       string
	processor processor.Logs
	exporter  exporter.Logs
	server    *amplitudetest.Server
}

// host is a host with these extensions.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// start starts an inspector alone.
func start(t *testing.T, text string, others host) *running {
	t.Helper()
	config, err := load(t, text)
	require.NoError(t, err)
	config.ServerConfig.NetAddr.Endpoint, err = collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	created, err := NewFactory().Create(t.Context(), extensiontest.NewNopSettings(metadata.Type), config)
	require.NoError(t, err)
	r := &running{inspector: created.(*inspector), url: "http://" + config.ServerConfig.NetAddr.Endpoint}
	require.NoError(t, r.Start(t.Context(), others))
	t.Cleanup(func() { assert.NoError(t, r.Shutdown(context.Background())) })
	return r
}

// startAll starts an inspector, and a pipeline into a fake Amplitude that delivers each batch before the next.
func startAll(t *testing.T, text string) *running {
	t.Helper()
	r := start(t, text, nil)
	r.server = amplitudetest.Start(t)
	in := host{r.settings.ID: r.inspector}
	r.exporter = startExporter(t, r.server.URL(amplitude.HTTPV2), in, func(*amplitudeexporter.Config) {})
	r.processor = startProcessor(t, r.exporter, in)
	return r
}

// startExporter starts an exporter that answers when a batch is delivered.
func startExporter(t *testing.T, endpoint string, in component.Host, change func(*amplitudeexporter.Config)) exporter.Logs {
	t.Helper()
	factory := amplitudeexporter.NewFactory()
	config := factory.CreateDefaultConfig().(*amplitudeexporter.Config)
	config.APIKey, config.ClientConfig.Endpoint, config.RetryConfig.Enabled = "any", endpoint, false
	config.QueueConfig.Get().Batch.Get().FlushTimeout = 1
	config.QueueConfig.Get().WaitForResult = true
	change(config)
	set := exportertest.NewNopSettings(factory.Type())
	set.ID = component.NewID(factory.Type())
	e, err := factory.CreateLogs(t.Context(), set, config)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), in))
	t.Cleanup(func() { assert.NoError(t, e.Shutdown(context.Background())) })
	return e
}

func startProcessor(t *testing.T, next consumer.Logs, in component.Host) processor.Logs {
	t.Helper()
	factory := impressionprocessor.NewFactory()
	p, err := factory.CreateLogs(t.Context(), processortest.NewNopSettings(factory.Type()), factory.CreateDefaultConfig(), next)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), in))
	t.Cleanup(func() { assert.NoError(t, p.Shutdown(context.Background())) })
	return p
}

// consume sends a batch through the pipeline, with a record for each text.
func (r *running) consume(t *testing.T, texts ...string) {
	t.Helper()
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, text := range texts {
		records.AppendEmpty().Body().SetStr(text)
	}
	require.NoError(t, r.processor.ConsumeLogs(t.Context(), logs))
}

// do sends a request, and returns the status, the body, and the headers of the answer. Each header is "Name: value".
func (r *running) do(t *testing.T, method, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	require.NoError(t, err)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
		if name == "Host" {
			request.Host = value
		}
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode, string(text), response.Header
}

// views are all panels.
type views struct {
	About       aboutView
	Flow        flowView
	Experiments experimentsView
	Pairs       []pairView
	Unmatched   unmatchedView
}

// see returns what the page shows, as JSON.
func (r *running) see(t *testing.T) views {
	t.Helper()
	status, body, _ := r.do(t, http.MethodGet, "/state", "")
	require.Equal(t, http.StatusOK, status, body)
	var v views
	require.NoError(t, json.Unmarshal([]byte(body), &v))
	return v
}

func (r *running) explained(t *testing.T, query, payload string) explanation {
	t.Helper()
	status, body, _ := r.do(t, http.MethodPost, "/explain"+query, payload)
	require.Equal(t, http.StatusOK, status, body)
	var e explanation
	require.NoError(t, json.Unmarshal([]byte(body), &e))
	return e
}

// stream opens the stream of a page. next returns the name and the content of the next panel.
func (r *running) stream(t *testing.T) (next func() (name, data string), closeStream func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/stream", http.NoBody)
	require.NoError(t, err)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	next = func() (name, data string) {
		for lines.Scan() && lines.Text() != "" {
			name = strings.TrimPrefix(lines.Text(), "event: ")
			if lines.Scan() {
				data = strings.TrimPrefix(lines.Text(), "data: ")
			}
		}
		return name, data
	}
	return next, func() {
		cancel()
		_ = response.Body.Close()
	}
}

// shownCall returns a Segment call.
func shownCall(flag, variant, user, id string) string {
	return `{"type":"track","event":"$impression","userId":"` + user + `","messageId":"` + id +
		`","properties":{"flag_key":"` + flag + `","variant":"` + variant + `","coupon":"secret-coupon"}}`
}
