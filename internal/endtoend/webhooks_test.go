// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the algorithm of Segment and Customer.io
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/configtest"
	"github.com/impression-collector/impression-bridge/internal/sdktest"
)

// cdp posts events to a bridge as a CDP does.
type cdp struct {
	url, authorization, secret string
	// sign adds a signature to the headers of a request. It is nil if the CDP has none.
	sign func(header http.Header, secret string, body []byte)
}

// signatures are those of the CDPs that sign, by folder in examples/webhook.
var signatures = map[string]func(header http.Header, secret string, body []byte){
	"segment":       signFirst,
	"segment-batch": signFirst,
	"customerio": func(header http.Header, secret string, body []byte) {
		header.Set("X-Signature", hexMAC(sha1.New, secret, body))
	},
	"jitsu": func(header http.Header, secret string, body []byte) {
		now := strconv.FormatInt(time.Now().Unix(), 10)
		header.Set("Jitsu-Signature", hexMAC(sha256.New, secret, []byte(now+"."), body))
		header.Set("Jitsu-Signature-Timestamp", now)
	},
}

// signFirst signs as Segment does: of a batch, only the first call.
func signFirst(header http.Header, secret string, body []byte) {
	var calls []json.RawMessage
	if json.Unmarshal(body, &calls) == nil && len(calls) > 0 {
		body = calls[0]
	}
	header.Set("X-Signature", hexMAC(sha1.New, secret, body))
}

