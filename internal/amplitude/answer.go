// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Outcome is what became of a request.
type Outcome uint8

// The outcomes. The zero value loses nothing.
const (
	// OutcomeRetry is a fault of the server, or of whatever stands in its place: all is sent again after a backoff.
	OutcomeRetry Outcome = iota
	// OutcomeAccepted is a request of which nothing is left to do.
	OutcomeAccepted
	// OutcomeSomeRefused is a request of which the named events are dropped and the rest is sent again at once.
	OutcomeSomeRefused
	// OutcomeRefused is a bad request that blames no event of its own: all are dropped.
	OutcomeRefused
	// OutcomeKeyRefused is an API key that is not taken, or not now: all is sent again, slowly.
	OutcomeKeyRefused
	// OutcomeTooLarge is a request to be sent again in halves.
	OutcomeTooLarge
	// OutcomeThrottled is a request some of whose users or devices send too much: theirs wait or are dropped, the rest
	// is sent again at once.
	OutcomeThrottled
)

// String returns the outcome as a metric label.
func (o Outcome) String() string {
	switch o {
	case OutcomeRetry:
		return "retry"
	case OutcomeAccepted:
		return "accepted"
	case OutcomeSomeRefused:
		return "some_refused"
	case OutcomeRefused:
		return "refused"
	case OutcomeKeyRefused:
		return "key_refused"
	case OutcomeTooLarge:
		return "too_large"
	case OutcomeThrottled:
		return "throttled"
	default:
		return "unknown"
	}
}

// Verdict is what to do with one event of a request.
type Verdict uint8

// The verdicts. The zero value loses nothing.
const (
	// SendAgain is an event of which Amplitude said nothing in a request that it did not take. How soon, and whether
	// in a smaller request, follows from the outcome.
	SendAgain Verdict = iota
	// Delivered is an event that Amplitude has.
	Delivered
	// Drop is an event that Amplitude will not take; the reason says why.
	Drop
	// Wait is an event whose user or device is throttled: it is sent again after the API's ThrottlePause. Events behind
	// it with the same user or device need not be named, yet must not overtake it.
	Wait
)

// String returns the verdict's name.
func (v Verdict) String() string {
	switch v {
	case SendAgain:
		return "send_again"
	case Delivered:
		return "delivered"
	case Drop:
		return "drop"
	case Wait:
		return "wait"
	default:
		return "unknown"
	}
}

// Reason is why an event is dropped.
type Reason uint8

// The reasons. Of several for one event the first of this list counts.
const (
	// ReasonNone is that of an event that is not dropped.
	ReasonNone Reason = iota
	ReasonInvalidField
	ReasonMissingField
	ReasonInvalidIDLength
	// ReasonSilenced is a device that Amplitude has silenced.
	ReasonSilenced
	// ReasonDailyQuota is a user or device that sent 500,000 events within a day after Amplitude took it for spam.
	ReasonDailyQuota
	// ReasonBadRequest is a request refused as a whole.
	ReasonBadRequest
	// ReasonTooLarge is an event that is too large for a request of its own.
	ReasonTooLarge

	Reasons = iota
)

// String returns the reason as a metric label.
func (r Reason) String() string {
	switch r {
	case ReasonNone:
		return "none"
	case ReasonInvalidField:
		return "invalid_field"
	case ReasonMissingField:
		return "missing_field"
	case ReasonInvalidIDLength:
		return "invalid_id_length"
	case ReasonSilenced:
		return "silenced"
	case ReasonDailyQuota:
		return "daily_quota"
	case ReasonBadRequest:
		return "bad_request"
	case ReasonTooLarge:
		return "too_large"
	default:
		return "unknown"
	}
}

// Answer is what an HTTP response to a request says about it and each of its events.
type Answer struct {
	Outcome Outcome
	// RetryAfter is how long the response asks to wait, at most an hour, and 0 where it does not.
	RetryAfter time.Duration

	names names
}

// ReadAnswer tells what the response to a request of so many events means. It reads the body for the statuses 400 and
// 429 alone. The body may be anything, also cut short: what it says before a fault counts. A Retry-After that is a date
// is relative to now.
func ReadAnswer(status int, retryAfter string, body []byte, events int, now time.Time) Answer {
	answer := Answer{RetryAfter: parseRetryAfter(retryAfter, now)}
	switch {
	case status >= 200 && status < 300:
		answer.Outcome = OutcomeAccepted
	case status == http.StatusBadRequest:
		answer.readBadRequest(body, events)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		answer.Outcome = OutcomeKeyRefused
	case status == http.StatusRequestEntityTooLarge:
		answer.Outcome = OutcomeTooLarge
	case status == http.StatusTooManyRequests:
		answer.readTooManyRequests(body, events)
	default:
		// Also what Amplitude never sends, as 404: a wrong endpoint or a proxy must not lose data.
		answer.Outcome = OutcomeRetry
	}
	return answer
}

