// SPDX-License-Identifier: Apache-2.0

// Package transport keeps the bytes of answers out of errors and logs. Whatever answers in Amplitude's place can put anything into
// them, such as the key and the events that it just received.
package transport // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/transport"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configmiddleware"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
)

// middlewareID names the middleware that wraps the transport. A configuration can't name it, because it has no type of extension.
var middlewareID = component.MustNewIDWithName("amplitude", "transport")

// NewClient returns a client that follows no redirects. What can be seen of its errors, also in traces, has no bytes of an answer.
// Errors of middlewares and authenticators are theirs.
func NewClient(ctx context.Context, host component.Host, config confighttp.ClientConfig, settings component.TelemetrySettings) (*http.Client, error) {
	hideUnsolicited()
	// The last middleware is the innermost, so its errors are those that tracing sees.
	config.Middlewares = append(slices.Clone(config.Middlewares), configmiddleware.Config{ID: middlewareID})
	extensions := map[component.ID]component.Component{middlewareID: middleware{}}
	maps.Copy(extensions, host.GetExtensions())
	return config.ToClient(ctx, extensions, settings)
}

type middleware struct {
	component.StartFunc
	component.ShutdownFunc
}

var _ extensionmiddleware.HTTPClient = middleware{}

// GetHTTPRoundTripper implements extensionmiddleware.HTTPClient.
func (middleware) GetHTTPRoundTripper(context.Context) (extensionmiddleware.WrapHTTPRoundTripperFunc, error) {
	return func(_ context.Context, base http.RoundTripper) (http.RoundTripper, error) {
		if t, is := base.(*http.Transport); is {
			t.OnProxyConnectResponse = checkProxy
		}
		return &plainTransport{base: base}, nil
	}, nil
}

// checkProxy is called before the transport would return the proxy's text as an error.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return &plainError{text: fmt.Sprintf("the proxy answers CONNECT with status %d", response.StatusCode)}
}

// plainTransport replaces the errors of a transport.
type plainTransport struct {
	base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *plainTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.base.RoundTrip(request)
	if err != nil {
		return nil, plain(err)
	}
	// Without a Location, the client follows no redirect, whose target must not get the key and the events. It also has no
	// Location to repeat if it can't parse it.
	response.Header.Del("Location")
	response.Body = &plainBody{ReadCloser: response.Body}
	return response, nil
}

// plainBody replaces the errors of a body.
type plainBody struct {
	io.ReadCloser
}

func (b *plainBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = plain(err)
	}
	return n, err
}
