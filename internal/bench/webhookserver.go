// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

// The contenders at receiving webhooks, besides ours.
const (
	// bareHandler does what no receiver can do without.
	bareHandler = "bare handler"
	// bareInConfighttp is the bare handler in the collector's HTTP server. It shows how much of ours isn't our code.
	bareInConfighttp = "bare handler in confighttp"
)

// webhookServer is a contender that listens.
type webhookServer struct {
	url  string
	stop func(context.Context) error
}

func startWebhookServer(contender string, next consumer.Logs) (*webhookServer, error) {
	ctx := context.Background()
	endpoint, err := collectortest.FreeEndpoint(ctx)
	if err != nil {
		return nil, err
	}
	s := &webhookServer{url: "http://" + endpoint + "/segment"}
	if contender == ours {
		s.stop, err = startReceiver(ctx, endpoint, next)
	} else {
		s.stop, err = startBareHandler(ctx, contender, endpoint, next)
	}
	return s, err
}

// startReceiver starts a receiver with the default configuration and one source. It returns how to stop it.
func startReceiver(ctx context.Context, endpoint string, next consumer.Logs) (func(context.Context) error, error) {
	factory := cdpwebhookreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*cdpwebhookreceiver.Config)
	config.ServerConfig.NetAddr.Endpoint = endpoint
	signature := cdpwebhookreceiver.SignatureConfig{Preset: "segment", Secrets: []configopaque.String{webhookSecret}}
	config.Sources = map[string]cdpwebhookreceiver.SourceConfig{
		"segment": {Path: "/segment", Signature: configoptional.Some(signature)},
	}
	if err := confmap.Validate(config); err != nil {
		return nil, err
	}
	set := receiver.Settings{ID: component.NewID(factory.Type()), TelemetrySettings: newTelemetry()}
	r, err := factory.CreateLogs(ctx, set, config, next)
	if err != nil {
		return nil, err
	}
	return r.Shutdown, r.Start(ctx, componenttest.NewNopHost())
}

// startBareHandler starts a bare handler with the timeouts of ours. It returns how to stop it.
func startBareHandler(ctx context.Context, contender, endpoint string, next consumer.Logs) (func(context.Context) error, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", endpoint)
	if err != nil {
		return nil, err
	}
	config := confighttp.NewDefaultServerConfig()
	server := &http.Server{
		Handler: newBareHandler(next), ReadHeaderTimeout: config.ReadHeaderTimeout, WriteTimeout: config.WriteTimeout,
		IdleTimeout: confighttp.NewDefaultKeepaliveServerConfig().IdleTimeout,
	}
	if contender == bareInConfighttp {
		if server, err = config.ToServer(ctx, nil, newTelemetry(), server.Handler); err != nil {
			return nil, errors.Join(err, listener.Close())
		}
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if serving := <-served; !errors.Is(serving, http.ErrServerClosed) {
			err = errors.Join(err, serving)
		}
		return err
	}, nil
}

// maxWebhook is the maximum length of a body, as in the default configuration of ours.
const maxWebhook = 4 << 20

// newBareHandler returns a handler that reads a body, checks Segment's signature, parses the body, and passes on a record for
// each event. It refuses bodies of unknown length, which saves it copies.
//
// It parses with internal/jsonvalue, as ours does. The only other libraries that are as fast need code around them to keep all
// that is in a body (see the documentation of internal/jsonvalue). So the difference to ours is what ours does besides parsing.
func newBareHandler(next consumer.Logs) http.Handler {
	parsers := sync.Pool{New: func() any {
		return jsonvalue.NewParser(jsonvalue.Limits{MaxDepth: 100, MaxBytes: math.MaxInt, MaxValues: 500_000})
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 || r.ContentLength > maxWebhook {
			http.Error(w, "wrong length", http.StatusBadRequest)
			return
		}
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if !isSigned(r.Header.Get(signatureHeader), body) {
			http.Error(w, "wrong signature", http.StatusUnauthorized)
			return
		}
		parser := parsers.Get().(*jsonvalue.Parser)
		defer parsers.Put(parser)
		value := pcommon.NewValueEmpty()
		if err := parser.Parse(string(body), value); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := next.ConsumeLogs(r.Context(), logsOf(value)); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// A sender that doesn't get the answer notices by itself.
		_, _ = io.WriteString(w, `{"success":true,"code":200}`)
	})
}

// isSigned reports whether a signature is that of the first element of a list, or of the whole body.
func isSigned(signature string, body []byte) bool {
	given, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	signed := body
	if bytes.HasPrefix(body, []byte("[")) {
		decoder := jsontext.NewDecoder(bytes.NewBuffer(body))
		if _, err := decoder.ReadToken(); err != nil {
			return false
		}
		if signed, err = decoder.ReadValue(); err != nil {
			return false
		}
	}
	return hmac.Equal(given, signatureOf(signed))
}

// logsOf returns logs with a record for each event: the elements of a list, or the value itself.
func logsOf(value pcommon.Value) plog.Logs {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	if value.Type() != pcommon.ValueTypeSlice {
		value.MoveTo(records.AppendEmpty().Body())
		return logs
	}
	for _, element := range value.Slice().All() {
		element.MoveTo(records.AppendEmpty().Body())
	}
	return logs
}
