// SPDX-License-Identifier: Apache-2.0

package inspectorpage

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

var screenshots = flag.String("screenshots", "", "write screenshots of all panels to this `folder`")

// maxWait bounds every wait for the page.
const maxWait = time.Minute

// site is the demo's bridge, and a page of its inspector in a browser.
type site struct {
	context.Context
	collector *collectortest.Collector
	input     string
}

// open runs the demo's bridge and opens the page of its inspector. It skips the test if there is no Chromium.
func open(t *testing.T, width int64, theme string) *site {
	t.Helper()
	if !hasChromium() {
		t.Skip("there is no Chromium; install Debian's package chromium to test the inspector's page")
	}
	root, err := collectortest.Root()
	require.NoError(t, err)
	demo := filepath.Join(root, "testdata", "demo")
	s := &site{input: filepath.Join(t.TempDir(), "events.ndjson")}
	events, err := os.ReadFile(filepath.Join(demo, "events.ndjson"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.input, events, 0o600))

	server := amplitudetest.Start(t)
	s.collector, err = collectortest.Start(t.Context(), collectortest.Default, filepath.Join(demo, "bridge", "collector.yaml"),
		"INPUT="+s.input, "AMPLITUDE_ENDPOINT="+server.URL(amplitude.HTTPV2), "AMPLITUDE_API_KEY=any")
	require.NoError(t, err)

	ctx, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox,
		chromedp.Flag("lang", "en-US"),
		// The page must not need any other host.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))...)
	var cancel context.CancelFunc
	s.Context, cancel = chromedp.NewContext(ctx, chromedp.WithBrowserOption(chromedp.WithConsolef(t.Errorf)))
	t.Cleanup(func() {
		cancel()
		stop()
	})
	s.do(t, chromedp.EmulateViewport(width, 900))
	s.setTheme(t, theme)
	s.do(t, chromedp.Navigate("http://"+s.collector.InspectorEndpoint+"/"))
	return s
}

func hasChromium() bool {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}

func (s *site) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, chromedp.Do(s, steps...))
}

func (s *site) setTheme(t *testing.T, theme string) {
	t.Helper()
	_, err := chromedp.Call(s, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
	})
	require.NoError(t, err)
}

func evaluate[T any](t *testing.T, s *site, script string) T {
	t.Helper()
	value, err := chromedp.Run(s, chromedp.Evaluate[T](script))
	require.NoError(t, err, script)
	return value
}

// run runs a script for its effect.
func (s *site) run(t *testing.T, script string) {
	t.Helper()
	s.do(t, chromedp.Evaluate[chromedp.Void](script))
}