func hexMAC(algorithm func() hash.Hash, secret string, parts ...[]byte) string {
	mac := hmac.New(algorithm, []byte(secret))
	for _, part := range parts {
		mac.Write(part)
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// startWebhook starts a bridge in examples/webhook, and returns a sender with its secrets.
func startWebhook(t *testing.T, folder string, server *amplitudetest.Server, variables ...string) (*collectortest.Collector, *cdp) {
	t.Helper()
	endpoint, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	sender := &cdp{authorization: "Bearer canary-header", secret: "canary-secret", sign: signatures[folder]}
	c := startBridge(t, filepath.Join("webhook", folder), server, append([]string{
		"WEBHOOK_ENDPOINT=" + endpoint, "WEBHOOK_AUTHORIZATION=" + sender.authorization, "WEBHOOK_SECRET=" + sender.secret,
	}, variables...)...)
	sender.url = "http://" + endpoint + sourceOf(t, folder)["path"].(string) //nolint:forcetypeassert // a path is a text
	return c, sender
}

// sourceOf returns the only source in the configuration of a bridge in examples/webhook.
func sourceOf(t *testing.T, folder string) map[string]any {
	t.Helper()
	sources, _ := receivers(t, examples("webhook", folder, "collector.yaml"))["cdp_webhook"]["sources"].(map[string]any)
	require.Len(t, sources, 1)
	for _, source := range sources {
		return source.(map[string]any) //nolint:forcetypeassert // a source is a map
	}
	return nil
}

// post sends a body and returns the answer.
func (c *cdp) post(t *testing.T, body []byte) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", c.authorization)
	if c.sign != nil {
		c.sign(request.Header, c.secret, body)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

// deliver sends a body, which must be accepted.
func (c *cdp) deliver(t *testing.T, body []byte) {
	t.Helper()
	status, answer := c.post(t, body)
	require.Equal(t, http.StatusOK, status, answer)
	require.Equal(t, `{"success":true,"code":200}`, answer)
}

// assertForgeriesRefused sends a body with a wrong header, and with a wrong signature if the CDP signs.
func (c *cdp) assertForgeriesRefused(t *testing.T, body []byte) {
	t.Helper()
	forgers := []cdp{{url: c.url, authorization: "other", secret: c.secret, sign: c.sign}}
	if c.sign != nil {
		forgers = append(forgers, cdp{url: c.url, authorization: c.authorization, secret: "other", sign: c.sign})
	}
	for i := range forgers {
		status, answer := forgers[i].post(t, body)
		require.Equal(t, http.StatusUnauthorized, status, answer)
	}
}

// webhooks returns the names of the folders in examples/webhook.
func webhooks(t *testing.T) []string {
	t.Helper()
	configs, err := filepath.Glob(examples("webhook", "*", "collector.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, configs)
	var folders []string
	for _, config := range configs {
		folders = append(folders, filepath.Base(filepath.Dir(config)))
	}
	return folders
}

// TestWebhooks posts to each bridge in examples/webhook what its CDP posts, one body per line of requests.ndjson, and
// compares what Amplitude then knows with expected.json.
func TestWebhooks(t *testing.T) {
	for _, folder := range webhooks(t) {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			requests := examples("webhook", folder, "requests.ndjson")
			text, err := os.ReadFile(requests)
			require.NoError(t, err)
			server := amplitudetest.Start(t)
			c, sender := startWebhook(t, folder, server)
			bodies := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
			sender.assertForgeriesRefused(t, bodies[0])
			for _, body := range bodies {
				sender.deliver(t, body)
			}
			require.NoError(t, c.WaitForLast(t.Context(), requests, server))
			require.NoError(t, c.Stop())
			assert.NotContains(t, c.Logs(), "canary")

			assertUpdatesFirst(t, server)
			expected, known := examples("webhook", folder, "expected.json"), sortedUsers(t, sdktest.Known(server))
			if *update {
				require.NoError(t, os.WriteFile(expected, []byte(known), 0o644)) //nolint:gosec // a file of the repository
			}
			want, err := os.ReadFile(expected)
			require.NoError(t, err)
			assert.Equal(t, string(want), known)
		})
	}
}

// sortedUsers sorts the users in what Amplitude knows. Those whose events arrive in one request have no order.
func sortedUsers(t *testing.T, known string) string {
	t.Helper()
	var users []map[string]any
	require.NoError(t, json.Unmarshal([]byte(known), &users))
	slices.SortFunc(users, func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(a["user_id"], a["device_id"]), fmt.Sprint(b["user_id"], b["device_id"]))
	})
	sorted, err := json.MarshalIndent(users, "", "  ")
	require.NoError(t, err)
	return string(sorted) + "\n"
}

// assertUpdatesFirst asserts that Amplitude has ordinary events, and impressions with their user property updates directly
// before them.
func assertUpdatesFirst(t *testing.T, server *amplitudetest.Server) {
	t.Helper()
	ordinary, updates := 0, 0
	for _, user := range server.Users() {
		for i := range user.Events {
			flags := updatedFlags(&user.Events[i])
			if user.Events[i].Type != "$identify" {
				ordinary++
			}
			if len(flags) == 0 {
				continue
			}
			updates++
			require.Less(t, i+1, len(user.Events), "an update comes last")
			impression := &user.Events[i+1]
			assert.Equal(t, "[Experiment] Impression", impression.Type)
			assert.Equal(t, []string{fmt.Sprint("[Experiment] ", impression.Properties["[Experiment] Flag Key"])}, flags)
		}
	}
	assert.Greater(t, ordinary, updates, "ordinary events besides impressions")
	assert.Positive(t, updates)
}

// updatedFlags returns the user properties of flags that an event sets or unsets.
func updatedFlags(e *amplitudetest.Event) []string {
	var flags []string
	for _, operation := range e.UserProperties {
		values, _ := operation.(map[string]any)
		for name := range values {
			if strings.HasPrefix(name, "[Experiment] ") {
				flags = append(flags, name)
			}
		}
	}
	return flags
}

// TestWebhookBodiesAreRecorded compares the bodies of Segment's examples with what Segment's own sender sent.
func TestWebhookBodiesAreRecorded(t *testing.T) {
	t.Parallel()
	for folder, mode := range map[string]string{"segment": "single", "segment-batch": "batch"} {
		recording, err := sdktest.Read(testdata("sdks", "segment-webhook", mode+".json"))
		require.NoError(t, err)
		var sent strings.Builder
		for _, request := range recording.Requests {
			sent.WriteString(request.Body + "\n")
		}
		path := examples("webhook", folder, "requests.ndjson")
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(sent.String()), 0o644)) //nolint:gosec // a file of the repository
		}
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, sent.String(), string(kept), folder)
	}
}