func (a *Answer) readBadRequest(body []byte, events int) {
	said := readBody(body, events)
	switch {
	case said.refusesKey():
		// Even where it names events, as the documentation's example does: they may be good with a good key.
		a.Outcome = OutcomeKeyRefused
	case said.names.refuse():
		a.Outcome, a.names = OutcomeSomeRefused, said.names
	case said.names.throttle():
		a.Outcome, a.names = OutcomeThrottled, said.names
	default:
		a.Outcome = OutcomeRefused
	}
}

func (a *Answer) readTooManyRequests(body []byte, events int) {
	said := readBody(body, events)
	// No 429 is documented to find fault with an event itself.
	maps.DeleteFunc(said.names.refused, func(_ int, reason Reason) bool { return reason != ReasonSilenced })
	if !said.names.refuse() && !said.names.throttle() {
		a.Outcome = OutcomeRetry
		return
	}
	a.Outcome, a.names = OutcomeThrottled, said.names
}

// Of returns what to do with an event, given its index in the request and its ids as they were sent, "" for none, and
// for Drop the reason.
//
// An answer may name ids of which the request has none. If of a request that is OutcomeSomeRefused or OutcomeThrottled
// every event is to be sent again, the answer makes no sense, and is to be treated like OutcomeRetry.
func (a Answer) Of(index int, userID, deviceID string) (Verdict, Reason) {
	switch a.Outcome {
	case OutcomeAccepted:
		return Delivered, ReasonNone
	case OutcomeRefused:
		return Drop, ReasonBadRequest
	case OutcomeSomeRefused, OutcomeThrottled:
		return a.names.verdict(index, userID, deviceID)
	default:
		return SendAgain, ReasonNone
	}
}

// ThrottlesUser tells whether the answer names a user_id as throttled. That of a waiting event may be neither that, nor
// its device: Amplitude may have named the event alone.
func (a Answer) ThrottlesUser(userID string) bool {
	return a.names.throttledUsers.has(userID)
}

// ThrottlesDevice tells whether the answer names a device_id as throttled.
func (a Answer) ThrottlesDevice(deviceID string) bool {
	return a.names.throttledDevices.has(deviceID)
}

// String returns the outcome. Without it, a log of an answer would show people's ids.
func (a Answer) String() string {
	return a.Outcome.String()
}

// GoString is String, for %#v.
func (a Answer) GoString() string {
	return a.Outcome.String()
}

// names are the events and ids that a body names.
type names struct {
	// refused and throttled hold events by index in the request.
	refused   map[int]Reason
	throttled map[int]struct{}

	silencedDevices                  ids
	exceededUsers, exceededDevices   ids
	throttledUsers, throttledDevices ids
}

// ids never hold "": that is what an event without the id has.
type ids map[string]struct{}

func (s ids) has(id string) bool {
	_, found := s[id]
	return found
}

// refuse tells whether the names are reason to drop an event.
func (n *names) refuse() bool {
	return len(n.refused)+len(n.silencedDevices)+len(n.exceededUsers)+len(n.exceededDevices) > 0
}

// throttle tells whether the names are reason to let an event wait.
func (n *names) throttle() bool {
	return len(n.throttled)+len(n.throttledUsers)+len(n.throttledDevices) > 0
}

// verdict is that of an event in a request of which the rest is sent again. What is refused does not get better by
// waiting.
func (n *names) verdict(index int, userID, deviceID string) (Verdict, Reason) {
	if reason, refused := n.refused[index]; refused {
		return Drop, reason
	}
	if n.silencedDevices.has(deviceID) {
		return Drop, ReasonSilenced
	}
	if n.exceededUsers.has(userID) || n.exceededDevices.has(deviceID) {
		return Drop, ReasonDailyQuota
	}
	if _, throttled := n.throttled[index]; throttled || n.throttledUsers.has(userID) || n.throttledDevices.has(deviceID) {
		return Wait, ReasonNone
	}
	return SendAgain, ReasonNone
}

// bodyReader reads the fields that Amplitude documents for a 400 or a 429.
type bodyReader struct {
	events       int
	errorText    string
	missingField string
	names        names
}

