// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// secretsScenario makes Amplitude fail in many ways, with the API key and a user's address in its answers, and posts webhooks with
// right and wrong secrets. It searches for all of these in everything that the collector logs, serves and prints.
func secretsScenario(t *testing.T, _ size) {
	t.Helper()
	const key, canary = "canary0123456789abcdef0123456789", "canary"
	server := amplitudetest.Start(t, amplitudetest.WithKeys(key), amplitudetest.WithCompact("number"))
	zpages, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	metrics, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(metrics)
	require.NoError(t, err)
	webhook, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	b := startBridge(t, server, "secrets.yaml", "AMPLITUDE_API_KEY="+key, "ZPAGES_ENDPOINT="+zpages, "METRICS_PORT="+port,
		"WEBHOOK_ENDPOINT="+webhook, "WEBHOOK_SECRET="+webhookSecret, "WEBHOOK_AUTHORIZATION="+webhookAuthorization)

	people := newPeople(canary, 3)
	outputs := map[string]string{}
	for _, fault := range faults(server, key, people[0].id()) {
		postSecrets(t, "http://"+webhook+"/segment", people[1:2])
		before, failed := strings.Count(b.Logs(), retrying), server.Counts()
		fault.begin(t)
		require.NoError(t, newSender(b).send(t.Context(), batch(people, 0)))
		err := b.WaitUntil(t.Context(), "an effect of "+fault.name, func() (bool, error) {
			counts := server.Counts()
			return strings.Count(b.Logs(), retrying) > before || fault.drops && counts.Requests > failed.Requests, nil
		})
		require.NoError(t, err)
		for name, page := range pages(t, b, zpages, metrics) {
			outputs[name+" during "+fault.name] = page
		}
		// A restart also ends the wait before the next attempt.
		require.NoError(t, b.Stop())
		fault.end(t)
		require.NoError(t, b.Restart(t.Context()))
		accepted := server.Counts().Answers[http.StatusOK]
		require.NoError(t, newSender(b).send(t.Context(), batch(people, 0)))
		b.waitForCounts(t, func(counts amplitudetest.Counts) bool { return counts.Answers[http.StatusOK] > accepted })
	}
	for name, text := range printed(t, b) {
		outputs[name] = text
	}
	require.NoError(t, b.Stop())
	outputs["logs"] = b.Logs()

	hits, size := 0, 0
	for name, text := range outputs {
		size += len(text)
		found := strings.Count(strings.ToLower(text), canary)
		hits += found
		if !assert.Zero(t, found, name) {
			at := strings.Index(strings.ToLower(text), canary)
			t.Logf("%s: …%s", name, text[max(0, at-200):min(len(text), at+100)])
		}
	}
	reportf(t, "API key, webhook secrets and user address: found %d times in %d outputs of %d KiB", hits, len(outputs), size>>10)
}

// postSecrets posts an event with the right secrets, and with wrong ones, and texts that aren't events.
func postSecrets(t *testing.T, url string, people []*person) {
	t.Helper()
	event, signature, err := webhookOf(people)
	require.NoError(t, err)
	for _, r := range []struct {
		body, signature, authorization string
		want                           int
	}{
		{string(event), signature, webhookAuthorization, http.StatusOK},
		{string(event), signature, "Bearer canary", http.StatusUnauthorized},
		{string(event), "canary", webhookAuthorization, http.StatusUnauthorized},
		{"canary", signatureOf([]byte("canary")), webhookAuthorization, http.StatusBadRequest},
		{`{"canary":`, signatureOf([]byte(`{"canary":`)), webhookAuthorization, http.StatusBadRequest},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(r.body))
		require.NoError(t, err)
		request.Header.Set("X-Signature", r.signature)
		request.Header.Set("Authorization", r.authorization)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, r.want, response.StatusCode)
	}
}

// retrying is in the log message about a batch that will be sent again.
const retrying = "Will retry the request after interval"

type fault struct {
	name       string
	begin, end func(t *testing.T)
	// drops is set if Amplitude refuses the events themselves, so that the queue doesn't send them again.
	drops bool
}

