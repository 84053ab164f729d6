// SPDX-License-Identifier: Apache-2.0

// Command bench compares the speed of the impression processor with a loop that only looks for impressions and with OTTL
// processors that do the same job, the amplitude exporter with Amplitude's own client, its encoder with JSON libraries, and
// the webhook receiver with a bare HTTP handler. First it checks that all of them produce the same results. It prints one table
// and fails if a limit is missed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"time"
)

func main() {
	only := flag.String("only", "", "run only the entries whose names start with `prefix`, such as otel/10 or otel/10/ours")
	profile := flag.String("cpuprofile", "", "write a CPU profile to `file`; pprof -tagfocus=contender:ours hides the copying of batches")
	budget := flag.Duration("time", 5*time.Second, "measure each group for this `duration`")
	sink := flag.Bool("sink", false, "internal: count the events that another bench process sends, until standard input ends")
	post := flag.Bool("post", false, "internal: post the webhooks that another bench process asks for, until standard input ends")
	flag.Parse()
	do := func() error { return run(*only, *budget) }
	switch {
	case *sink:
		do = func() error { return serveSink(os.Stdin, os.Stdout) }
	case *post:
		do = func() error { return servePoster(os.Stdin, os.Stdout) }
	}
	if err := profiled(*profile, do); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(only string, budget time.Duration) error {
	groups, err := newGroups(only)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := g.check(); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	for _, g := range groups {
		if err := g.run(budget); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	if err := printTable(os.Stdout, groups); err != nil {
		return err
	}
	return missed(groups)
}

func profiled(path string, f func() error) (err error) {
	if path == "" {
		return f()
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}
