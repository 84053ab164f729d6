// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensionauth/extensionauthtest"

	"github.com/impression-collector/impression-bridge/internal/inspectiontest"
)

func TestPageIsServedWithItsFiles(t *testing.T) {
	r := start(t, "{}", nil)
	status, body, header := r.do(t, http.MethodGet, "/", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, header.Get("Content-Type"), "text/html")
	for _, file := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		status, _, header := r.do(t, http.MethodGet, "/"+file[1], "")
		assert.Equal(t, http.StatusOK, status, file[1])
		assert.NotContains(t, header.Get("Content-Type"), "text/plain", file[1])
	}
	for name, value := range headers {
		assert.Equal(t, value, header.Get(name))
	}
	status, _, _ = r.do(t, http.MethodGet, "/nothing", "")
	assert.Equal(t, http.StatusNotFound, status)
	status, _, _ = r.do(t, http.MethodGet, "/explain", "")
	assert.NotEqual(t, http.StatusOK, status)
}

// TestPageNeedsNoOtherHost looks for addresses in the page, except the names of XML.
func TestPageNeedsNoOtherHost(t *testing.T) {
	require.NoError(t, fs.WalkDir(page, "page", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := page.ReadFile(path)
		rest := strings.ReplaceAll(string(content), "http://www.w3.org/2000/svg", "")
		assert.NotRegexp(t, `https?:|//\w+\.`, rest, path)
		assert.NotRegexp(t, `(?i)innerHTML|eval\(|\son\w+=|style=`, rest, path)
		return err
	}))
}

func TestOnlyItsOwnOriginIsAccepted(t *testing.T) {
	r := start(t, "{hosts: [bridge.internal]}", nil)
	_, port, _ := strings.Cut(strings.TrimPrefix(r.url, "http://"), ":")
	for name, row := range map[string]struct {
		method, path string
		headers      []string
		want         int
	}{
		"a program":                {http.MethodGet, "/state", nil, 200},
		"the page":                 {http.MethodGet, "/state", []string{"Sec-Fetch-Site: same-origin"}, 200},
		"the page posts":           {http.MethodPost, "/explain", []string{"Origin: " + r.url, "Sec-Fetch-Site: same-origin"}, 503},
		"a link":                   {http.MethodGet, "/", []string{"Sec-Fetch-Site: cross-site"}, 200},
		"localhost":                {http.MethodGet, "/", []string{"Host: localhost:" + port}, 200},
		"IPv6":                     {http.MethodGet, "/", []string{"Host: [::1]:" + port}, 200},
		"a configured host":        {http.MethodGet, "/", []string{"Host: Bridge.Internal:" + port}, 200},
		"another name":             {http.MethodGet, "/", []string{"Host: attacker.example:" + port}, 421},
		"another name without":     {http.MethodGet, "/state", []string{"Host: attacker.example"}, 421},
		"another name of the same": {http.MethodPost, "/explain", []string{"Host: attacker.example", "Origin: http://attacker.example"}, 421},
		"another origin":           {http.MethodPost, "/explain", []string{"Origin: http://attacker.example"}, 403},
		"no origin":                {http.MethodPost, "/explain", []string{"Origin: null"}, 403},
		"another port":             {http.MethodPost, "/explain", []string{"Origin: http://127.0.0.1:1"}, 403},
		"a script elsewhere":       {http.MethodGet, "/state", []string{"Sec-Fetch-Site: cross-site"}, 403},
		"another port's stream":    {http.MethodGet, "/stream", []string{"Sec-Fetch-Site: same-site"}, 403},
		"a pair elsewhere":         {http.MethodGet, "/pairs/1", []string{"Origin: http://attacker.example"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, header := r.do(t, row.method, row.path, "{}", row.headers...)
			assert.Equal(t, row.want, status, body)
			assert.Empty(t, header.Get("Access-Control-Allow-Origin"))
			assert.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
		})
	}
}

func TestAuthIsAskedFor(t *testing.T) {
	id := component.MustNewID("auth")
	refusing := extensionauthtest.NewErr(errors.New("who are you?"))
	r := start(t, "{auth: {authenticator: auth}}", host{id: refusing})
	for _, path := range []string{"/", "/state", "/stream", "/page.js"} {
		status, body, header := r.do(t, http.MethodGet, path, "")
		assert.Equal(t, http.StatusUnauthorized, status)
		assert.Contains(t, body, "who are you?")
		assert.Contains(t, header.Get("WWW-Authenticate"), "Basic", "browsers ask only then")
	}
}

