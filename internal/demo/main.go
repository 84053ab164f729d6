// SPDX-License-Identifier: Apache-2.0

// Demo runs the collector on testdata/demo and shows each impression before and after. With -bridge it uses
// testdata/demo/bridge and shows what Amplitude then knows about each user. It fails if the result isn't the expected one.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

func main() {
	update := flag.Bool("update", false, "replace the expected output with the collector's")
	bridge := flag.Bool("bridge", false, "send the events to a fake Amplitude and show what it knows about each user")
	flag.Parse()
	ctx := context.Background()
	root, err := collectortest.Root()
	demo := filepath.Join(root, "testdata", "demo")
	switch {
	case err != nil:
	case *bridge:
		err = runBridge(ctx, terminal(os.Stdin), os.Stdout, filepath.Join(root, "testdata", "demo", "bridge"), filepath.Join(demo, eventsFile), *update)
	default:
		err = run(ctx, os.Stdout, demo, *update)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// terminal returns the file if it is a terminal, at which somebody can press Enter, or else nothing to read.
func terminal(file *os.File) io.Reader {
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return strings.NewReader("")
	}
	return file
}

// eventsFile is the name of the input file of both demos.
const eventsFile = "events.ndjson"

// run shows how the collector changes the events in a folder.
func run(ctx context.Context, out io.Writer, folder string, update bool) (err error) {
	output, err := os.CreateTemp("", "impression-demo-*.json")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, output.Close(), os.Remove(output.Name())) }()

	events := filepath.Join(folder, eventsFile)
	logs, err := collectortest.ProcessFile(ctx, filepath.Join(folder, "collector.yaml"), events, output.Name())
	if err != nil {
		return err
	}
	records := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	expected := filepath.Join(folder, "expected.ndjson")
	if update {
		return writeExpected(expected, objectsOf(records))
	}
	input, err := os.ReadFile(events)
	if err != nil {
		return err
	}
	lines, pairErr := pair(bytes.Split(bytes.TrimSpace(input), []byte("\n")), records)
	if err := errors.Join(printLines(out, lines), pairErr, checkExpected(expected, objectsOf(records))); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%d lines in, %d records out: the same as in testdata/demo/expected.ndjson\n", len(lines), records.Len())
	return err
}