func readBody(body []byte, events int) bodyReader {
	said := bodyReader{events: events}
	decoder := json.NewDecoder(bytes.NewReader(body))
	// As a double, a number out of range would be a fault, and what follows it lost.
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		// A text without fields is the error itself.
		said.errorText = string(body)
		return said
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return said
		}
		var value any
		if decoder.Decode(&value) != nil {
			return said
		}
		if name, isName := name.(string); isName {
			said.readField(name, value)
		}
	}
	return said
}

// readField reads a field if its value is of the documented kind. A field that comes twice counts twice.
func (b *bodyReader) readField(name string, value any) {
	switch name {
	case "error":
		b.errorText, _ = value.(string)
	case "missing_field":
		b.missingField, _ = value.(string)
	case "events_with_invalid_fields":
		b.refuseByField(value, ReasonInvalidField)
	case "events_with_missing_fields":
		b.refuseByField(value, ReasonMissingField)
	case "events_with_invalid_id_lengths":
		b.refuseByField(value, ReasonInvalidIDLength)
	case "silenced_events":
		b.refuse(value, ReasonSilenced)
	case "throttled_events":
		b.throttle(value)
	case "silenced_devices":
		b.names.silencedDevices = addIDs(b.names.silencedDevices, value)
	case "exceeded_daily_quota_users":
		b.names.exceededUsers = addIDs(b.names.exceededUsers, value)
	case "exceeded_daily_quota_devices":
		b.names.exceededDevices = addIDs(b.names.exceededDevices, value)
	case "throttled_users":
		b.names.throttledUsers = addIDs(b.names.throttledUsers, value)
	case "throttled_devices":
		b.names.throttledDevices = addIDs(b.names.throttledDevices, value)
	}
}

// refusesKey tells whether the request was refused for its API key. "Invalid API key" is a documented error; Amplitude's
// own libraries, too, look for it anywhere in the text and in any case.
func (b *bodyReader) refusesKey() bool {
	return b.missingField == "api_key" || strings.Contains(strings.ToLower(b.errorText), "invalid api key")
}

// refuseByField reads {field: [index, …]}. HTTP V2 is documented both to give a list and to give "the index of the
// first event", so that a bare index counts too.
func (b *bodyReader) refuseByField(value any, reason Reason) {
	byField, isObject := value.(map[string]any)
	if !isObject {
		b.refuse(value, reason)
		return
	}
	for _, indexes := range byField {
		if number, isNumber := indexes.(json.Number); isNumber {
			indexes = []any{number}
		}
		b.refuse(indexes, reason)
	}
}

func (b *bodyReader) refuse(value any, reason Reason) {
	for _, index := range b.indexes(value) {
		if known, refused := b.names.refused[index]; refused && known <= reason {
			continue
		}
		if b.names.refused == nil {
			b.names.refused = make(map[int]Reason)
		}
		b.names.refused[index] = reason
	}
}

func (b *bodyReader) throttle(value any) {
	for _, index := range b.indexes(value) {
		if b.names.throttled == nil {
			b.names.throttled = make(map[int]struct{})
		}
		b.names.throttled[index] = struct{}{}
	}
}

// indexes returns those numbers of a list that are indexes of events of the request. They may repeat.
func (b *bodyReader) indexes(value any) []int {
	list, _ := value.([]any)
	var indexes []int
	for _, element := range list {
		number, isNumber := element.(json.Number)
		if !isNumber {
			continue
		}
		index, err := number.Float64()
		if err == nil && index >= 0 && index < float64(b.events) && index == math.Trunc(index) {
			indexes = append(indexes, int(index))
		}
	}
	return indexes
}

// addIDs adds those of a list, or of an object that tells something of each.
func addIDs(to ids, value any) ids {
	if to == nil {
		to = make(ids)
	}
	switch value := value.(type) {
	case map[string]any:
		for id := range value {
			to[id] = struct{}{}
		}
	case []any:
		for _, element := range value {
			if id, isText := element.(string); isText {
				to[id] = struct{}{}
			}
		}
	}
	delete(to, "")
	return to
}

// maxRetryAfter bounds what a server, or a clock that is wrong, can make the caller wait.
const maxRetryAfter = time.Hour

// parseRetryAfter returns the delay that a Retry-After header of RFC 9110 asks for, from 0 to maxRetryAfter; 0 for what
// is no such header.
func parseRetryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	seconds, err := strconv.ParseInt(header, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		// Out of range, seconds is the nearest that is not.
		seconds = min(max(seconds, 0), int64(maxRetryAfter/time.Second))
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
