// SPDX-License-Identifier: Apache-2.0

// The demo runs the collector on testdata/demo and shows what it did to each impression. It fails when the collector's
// output is not the expected one.
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

	"github.com/impression-collector/impressionprocessor/internal/collectortest"
)

func main() {
	update := flag.Bool("update", false, "make the collector's output the expected one")
	flag.Parse()
	root, err := collectortest.Root()
	if err == nil {
		err = run(context.Background(), os.Stdout, filepath.Join(root, "testdata", "demo"), *update)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run shows what the collector makes of the events in a folder.
func run(ctx context.Context, out io.Writer, folder string, update bool) (err error) {
	output, err := os.CreateTemp("", "impression-demo-*.json")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, output.Close(), os.Remove(output.Name())) }()

	events := filepath.Join(folder, "events.ndjson")
	logs, err := collectortest.ProcessFile(ctx, filepath.Join(folder, "collector.yaml"), events, output.Name())
	if err != nil {
		return err
	}
	records := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	expected := filepath.Join(folder, "expected.ndjson")
	if update {
		return writeExpected(expected, records)
	}
	input, err := os.ReadFile(events)
	if err != nil {
		return err
	}
	lines, pairErr := pair(bytes.Split(bytes.TrimSpace(input), []byte("\n")), records)
	if err := errors.Join(tell(out, lines), pairErr, checkExpected(expected, records)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%d lines in, %d records out, as testdata/demo/expected.ndjson has them\n", len(lines), records.Len())
	return err
}
