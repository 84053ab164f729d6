// SPDX-License-Identifier: Apache-2.0

// Command sdks runs the CDPs' real SDKs against the collector that make built, with Amplitude's real Experiment client as the
// source of impressions. It checks what arrives in a fake Amplitude, and keeps what the SDKs sent in testdata/sdks. Arguments
// select SDKs by the beginning of their names.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/sdktest"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	root, err := collectortest.Root()
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range sdks {
		isNamed := func(name string) bool { return strings.HasPrefix(s.name, name) }
		if len(names) > 0 && !slices.ContainsFunc(names, isNamed) {
			continue
		}
		for _, mode := range s.modes {
			c := &testCase{sdk: s, mode: mode, scripts: filepath.Join(root, "_build", "sdks"), folder: filepath.Join(root, "testdata", "sdks", s.name)}
			start := time.Now()
			err := c.record(ctx)
			result := "ok"
			if err != nil {
				result = "FAILED"
				errs = append(errs, fmt.Errorf("%s/%s: %w", s.name, mode, err))
			}
			fmt.Printf("%-22s %-8s %6.1f s  %s\n", s.name, mode, time.Since(start).Seconds(), result)
		}
	}
	return errors.Join(errs...)
}

// testCase is one way in which an SDK sends events.
type testCase struct {
	sdk  sdk
	mode string
	// scripts is the folder with the scripts and the installed packages, folder that of the SDK's recordings.
	scripts, folder string
}

// maxWait is how long an SDK may take to send everything.
const maxWait = 30 * time.Second

// record runs the SDK against a bridge, checks what arrives, and writes what was sent.
func (c *testCase) record(ctx context.Context) (err error) {
	recording := sdktest.Recording{SDK: c.sdk.npm, Preset: c.sdk.preset}
	if recording.Version, err = c.version(); err != nil {
		return err
	}
	bridge, err := sdktest.Start(ctx, c.sdk.preset)
	if err != nil {
		return err
	}
	told, requests, err := c.drive(ctx, bridge)
	if err := errors.Join(err, bridge.Stop()); err != nil {
		return err
	}
	recording.Requests = requests
	if err := check(told, bridge.Amplitude, recording.Requests); err != nil {
		return fmt.Errorf("%w\n%s", err, bridge.Known())
	}
	path := filepath.Join(c.folder, c.mode+".json")
	return errors.Join(
		os.MkdirAll(c.folder, 0o755),
		recording.Write(path),
		os.WriteFile(sdktest.ExpectedPath(path), []byte(bridge.Known()), 0o644),
	)
}

// drive runs the SDK until everything that it was told has arrived, or until maxWait.
func (c *testCase) drive(ctx context.Context, bridge *sdktest.Bridge) (told []event, sent []sdktest.Request, err error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	s := newSite(bridge, c.scripts, c.sdk.inBrowser)
	defer s.server.Close()
	scenario := c.runNode
	if c.sdk.inBrowser {
		var closeBrowser context.CancelFunc
		ctx, closeBrowser = newBrowser(ctx, s)
		defer closeBrowser()
		scenario = c.runBrowser
	}
	if told, err = scenario(ctx, s); err != nil {
		return nil, nil, err
	}
	// If something is still missing after this time, the last check says so.
	_ = bridge.WaitUntil(ctx, "events", func() (bool, error) { return check(told, bridge.Amplitude, s.recorded()) == nil, nil })
	return told, s.recorded(), nil
}