// TestWebhooksTakeSDKs sends to the bridges in examples/webhook what the CDPs' SDKs sent when make sdks ran, with the secrets
// of the bridge. What Amplitude must know then is in the files beside the recordings.
func TestWebhooksTakeSDKs(t *testing.T) {
	paths, err := sdktest.Find(testdata("sdks"))
	require.NoError(t, err)
	folders, sent := webhooks(t), 0
	for _, path := range paths {
		recording, err := sdktest.Read(path)
		require.NoError(t, err)
		if !slices.Contains(folders, recording.Preset) {
			continue
		}
		sent++
		t.Run(filepath.Base(filepath.Dir(path))+"/"+strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			t.Parallel()
			expected, err := os.ReadFile(sdktest.ExpectedPath(path))
			require.NoError(t, err)
			server := amplitudetest.Start(t)
			c, sender := startWebhook(t, recording.Preset, server)
			for _, request := range recording.Requests {
				sender.replay(t, request)
			}
			waitForIngested(t, c, server, strings.Count(string(expected), `"event_type": `))
			require.NoError(t, c.Stop())
			assert.Equal(t, sortedUsers(t, string(expected)), sortedUsers(t, sdktest.Known(server)))
		})
	}
	assert.Positive(t, sent)
}

// replay sends a recorded request with the sender's secrets.
func (c *cdp) replay(t *testing.T, request sdktest.Request) {
	t.Helper()
	header := http.Header{"Authorization": {c.authorization}}
	if c.sign != nil {
		c.sign(header, c.secret, request.Bytes())
	}
	request.Headers = maps.Clone(request.Headers)
	for name := range header {
		request.Headers[name] = header.Get(name)
	}
	at, err := url.Parse(c.url)
	require.NoError(t, err)
	request.Target = at.Path + strings.TrimPrefix(request.Target, "/sdk")
	status, answer, err := request.Send(t.Context(), "http://"+at.Host)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, answer)
}

// TestWebhooksAreProductionBridges compares the configurations in examples/webhook with examples/bridge/production. They may
// differ in the receiver and its authentication, and in what depends on the CDP: the layouts, and the variants that mean "not
// assigned".
func TestWebhooksAreProductionBridges(t *testing.T) {
	t.Parallel()
	want := behindReceiver(t, examples("bridge", "production", "collector.yaml"))
	for _, folder := range webhooks(t) {
		assert.Equal(t, want, behindReceiver(t, examples("webhook", folder, "collector.yaml")), folder)
		source := sourceOf(t, folder)
		assert.Contains(t, source, "header", folder)
		assert.Equal(t, signatures[folder] != nil, source["signature"] != nil, folder)
	}
}

// behindReceiver returns a configuration without what examples/bridge/production may have otherwise: the receivers and their
// authentication, and what depends on the CDP.
func behindReceiver(t *testing.T, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	config := configtest.Parse(t, string(text)).(map[string]any) //nolint:forcetypeassert // it fails if it isn't
	delete(config, "receivers")
	delete(at(t, config, "service", "pipelines", "logs"), "receivers")
	delete(at(t, config, "extensions"), "bearertokenauth")
	service := at(t, config, "service")
	service["extensions"] = slices.DeleteFunc(service["extensions"].([]any), func(name any) bool { return name == "bearertokenauth" }) //nolint:forcetypeassert // it fails if it isn't
	delete(at(t, config, "exporters", "amplitude"), "layouts")
	delete(at(t, config, "processors"), "impression")
	return config
}

// at returns a map within maps.
func at(t *testing.T, config map[string]any, keys ...string) map[string]any {
	t.Helper()
	for _, key := range keys {
		inner, isMap := config[key].(map[string]any)
		require.True(t, isMap, key)
		config = inner
	}
	return config
}
