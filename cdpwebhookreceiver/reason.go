// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"errors"
	"net/http"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// reason is why a request was refused: the attribute reason of receiver_cdp_webhook_requests, which metadata.yaml also
// lists.
type reason uint8

const (
	// accepted means that the request wasn't refused.
	accepted reason = iota
	unsupportedEncoding
	invalidEncoding
	incompleteBody
	invalidJSON
	tooDeep
	tooManyValues
	base64Form
	notAnObject
	mixedEvents
	envelopeTooLarge
	envelopeTooDeep
	noSignature
	wrongSignature
	staleTimestamp
	wrongHeader
	unauthorized
	unknownPath
	wrongMethod
	tooLarge
	permanentError
	retryableError
	timedOut
	slowBody
	tooManyRequests

	numReasons = iota
)

// answers has the answer for each reason: its name in metrics and answers, the status, and what it tells the sender.
var answers = [numReasons]struct {
	name   string
	status int
	text   string
}{
	accepted: {"none", http.StatusOK, ""},

	unsupportedEncoding: {"unsupported_encoding", http.StatusBadRequest, "the Content-Encoding isn't supported; send gzip or none"},
	invalidEncoding:     {"invalid_encoding", http.StatusBadRequest, "the body can't be decompressed"},
	incompleteBody:      {"incomplete_body", http.StatusBadRequest, "the body ended too early"},
	invalidJSON:         {"invalid_json", http.StatusBadRequest, "the body isn't JSON"},
	tooDeep:             {"json_too_deep", http.StatusBadRequest, "the JSON is nested too deeply"},
	tooManyValues:       {"json_too_many_values", http.StatusBadRequest, "the JSON has too many values; send fewer events at once"},
	base64Form:          {"base64_form", http.StatusBadRequest, "the body is base64, as PostHog and Mixpanel send it; send JSON"},
	notAnObject:         {"not_an_object", http.StatusBadRequest, "an event isn't a JSON object"},
	mixedEvents:         {"mixed_events", http.StatusBadRequest, "a list has events and other values, or there are two lists of events"},
	envelopeTooLarge:    {"envelope_too_large", http.StatusBadRequest, "the fields around a list of events are too large to be copied to each event"},
	envelopeTooDeep:     {"envelope_too_deep", http.StatusBadRequest, "the events are nested too deeply"},

	noSignature:    {"no_signature", http.StatusUnauthorized, "the signature is missing or isn't encoded as configured"},
	wrongSignature: {"wrong_signature", http.StatusUnauthorized, "the signature doesn't match the body"},
	staleTimestamp: {"stale_timestamp", http.StatusUnauthorized, "the signature's timestamp is missing, too old, or in the future"},
	wrongHeader:    {"wrong_header", http.StatusUnauthorized, "the configured header is missing or has another value"},
	unauthorized:   {"unauthorized", http.StatusUnauthorized, "the request isn't authorized"},

	unknownPath: {"unknown_path", http.StatusNotFound, "no source has this path"},
	wrongMethod: {"method", http.StatusMethodNotAllowed, "only POST is allowed"},
	tooLarge:    {"too_large", http.StatusRequestEntityTooLarge, "the body is larger than max_request_body_size"},

	permanentError: {"permanent_error", http.StatusInternalServerError, "the collector's pipeline refused the events"},

	retryableError:  {"retryable_error", http.StatusServiceUnavailable, "the collector's pipeline can't take the events now; try again"},
	timedOut:        {"max_wait", http.StatusServiceUnavailable, "the collector took too long; try again"},
	slowBody:        {"slow_body", http.StatusServiceUnavailable, "the body took too long; try again"},
	tooManyRequests: {"too_many_requests", http.StatusServiceUnavailable, "too many requests are under way; try again"},
}

func (r reason) String() string { return answers[r].name }

// reasonOfJSON returns the reason for an error of jsonvalue.
func reasonOfJSON(err error) reason {
	switch {
	case errors.Is(err, jsonvalue.ErrTooDeep):
		return tooDeep
	case errors.Is(err, jsonvalue.ErrTooMany):
		return tooManyValues
	default:
		return invalidJSON
	}
}

// reasonOfProblem returns the reason for a record that can't be unrolled, or accepted for any other record.
func reasonOfProblem(p reader.Problem) reason {
	switch p {
	case reader.MixedEvents:
		return mixedEvents
	case reader.EnvelopeTooLarge:
		return envelopeTooLarge
	case reader.EnvelopeTooDeep:
		return envelopeTooDeep
	default:
		return accepted
	}
}
