// SPDX-License-Identifier: Apache-2.0

// Fakeamplitude serves Amplitude's ingestion APIs as documented, for trying a bridge without an Amplitude project. When it
// is interrupted, it prints what Amplitude would know about each user.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until the context is canceled.
func run(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("fakeamplitude", flag.ContinueOnError)
	flags.SetOutput(out)
	listen := flags.String("listen", "127.0.0.1:8089", "the `address` to listen on")
	fail := flags.Float64("fail", 0, "the `share` of requests, from 0 to 1, to answer with 503")
	latency := flags.Duration("latency", 0, "how long to wait before each answer")
	limit := flags.Int("limit", 0, "the maximum size of a request in `bytes` (default: the API's own limit)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *fail < 0 || *fail > 1 {
		return fmt.Errorf("-fail %v: the share of failures must be from 0 to 1", *fail)
	}

	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any seed will do
	server := amplitudetest.New(amplitudetest.WithSeed(seed), amplitudetest.WithLimits(amplitudetest.Limits{Bytes: *limit}))
	server.SetLatency(*latency)
	if *fail > 0 {
		server.AnswerShare(*fail, amplitudetest.Answer{Status: http.StatusServiceUnavailable})
	}
	if err := server.Listen(ctx, *listen); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "HTTP V2 API  %s\nBatch API    %s\nusers        %s and %s.json\nPress Ctrl-C to stop and print what is known about each user.\n",
		server.URL(amplitude.HTTPV2), server.URL(amplitude.Batch), server.KnownURL(), server.KnownURL())
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, server.Close(), writeKnown(out, server))
}

func writeKnown(out io.Writer, server *amplitudetest.Server) error {
	// The terminal shows ^C on the current line.
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	return server.WriteKnown(out)
}
