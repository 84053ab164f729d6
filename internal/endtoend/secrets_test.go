// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// misplaced are keys of our components with a secret in the wrong place: under a misspelled name, or as a value of the wrong
// type. Each has an error that names the key.
var misplaced = map[string]struct{ exporter, processor, receiver, key string }{
	"misspelled key":           {exporter: "{api_key: k, apikey: canary}", key: "apikey"},
	"list":                     {exporter: "{api_key: k, api-key: [canary]}", key: "api-key"},
	"map":                      {exporter: "{api_key: k, key: {value: canary}}", key: "key"},
	"two levels deep":          {exporter: "{api_key: k, sending_queue: {batch: {token: canary}}}", key: "sending_queue.batch.token"},
	"key that is a list":       {exporter: "{api_key: [canary]}", key: "api_key"},
	"key that is a map":        {exporter: "{api_key: {canary: canary}}", key: "api_key"},
	"headers that are a text":  {exporter: "{api_key: k, headers: canary}", key: "headers"},
	"header that is a list":    {exporter: "{api_key: k, headers: {authorization: [canary]}}", key: "headers"},
	"auth that is a text":      {exporter: "{api_key: k, auth: canary}", key: "auth"},
	"TLS key that is a list":   {exporter: "{api_key: k, tls: {key_pem: [canary]}}", key: "tls.key_pem"},
	"layouts that are a text":  {exporter: "{api_key: k, layouts: canary}", key: "layouts"},
	"key of a layout":          {exporter: "{api_key: k, layouts: [{preset: otel, api_key: [canary]}]}", key: "layouts[0].api_key"},
	"text in a layout":         {exporter: "{api_key: k, layouts: [{preset: otel, api_key: canary}]}", key: "api_key"},
	"processor's key":          {processor: "{api_key: canary}", key: "api_key"},
	"two levels deep there":    {processor: "{user_properties: {api_key: canary}}", key: "user_properties.api_key"},
	"event types that are one": {processor: "{event_types: canary}", key: "event_types"},
	"source's key":             {receiver: "{sources: {a: {path: /a, secret: canary}}}", key: "sources.a.secret"},
	"signature's key":          {receiver: "{sources: {a: {path: /a, signature: {preset: segment, secret: canary}}}}", key: "sources.a.signature.secret"},
	"secrets that are a map":   {receiver: "{sources: {a: {path: /a, signature: {preset: segment, secrets: {a: canary}}}}}", key: "secrets"},
	"secret that is a list":    {receiver: "{sources: {a: {path: /a, signature: {preset: segment, secrets: [[canary]]}}}}", key: "secrets[0]"},
	"header that is a text":    {receiver: "{sources: {a: {path: /a, header: canary}}}", key: "header"},
}

const ourComponents = `
receivers: {otlp: {protocols: {http: {endpoint: "${env:OTLP_ENDPOINT}"}}}, cdp_webhook: RECEIVER}
processors: {impression: PROCESSOR}
exporters: {amplitude: EXPORTER}
extensions: {health_check: {endpoint: "${env:HEALTH_ENDPOINT}"}}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines: {logs: {receivers: [otlp, cdp_webhook], processors: [impression], exporters: [amplitude]}}
`

// goodReceiver listens on a port that the system chooses, because tests run in parallel.
const goodReceiver = `{endpoint: "127.0.0.1:0", sources: {a: {path: /a}}}`

// TestNoMisplacedSecretIsPrinted by validate, at start, or when the configuration is read again.
func TestNoMisplacedSecretIsPrinted(t *testing.T) {
	for name, given := range misplaced {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := filepath.Join(t.TempDir(), "collector.yaml")
			write := func(exporter, processor, receiver string) {
				text := strings.NewReplacer("EXPORTER", exporter, "PROCESSOR", processor, "RECEIVER", receiver).Replace(ourComponents)
				require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
			}
			write("{api_key: k}", "{}", goodReceiver)
			c, err := collectortest.Start(t.Context(), collectortest.Default, config)
			require.NoError(t, err)
			reload := func() error {
				write(cmp.Or(given.exporter, "{api_key: k}"), cmp.Or(given.processor, "{}"), cmp.Or(given.receiver, goodReceiver))
				require.NoError(t, syscall.Kill(c.PID(), syscall.SIGHUP))
				return c.WaitUntil(t.Context(), "its end", func() (bool, error) { return false, nil })
			}
			failed := reload()
			// The collector handles signals only some time after its pipelines have started.
			for strings.Contains(failed.Error(), "signal: hangup") {
				write("{api_key: k}", "{}", goodReceiver)
				require.NoError(t, c.Restart(t.Context()))
				failed = reload()
			}
			require.ErrorContains(t, failed, "it exited")

			validated, err := c.Run(t.Context(), "validate", "--config", config)
			require.Error(t, err)
			started, err := c.Run(t.Context(), "--config", config)
			require.Error(t, err)
			for when, printed := range map[string]string{"validate": validated, "start": started, "SIGHUP": c.Logs()} {
				assert.Contains(t, printed, given.key, when)
				assert.NotContains(t, printed, "canary", when)
			}
		})
	}
}
