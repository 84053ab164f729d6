// SPDX-License-Identifier: Apache-2.0

// The fakeamplitude command serves Amplitude's ingestion APIs, as documented, to try a bridge without an Amplitude
// project. When it is interrupted it tells what Amplitude would know of each user.
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

// run serves until the context ends.
func run(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("fakeamplitude", flag.ContinueOnError)
	flags.SetOutput(out)
	listen := flags.String("listen", "127.0.0.1:8089", "`address` to listen on")
	fail := flags.Float64("fail", 0, "`share` of the requests that are answered with 503, from 0 to 1")
	latency := flags.Duration("latency", 0, "how long each answer takes to begin")
	limit := flags.Int("limit", 0, "most `bytes` of a request (default: the API's own limit)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *fail < 0 || *fail > 1 {
		return fmt.Errorf("-fail %v: want a share from 0 to 1", *fail)
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
	_, err := fmt.Fprintf(out, "HTTP V2  %s\nBatch    %s\nknown    %s and %s.json\n",
		server.URL(amplitude.HTTPV2), server.URL(amplitude.Batch), server.KnownURL(), server.KnownURL())
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, server.Close(), writeKnown(out, server))
}

func writeKnown(out io.Writer, server *amplitudetest.Server) error {
	// Below the ^C that a terminal shows.
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	return server.WriteKnown(out)
}
