// SPDX-License-Identifier: Apache-2.0

package transport // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/transport"

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"golang.org/x/net/http2"
)

// plainError is an error of the transport in our own words.
type plainError struct {
	text  string
	cause error
}

func (e *plainError) Error() string { return e.text }

func (e *plainError) Unwrap() error { return e.cause }

// plain returns an error that says what failed without the text of err, which may quote the answer.
func plain(err error) error {
	if known := (*plainError)(nil); errors.As(err, &known) {
		return known
	}
	return &plainError{text: describe(err), cause: err}
}

func describe(err error) string {
	if text := describeConnection(err); text != "" {
		return text
	}
	if text := describeTLS(err); text != "" {
		return text
	}
	var goAway http2.GoAwayError
	var stream http2.StreamError
	switch {
	case errors.As(err, &goAway):
		return fmt.Sprintf("the server closed the HTTP/2 connection: %s", goAway.ErrCode)
	case errors.As(err, &stream):
		return fmt.Sprintf("HTTP/2 error: %s", stream.Code)
	case strings.HasPrefix(err.Error(), "net/http: invalid header"):
		return "a header of the request isn't valid; check headers and auth"
	}
	return "the answer isn't valid HTTP"
}

// describeConnection returns "" if the connection isn't the cause.
func describeConnection(err error) string {
	var timeout net.Error
	var dns *net.DNSError
	var system syscall.Errno
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(),
		// A client's timeout can also look like this.
		strings.HasPrefix(err.Error(), "net/http: request canceled"):
		return "timed out"
	case errors.As(err, &dns):
		return "the host name can't be resolved"
	case errors.As(err, &system):
		// The text is the operating system's.
		return system.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		strings.HasSuffix(err.Error(), "server closed idle connection"), strings.HasSuffix(err.Error(), "client connection lost"):
		return "the connection was closed"
	}
	return ""
}

// describeTLS returns "" if TLS isn't the cause. The names in a certificate are the server's, too.
func describeTLS(err error) string {
	var hostname x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &hostname):
		return "the server's certificate is for another host"
	case errors.As(err, &authority):
		return "the server's certificate is signed by an unknown authority; check tls.ca_file"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or isn't valid yet"
	case errors.As(err, &verification):
		return "the server's certificate isn't valid"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the server doesn't speak TLS"
	case errors.As(err, &alert), strings.Contains(err.Error(), "tls: "):
		return "the TLS handshake failed"
	}
	return ""
}