// text returns the text of an element as it is shown.
func (s *site) text(t *testing.T, selector string) string {
	t.Helper()
	return evaluate[string](t, s, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// waitFor waits until an element shows all of the texts.
func (s *site) waitFor(t *testing.T, selector string, texts ...string) {
	t.Helper()
	deadline := time.Now().Add(maxWait)
	shown := ""
	for time.Now().Before(deadline) {
		shown = s.text(t, selector)
		missing := false
		for _, text := range texts {
			missing = missing || !strings.Contains(shown, text)
		}
		if !missing && shown != "" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.Failf(t, "waiting for "+selector, "%q isn't all in:\n%s", texts, shown)
}

// click clicks an element as a script does, wherever it is on the page.
func (s *site) click(t *testing.T, selector string) {
	t.Helper()
	s.run(t, fmt.Sprintf("document.querySelector(%q).click()", selector))
}

func (s *site) append(t *testing.T, lines ...string) {
	t.Helper()
	file, err := os.OpenFile(s.input, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(strings.Join(lines, "\n") + "\n")
	require.NoError(t, errors.Join(err, file.Close()))
}

func impressionOf(flagKey, variant, user, id string) string {
	text, err := json.Marshal(map[string]any{
		"type": "track", "event": "$impression", "userId": user, "messageId": id, "timestamp": time.Now(),
		"properties": map[string]any{"flag_key": flagKey, "variant": variant, "coupon": "a secret value"},
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// shot writes a screenshot, if the flag is given.
func (s *site) shot(t *testing.T, name string) {
	t.Helper()
	if *screenshots == "" {
		return
	}
	beyond, size := true, evaluate[[]float64](t, s, "[innerWidth, Math.min(document.documentElement.scrollHeight, 900)]")
	shot, err := chromedp.Call(s, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: size[0], Height: size[1], Scale: 1},
	})
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(*screenshots, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(*screenshots, name+".png"), shot.Data, 0o644))
}

// TestPageShowsTheDemo clicks through all panels while the demo runs.
func TestPageShowsTheDemo(t *testing.T) {
	s := open(t, 1200, "light")
	s.waitFor(t, "#status", "Live")
	s.waitFor(t, "[data-stage=delivered]", "26 in total")
	s.waitFor(t, "[data-stage=records]", "20 in total")
	s.waitFor(t, "#left", "json invalid", "Cure:")

	s.click(t, "#tab-experiments")
	s.waitFor(t, "[data-flag=hero-image]", "beach", "Users are counted exactly")
	assert.True(t, evaluate[bool](t, s, "document.querySelector('#flow').hidden"), "only the chosen panel is shown")

	s.click(t, "#tab-pairs")
	s.waitFor(t, "#lines", "hero-image", "delivered")
	// A new impression arrives on the open page, and its records open.
	s.append(t, impressionOf("checkout", "treatment", "user-secret", "message-1"))
	s.waitFor(t, "#lines tr", "checkout", "treatment", "set", "delivered")
	s.click(t, "#lines tr .open")
	s.waitFor(t, ".records", "$impression", `"$set"`, "[Experiment] Impression")
	assert.NotContains(t, s.text(t, "#lines"), "user-secret")
	assert.NotContains(t, s.text(t, ".records"), "a secret value")
	assert.Equal(t, "true", evaluate[string](t, s, "document.querySelector('.open').getAttribute('aria-expanded')"))

	s.click(t, "#tab-unmatched")
	s.append(t, `{"log":"{\"type\":\"track\",\"event\":\"$impression\"}\n","stream":"stdout"}`)
	s.waitFor(t, "#shapes", "inside the field log", "from: body.log, to: body", "stream")
	s.waitFor(t, "#names", "$impression")
}

// TestPagePausesAndContinues stops the updates that the user didn't ask for.
func TestPagePausesAndContinues(t *testing.T) {
	s := open(t, 1200, "light")
	s.waitFor(t, "[data-stage=records]", "20 in total")
	s.click(t, "#pause")
	s.append(t, impressionOf("checkout", "treatment", "user-1", "message-1"))
	require.NoError(t, s.collector.WaitUntil(s, "the impression", func() (bool, error) {
		total, err := chromedp.Run(s, chromedp.Evaluate[int](
			"fetch('state').then(r => r.json()).then(state => state.flow.stages[1].total)", chromedp.EvalAwaitPromise))
		return total == 21, err
	}))
	assert.Contains(t, s.text(t, "[data-stage=records]"), "20 in total")
	assert.Equal(t, "Paused", s.text(t, "#status"))
	s.click(t, "#pause")
	s.waitFor(t, "[data-stage=records]", "21 in total")
}

// TestPageIsUsableByKeyboard moves through the tabs.
func TestPageIsUsableByKeyboard(t *testing.T) {
	s := open(t, 1200, "light")
	s.do(t, chromedp.Focus(chromedp.CSS("#tab-flow")))
	press := func(key string) string {
		s.run(t, fmt.Sprintf("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: %q, bubbles: true}))", key))
		return evaluate[string](t, s, "document.activeElement.id")
	}
	assert.Equal(t, "tab-experiments", press("ArrowRight"))
	assert.Equal(t, "tab-explain", press("End"))
	assert.Equal(t, "tab-flow", press("ArrowRight"))
	assert.Equal(t, "tab-explain", press("ArrowLeft"))
	assert.True(t, evaluate[bool](t, s, "!document.querySelector('#explain').hidden"))
	assert.Equal(t, "#explain", evaluate[string](t, s, "location.hash"))
}

// broken are payloads that give no impression, with what the page must show.
var broken = map[string]struct {
	payload string
	texts   []string
}{
	"JSON inside a field": {
		`{"message":"{\"type\":\"track\",\"event\":\"$impression\"}"}`,
		[]string{"inside the field message", `set(log.body, log.body["message"])`},
	},
	"names in another case": {
		`{"eventType":"$impression","eventProperties":{"flag_key":"checkout","variant":"on"},"userId":"user-1"}`,
		[]string{"under eventType", "a layout of your own"},
	},
	"a layout that is missing": {
		`{"uuid":"1","event":"$impression","properties":{"distinct_id":"user-1","flag_key":"checkout","variant":"on"}}`,
		[]string{"preset posthog", "- preset: posthog"},
	},
	"flagKey": {
		`{"type":"track","event":"$impression","userId":"user-1","properties":{"flagKey":"checkout","variant":"on"}}`,
		[]string{"malformed flag key", "to: body.properties.flag_key"},
	},
	"no user": {
		`{"type":"track","event":"$impression","messageId":"1","properties":{"flag_key":"checkout","variant":"on"}}`,
		[]string{"no identity", "user_id and device_id of the layout by hand", "missing id"},
	},
	"an event type that isn't listed": {
		`{"type":"track","event":"Impression","userId":"user-1","properties":{"flag_key":"checkout","variant":"on"}}`,
		[]string{"isn't listed", `"Impression": "[Experiment] Impression"`},
	},
	"cut JSON": {
		`{"type":"track","event":"$impression","userId":"us`,
		[]string{"json invalid", "cuts or joins texts"},
	},
}

func (s *site) explain(t *testing.T, payload string) {
	t.Helper()
	s.click(t, "#tab-explain")
	s.run(t, fmt.Sprintf("document.querySelector('#payload').value = %q; document.querySelector('#answer').replaceChildren()", payload))
	s.click(t, "#ask")
}

func TestExplainFindsCures(t *testing.T) {
	s := open(t, 1200, "light")
	for name, row := range broken {
		t.Run(name, func(t *testing.T) {
			s.explain(t, row.payload)
			s.waitFor(t, "#answer", append([]string{"What stays behind", "Cure:"}, row.texts...)...)
		})
	}
	s.explain(t, impressionOf("checkout", "treatment", "user-1", "message-1"))
	s.waitFor(t, "#answer", "is set to treatment", `event["properties"]`, "Records after impression (2)", "Events that amplitude would send (2)", `"[Experiment] checkout"`)
	assert.NotContains(t, s.text(t, "#answer"), "What stays behind")
	s.explain(t, "")
	s.waitFor(t, "#answer", "the payload is empty")
	s.waitFor(t, "#status", "Live")
}

// TestPageFits checks that nothing is wider than the page.
func TestPageFits(t *testing.T) {
	for _, width := range []int64{1200, 400} {
		for _, theme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d %s", width, theme), func(t *testing.T) {
				s := open(t, width, theme)
				s.fill(t)
				s.waitFor(t, "[data-stage=records]", "2,026 in total")
				for _, panel := range []string{"flow", "experiments", "pairs", "unmatched", "explain"} {
					s.click(t, "#tab-"+panel)
					if panel == "explain" {
						s.explain(t, broken["flagKey"].payload)
						s.waitFor(t, "#answer", "Cure:")
					}
					if panel == "pairs" {
						s.click(t, "#lines .open")
						s.waitFor(t, ".records", "Before")
					}
					s.shot(t, fmt.Sprintf("%d-%s-%s", width, theme, panel))
					assert.LessOrEqual(t, evaluate[int64](t, s, "document.documentElement.scrollWidth"), width, panel)
				}
				assert.Equal(t, theme == "dark", evaluate[bool](t, s, "getComputedStyle(document.body).backgroundColor === 'rgb(18, 21, 28)'"))
			})
		}
	}
}

// fill sends impressions of two experiments, one of which is split unfairly, and records that stay behind.
func (s *site) fill(t *testing.T) {
	t.Helper()
	var lines []string
	for i := range 2000 {
		variant := []string{"control", "treatment"}[i%2]
		if i%5 == 0 {
			variant = "control"
		}
		user := fmt.Sprintf("user-%04d", i)
		flagKey := "add-to-cart"
		if i%3 == 0 {
			flagKey, variant = "banner-with-a-name-that-is-longer-than-most", []string{"blue", "green", "red"}[i/3%3]
		}
		lines = append(lines, impressionOf(flagKey, variant, user, fmt.Sprintf("message-%d", i)))
	}
	for name := range broken {
		if name != "cut JSON" {
			lines = append(lines, broken[name].payload)
		}
	}
	s.append(t, lines...)
}
