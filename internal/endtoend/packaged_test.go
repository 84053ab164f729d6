// SPDX-License-Identifier: Apache-2.0

package endtoend

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

func deploy(elements ...string) string {
	return filepath.Join(append([]string{"..", "..", "deploy"}, elements...)...)
}

// packagedVariables returns the variables that the packages set.
func packagedVariables(t *testing.T) []string {
	t.Helper()
	var variables []string
	for line := range strings.Lines(readText(t, deploy("package", "environment"))) {
		name, value, isSet := strings.Cut(strings.TrimSpace(line), "=")
		if isSet && !strings.HasPrefix(name, "#") {
			variables = append(variables, name+"="+strings.Trim(value, `"`))
		}
	}
	return variables
}

// TestPackagedBridge starts the configuration of the packages and the image, with the variables of the packages, and sends to both of
// its receivers with and without their secrets.
func TestPackagedBridge(t *testing.T) {
	t.Parallel()
	server := amplitudetest.Start(t)
	webhook, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	grpc, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	c, err := collectortest.Start(t.Context(), collectortest.Default, deploy("config.yaml"), append(packagedVariables(t),
		"AMPLITUDE_ENDPOINT="+server.URL(amplitude.HTTPV2), "STORAGE="+t.TempDir(), "WEBHOOK_ENDPOINT="+webhook, "OTLP_GRPC_ENDPOINT="+grpc)...)
	require.NoError(t, err)

	call := `{"type":"track","event":"Order","userId":"user-17","messageId":"m-1"}`
	records := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"$impression","attributes":[
		{"key":"user.id","value":{"stringValue":"user-17"}},{"key":"log.record.uid","value":{"stringValue":"m-2"}},
		{"key":"flag_key","value":{"stringValue":"checkout"}},{"key":"variant","value":{"stringValue":"treatment"}}]}]}]}]}`
	for _, request := range []struct{ url, body string }{
		{"http://" + webhook + "/events", call},
		{"http://" + c.OTLPEndpoint + "/v1/logs", records},
	} {
		assert.Equal(t, http.StatusUnauthorized, postJSON(t, c.Transport, request.url, request.body, ""), request.url)
		assert.Equal(t, http.StatusUnauthorized, postJSON(t, c.Transport, request.url, request.body, "Bearer other"), request.url)
		assert.Equal(t, http.StatusOK, postJSON(t, c.Transport, request.url, request.body, "Bearer change-me"), request.url)
	}
	waitForIngested(t, c, server, 3)
	require.NoError(t, c.Stop())
	var types []string
	for _, event := range server.User("user-17").Events {
		types = append(types, event.Type)
	}
	assert.ElementsMatch(t, []string{"Order", "$identify", "[Experiment] Impression"}, types)
}

// TestPackagedBridgeIsProductionBridge compares the configuration of the packages with examples/bridge/production. It may differ in the
// receivers and their authentication.
func TestPackagedBridgeIsProductionBridge(t *testing.T) {
	t.Parallel()
	want := behindReceiver(t, examples("bridge", "production", "collector.yaml"))
	assert.Equal(t, want, behindReceiver(t, deploy("config.yaml")))
}

// TestPackagedDefaults checks that the unit, the environment file and the image start the collector with the same arguments, and that
// the unit, the maintainer scripts and the configuration name the same folders.
func TestPackagedDefaults(t *testing.T) {
	t.Parallel()
	arguments := "--config=/etc/otelcol-impression/config.yaml " + collectortest.FileGate
	assert.Contains(t, readText(t, deploy("package", "environment")), `OTELCOL_ARGS="`+arguments+`"`)
	assert.Contains(t, readText(t, deploy("image", "Dockerfile")), `CMD ["`+strings.ReplaceAll(arguments, " ", `", "`)+`"]`)

	unit := readText(t, deploy("package", "otelcol-impression.service"))
	state := regexp.MustCompile(`(?m)^StateDirectory=(.+)$`).FindStringSubmatch(unit)[1]
	assert.Contains(t, readText(t, deploy("config.yaml")), "${env:STORAGE:-/var/lib/"+state+"}")
	for _, script := range []string{"package/postinstall.sh", "package/postremove.sh", "image/Dockerfile"} {
		assert.Contains(t, readText(t, deploy(script)), "/var/lib/"+state, script)
	}
	user := regexp.MustCompile(`(?m)^User=(.+)$`).FindStringSubmatch(unit)[1]
	assert.Contains(t, readText(t, deploy("package", "postinstall.sh")), user)
}

// TestPackagedSecrets checks that the unit refuses each secret that the package has.
func TestPackagedSecrets(t *testing.T) {
	t.Parallel()
	unit := readText(t, deploy("package", "otelcol-impression.service"))
	secrets := 0
	for _, variable := range packagedVariables(t) {
		name, value, _ := strings.Cut(variable, "=")
		if strings.Contains(value, "change-me") {
			assert.Contains(t, unit, "$$"+name, "the unit starts with the package's "+name)
			secrets++
		}
	}
	assert.Equal(t, 3, secrets)
	packages := readText(t, deploy("package", "nfpm.yaml"))
	assert.Regexp(t, `dst: /etc/otelcol-impression/environment\n    type: config\|noreplace\n    file_info: \{mode: 0600\}`, packages)
}