func TestThereIsOneInspector(t *testing.T) {
	created, err := newInspector(componenttestSettings(), createDefaultConfig().(*Config))
	require.NoError(t, err)
	err = created.Start(t.Context(), host{component.MustNewIDWithName("impression_inspector", "two"): inspectiontest.New(false)})
	require.ErrorContains(t, err, "there is another impression_inspector")
}

func TestStartFailsIfThePortIsTaken(t *testing.T) {
	r := start(t, "{}", nil)
	config := createDefaultConfig().(*Config)
	config.ServerConfig.NetAddr.Endpoint = strings.TrimPrefix(r.url, "http://")
	second, err := newInspector(componenttestSettings(), config)
	require.NoError(t, err)
	require.Error(t, second.Start(t.Context(), componenttest.NewNopHost()))
	require.NoError(t, second.Shutdown(t.Context()))
}

func TestGatheringBeginsWithTheFirstLook(t *testing.T) {
	r := startAll(t, "{}")
	assert.False(t, r.IsWatched())
	r.consume(t, shownCall("checkout", "on", "user-1", "1"))
	assert.Empty(t, r.see(t).Pairs, "nobody looked")
	assert.True(t, r.IsWatched())
	r.consume(t, shownCall("checkout", "on", "user-1", "2"))
	assert.Len(t, r.see(t).Pairs, 1)
}

func TestGatheringEndsAfterTheLastLook(t *testing.T) {
	synctestInspector(t, "{}", func(i *inspector) {
		i.views()
		time.Sleep(gatherFor - time.Second)
		i.views()
		time.Sleep(gatherFor - time.Second)
		assert.True(t, i.IsWatched())
		since := i.state.since
		time.Sleep(2 * time.Second)
		assert.False(t, i.IsWatched())
		i.views()
		assert.NotEqual(t, since, i.state.since, "it starts from zero")
	})
}

func TestAlwaysGathers(t *testing.T) {
	synctestInspector(t, "{always: true}", func(i *inspector) {
		assert.True(t, i.IsWatched())
		i.Processed(processedOf(shownTo("a", "on", "user-1")))
		time.Sleep(2 * gatherFor)
		i.views()
		time.Sleep(2 * gatherFor)
		assert.True(t, i.IsWatched())
		assert.NotEmpty(t, i.state.experiments.byFlag)
		time.Sleep(maxAge)
		i.Processed(processedOf())
		assert.Empty(t, i.state.experiments.byFlag, "it starts from zero once a day")
	})
}

func TestStreamSendsChanges(t *testing.T) {
	r := startAll(t, "{}")
	next, closeStream := r.stream(t)
	defer closeStream()
	var first []string
	for range panels {
		name, _ := next()
		first = append(first, name)
	}
	assert.Equal(t, panels, first)
	r.consume(t, shownCall("checkout", "on", "user-1", "1"))
	for {
		name, data := next()
		require.NotEmpty(t, name)
		if name != "pairs" {
			continue
		}
		var pairs []pairView
		require.NoError(t, json.Unmarshal([]byte(data), &pairs))
		require.Len(t, pairs, 1)
		assert.Equal(t, "checkout", pairs[0].Flag)
		break
	}
}

func TestOnlySomeMayLookAtOnce(t *testing.T) {
	r := start(t, "{}", nil)
	var closing []func()
	for range maxViewers {
		next, closeStream := r.stream(t)
		closing = append(closing, closeStream)
		_, _ = next()
	}
	status, body, _ := r.do(t, http.MethodGet, "/stream", "")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, fmt.Sprintf("%d pages are open already; close one of them.\n", maxViewers), body)
	for _, closeStream := range closing {
		closeStream()
	}
	require.NoError(t, r.viewers.Acquire(t.Context(), maxViewers), "closed pages make room")
	r.viewers.Release(maxViewers)
}

func TestShutdownEndsOpenPages(t *testing.T) {
	r := start(t, "{write_timeout: 1ns}", nil)
	next, closeStream := r.stream(t)
	defer closeStream()
	_, _ = next()
	// The test's cleanup fails if the shutdown has to cut the stream off.
}