func faults(server *amplitudetest.Server, key, address string) []fault {
	echo := `{"error":"` + key + ` ` + address + `","throttled_users":{"` + address + `":31}}`
	answering := func(name string, answer amplitudetest.Answer) fault {
		return fault{
			name:  name,
			begin: func(*testing.T) { server.AnswerAll(answer) },
			end:   func(*testing.T) { server.AnswerUsually() },
		}
	}
	refused := answering("400 that echoes", amplitudetest.Answer{Status: http.StatusBadRequest, Body: `{"error":"` + key + address + `"}`})
	forbidden := answering("403 that echoes", amplitudetest.Answer{Status: http.StatusForbidden, Body: "<html>" + key + address})
	refused.drops, forbidden.drops = true, true
	return []fault{
		answering("500 that echoes", amplitudetest.Answer{Status: http.StatusInternalServerError, Body: echo}),
		answering("404 that echoes", amplitudetest.Answer{Status: http.StatusNotFound, Body: echo}),
		answering("page that echoes", amplitudetest.Answer{Status: http.StatusOK, Body: "<html>" + key + address}),
		forbidden,
		answering("redirect", amplitudetest.Answer{Status: http.StatusFound, Header: map[string]string{"Location": "http://127.0.0.1:1/" + key}}),
		refused,
		answering("429 without detail", amplitudetest.Answer{Status: http.StatusTooManyRequests, Body: `{"error":"` + key + address + `"}`}),
		answering("malformed answer", amplitudetest.Answer{Raw: "HTTP/1.1 200 OK\r\n" + key + address + "\r\n\r\n"}),
		answering("malformed redirect", amplitudetest.Answer{Status: http.StatusFound, Header: map[string]string{"Location": "http://[" + key}}),
		answering("two answers", amplitudetest.Answer{Raw: "HTTP/1.1 503 " + key + "\r\nContent-Length: 2\r\n\r\n{}" + key + address}),
		answering("reset", amplitudetest.Answer{Reset: true}),
		answering("timeout", amplitudetest.Answer{Status: http.StatusOK, Delay: time.Second}),
		answering("cut answer", amplitudetest.Answer{Status: http.StatusInternalServerError, Body: echo, Cut: true}),
		{
			name:  "refused connection",
			begin: func(t *testing.T) { t.Helper(); require.NoError(t, server.Close()) },
			end:   func(t *testing.T) { t.Helper(); require.NoError(t, server.Listen(t.Context(), server.Address())) },
		},
		{
			name:  "refused key",
			begin: func(*testing.T) { server.RefuseKey(true) },
			end:   func(*testing.T) { server.RefuseKey(false) },
		},
		answering("429 that names a user", amplitudetest.Answer{Status: http.StatusTooManyRequests, Body: echo}),
	}
}

// pages returns the pages that the collector serves, by name.
func pages(t *testing.T, b *bridge, zpages, metrics string) map[string]string {
	t.Helper()
	served := map[string]string{
		"metrics": b.get(t, "http://"+metrics+"/metrics"),
		"health":  b.get(t, "http://"+b.HealthEndpoint),
	}
	require.Contains(t, served["metrics"], "otelcol_exporter_amplitude_requests")
	require.Contains(t, served["metrics"], "otelcol_receiver_cdp_webhook_requests")
	pages := []string{"servicez", "pipelinez", "extensionz", "featurez", "tracez"}
	for _, span := range []string{"exporter%2Famplitude%2Flogs", "receiver%2Fcdp_webhook%2FLogsReceived", "POST"} {
		pages = append(pages, "tracez?ztype=1&zspanname="+span, "tracez?ztype=2&zspanname="+span)
	}
	for _, page := range pages {
		served["zpages "+page] = b.get(t, "http://"+zpages+"/debug/"+page)
	}
	return served
}

// printed returns the output of commands that read good and bad configurations, by name.
func printed(t *testing.T, b *bridge) map[string]string {
	t.Helper()
	config := "--config=" + configOf(t, "secrets.yaml")
	texts := map[string]string{}
	for name, args := range map[string][]string{
		"printed configuration":          {"print-config", config},
		"validation":                     {"validate", config},
		"validation of a bad number":     {"validate", config, "--config=yaml:exporters::amplitude::lanes: 0"},
		"validation of a bad type":       {"validate", config, "--config=yaml:exporters::amplitude::lanes: many"},
		"validation of a misspelled key": {"validate", config, "--config=yaml:exporters::amplitude::apikey: ${env:AMPLITUDE_API_KEY}"},
		"validation of a key list":       {"validate", config, "--config=yaml:exporters::amplitude::api_key: [${env:AMPLITUDE_API_KEY}]"},
		"start with a bad number":        {config, "--config=yaml:exporters::amplitude::lanes: -1"},
	} {
		// Most of these commands fail.
		texts[name], _ = b.Run(t.Context(), args...)
	}
	require.Contains(t, texts["printed configuration"], "api_key")
	return texts
}
