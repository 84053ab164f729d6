// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/evanw/esbuild/pkg/api"
)

// The hosts that the browser knows. Both are the site, but for the browser a request to the bridge is one to another origin.
const (
	shopOrigin   = "https://shop.example"
	bridgeOrigin = "https://bridge.example"
)

// newBrowser returns the context of a new Chromium with a new profile, in which the hosts are the site and no other host exists.
func newBrowser(ctx context.Context, s *site) (context.Context, context.CancelFunc) {
	address := s.server.Listener.Addr().String()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox,
		chromedp.IgnoreCertErrors,
		chromedp.Env("TZ=UTC"),
		chromedp.Flag("lang", "en-US"),
		chromedp.Flag("host-resolver-rules", "MAP shop.example "+address+", MAP bridge.example "+address+", MAP * ~NOTFOUND"),
	)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithBrowserOption(chromedp.WithConsolef(printConsole)))
	return ctx, func() {
		cancel()
		stop()
	}
}

// printConsole prints what the page prints to the console.
func printConsole(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// runBrowser runs the scenario in a browser, and returns the events that the SDK was told to track.
func (c *testCase) runBrowser(ctx context.Context, s *site) (told []event, err error) {
	clock, err := os.ReadFile(filepath.Join(c.scripts, "clock.cjs"))
	if err != nil {
		return nil, err
	}
	if s.script, err = c.bundle(); err != nil {
		return nil, err
	}
	options, err := json.Marshal(map[string]string{"origin": shopOrigin, "bridge": bridgeOrigin, "sdk": c.sdk.name, "mode": c.mode})
	if err != nil {
		return nil, err
	}
	addClock := page.AddScriptToEvaluateOnNewDocumentParams{Source: string(clock)}
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, addClock); err != nil {
		return nil, fmt.Errorf("chromium: %w", err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(shopOrigin+"/products?utm_source=newsletter")); err != nil {
		return nil, fmt.Errorf("chromium: %w", err)
	}
	told, err = chromedp.Run(ctx, chromedp.Evaluate[[]event]("runScenario("+string(options)+")", chromedp.EvalAwaitPromise))
	if err != nil {
		return nil, fmt.Errorf("chromium: %w", err)
	}
	// SDKs send what is left when the user leaves the page.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		return nil, fmt.Errorf("chromium: %w", err)
	}
	return told, nil
}

// bundle returns the scenario and the SDK as a script for a page.
func (c *testCase) bundle() ([]byte, error) {
	result := api.Build(api.BuildOptions{
		Stdin: &api.StdinOptions{
			Contents: fmt.Sprintf("import run from './scenario.mjs'; import connect from './%s.mjs';"+
				"globalThis.runScenario = (options) => run(connect, options);", c.sdk.name),
			ResolveDir: c.scripts,
		},
		Bundle:   true,
		Format:   api.FormatIIFE,
		Platform: api.PlatformBrowser,
		LogLevel: api.LogLevelError,
	})
	if len(result.Errors) > 0 {
		return nil, fmt.Errorf("bundle: %s", strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), "\n"))
	}
	return result.OutputFiles[0].Contents, nil
}
