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

// Outcome is the result of a request.
type Outcome uint8

// The outcomes. The zero value loses no event.
const (
	// OutcomeRetry means that the server, or whatever answered in its place, failed: send everything again after a
	// backoff.
	OutcomeRetry Outcome = iota
	// OutcomeAccepted means that the request is done.
	OutcomeAccepted
	// OutcomeSomeRefused means that Amplitude refuses the events that it names: drop those, and send the rest again at
	// once.
	OutcomeSomeRefused
	// OutcomeRefused means that Amplitude, or a proxy or firewall before it, refuses the request without naming events: send
	// it again in halves.
	OutcomeRefused
	// OutcomeKeyRefused means that the API key is refused, for good or for now: send everything again, slowly.
	OutcomeKeyRefused
	// OutcomeTooLarge means that the request is too large: send it again in halves.
	OutcomeTooLarge
	// OutcomeNotAmplitude means that something else than Amplitude answered with success: send everything again after a
	// backoff.
	OutcomeNotAmplitude
	// OutcomeThrottled means that some users or devices send too much: their events wait or are dropped, and the rest is
	// sent again at once.
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
	case OutcomeNotAmplitude:
		return "not_amplitude"
	case OutcomeThrottled:
		return "throttled"
	default:
		return "unknown"
	}
}

// Verdict is what to do with one event of a request.
type Verdict uint8

// The verdicts. The zero value loses no event.
const (
	// SendAgain is for an event that Amplitude didn't name in a request that it didn't accept. The outcome determines how
	// soon to send it, and whether in a smaller request.
	SendAgain Verdict = iota
	// Delivered is for an event that Amplitude has.
	Delivered
	// Drop is for an event that Amplitude refuses for good. The reason says why.
	Drop
	// Wait is for an event whose user or device is throttled. It is sent again after the API's ThrottlePause. Later events
	// of the same user or device must not overtake it, even if the answer doesn't name them.
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

// The reasons. If there are several for one event, the first in this list counts.
const (
	// ReasonNone is for an event that isn't dropped.
	ReasonNone Reason = iota
	ReasonInvalidField
	ReasonMissingField
	ReasonInvalidIDLength
	// ReasonSilenced is for an event of a device that Amplitude has silenced.
	ReasonSilenced
	// ReasonDailyQuota is for an event of a user or device that Amplitude considers spam and that exceeded the daily quota
	// of 500,000 events.
	ReasonDailyQuota
	// ReasonBadRequest is for an event that is refused with a 400 that doesn't name it.
	ReasonBadRequest
	// ReasonForbidden is for an event that is refused with a 403, as a firewall does for its content.
	ReasonForbidden
	// ReasonTooLarge is for an event that is too large even for a request of its own.
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
	case ReasonForbidden:
		return "forbidden"
	case ReasonTooLarge:
		return "too_large"
	default:
		return "unknown"
	}
}

// Answer is what an HTTP response says about a request and each of its events.
type Answer struct {
	Outcome Outcome
	// RetryAfter is how long the response asks to wait, at most MaxRetryAfter. It is 0 if the response doesn't ask.
	RetryAfter time.Duration

	names names
}

// ReadAnswer interprets the response to a request with this number of events. It only reads the body if the status is 200, 400,
// or 429. The body may be anything. If it is malformed or cut short, everything before that place counts. now is the time to
// which a date in Retry-After is relative.
func ReadAnswer(status int, retryAfter string, body []byte, events int, now time.Time) Answer {
	answer := Answer{RetryAfter: parseRetryAfter(retryAfter, now)}
	switch {
	case status == http.StatusOK && isSuccess(body):
		answer.Outcome = OutcomeAccepted
	case status >= 200 && status < 300:
		answer.Outcome = OutcomeNotAmplitude
	case status == http.StatusBadRequest:
		answer.readBadRequest(body, events)
	case status == http.StatusUnauthorized:
		answer.Outcome = OutcomeKeyRefused
	case status == http.StatusForbidden:
		// Amplitude's firewall answers 403 to a body that it dislikes, and to regions.
		answer.Outcome = OutcomeRefused
	case status == http.StatusRequestEntityTooLarge:
		answer.Outcome = OutcomeTooLarge
	case status == http.StatusTooManyRequests:
		answer.readTooManyRequests(body, events)
	default:
		// This includes statuses that Amplitude never sends, such as 404, because a wrong endpoint or a proxy must not cause
		// loss.
		answer.Outcome = OutcomeRetry
	}
	return answer
}

// isSuccess reports whether a body is Amplitude's answer to a request that it accepted: a JSON object with the code 200.
func isSuccess(body []byte) bool {
	var said struct {
		Code float64 `json:"code"`
	}
	return json.Unmarshal(body, &said) == nil && said.Code == http.StatusOK
}

func (a *Answer) readBadRequest(body []byte, events int) {
	said := readBody(body, events)
	switch {
	case said.names.refuse():
		// Even if it also says that the key is missing, as the documentation's example does: otherwise a bad event would hold
		// up all others.
		a.Outcome, a.names = OutcomeSomeRefused, said.names
	case said.names.throttle():
		a.Outcome, a.names = OutcomeThrottled, said.names
	case said.refusesKey():
		a.Outcome = OutcomeKeyRefused
	default:
		a.Outcome = OutcomeRefused
	}
}

func (a *Answer) readTooManyRequests(body []byte, events int) {
	said := readBody(body, events)
	// According to the documentation, a 429 doesn't refuse events for their content.
	maps.DeleteFunc(said.names.refused, func(_ int, reason Reason) bool { return reason != ReasonSilenced })
	if !said.names.refuse() && !said.names.throttle() {
		a.Outcome = OutcomeRetry
		return
	}
	a.Outcome, a.names = OutcomeThrottled, said.names
}

// Of returns what to do with an event, and the reason if that is Drop. The event is given by its index in the request and
// by its ids as they were sent, "" if it has none.
//
// An answer may name ids that the request doesn't contain. If every event of an OutcomeSomeRefused or OutcomeThrottled
// request is to be sent again, the answer makes no sense: treat it like OutcomeRefused or OutcomeRetry.
func (a Answer) Of(index int, userID, deviceID string) (Verdict, Reason) {
	switch a.Outcome {
	case OutcomeAccepted:
		return Delivered, ReasonNone
	case OutcomeSomeRefused, OutcomeThrottled:
		return a.names.verdict(index, userID, deviceID)
	default:
		return SendAgain, ReasonNone
	}
}

// ThrottlesUser reports whether the answer names a user_id as throttled. An event may have to wait although neither its user
// nor its device is named, because Amplitude can also name the event itself.
func (a Answer) ThrottlesUser(userID string) bool {
	return a.names.throttledUsers.has(userID)
}

// ThrottlesDevice reports whether the answer names a device_id as throttled.
func (a Answer) ThrottlesDevice(deviceID string) bool {
	return a.names.throttledDevices.has(deviceID)
}

// String returns the outcome. It keeps the ids of people out of logs.
func (a Answer) String() string {
	return a.Outcome.String()
}

// GoString is like String, for %#v.
func (a Answer) GoString() string {
	return a.Outcome.String()
}

// names holds the events and ids that a body names.
type names struct {
	// refused and throttled hold events by index in the request.
	refused   map[int]Reason
	throttled map[int]struct{}

	silencedDevices                  ids
	exceededUsers, exceededDevices   ids
	throttledUsers, throttledDevices ids
}

// ids is a set of ids. It never contains "", which stands for an event without an id.
type ids map[string]struct{}

func (s ids) has(id string) bool {
	_, found := s[id]
	return found
}

// refuse reports whether an event is to be dropped because of these names.
func (n *names) refuse() bool {
	return len(n.refused)+len(n.silencedDevices)+len(n.exceededUsers)+len(n.exceededDevices) > 0
}

// throttle reports whether an event has to wait because of these names.
func (n *names) throttle() bool {
	return len(n.throttled)+len(n.throttledUsers)+len(n.throttledDevices) > 0
}

// verdict returns the verdict for an event of an OutcomeSomeRefused or OutcomeThrottled request. Refusal comes before
// throttling, because waiting doesn't help a refused event.
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

// bodyReader reads the fields that Amplitude documents for the statuses 400 and 429.
type bodyReader struct {
	events       int
	errorText    string
	missingField string
	names        names
}

func readBody(body []byte, events int) bodyReader {
	said := bodyReader{events: events}
	decoder := json.NewDecoder(bytes.NewReader(body))
	// As a float64, a number out of range would be an error that ends reading.
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		// A body that isn't an object is an error text.
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

// readField reads a field if its value has the documented type. If a field occurs twice, both add up.
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

// refusesKey reports whether the request was refused because of its API key. "Invalid API key" is a documented error.
// Like Amplitude's own libraries, refusesKey looks for it anywhere in the text, in upper or lower case.
func (b *bodyReader) refusesKey() bool {
	return b.missingField == "api_key" || strings.Contains(strings.ToLower(b.errorText), "invalid api key")
}

// refuseByField reads {field: [index, …]}. For HTTP V2 the documentation shows a list, but also says "the index of the first
// event", so a number in place of a list counts too.
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

// indexes returns the numbers in a list that are indexes of events of the request. They may repeat.
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

// addIDs adds the ids in a list, or the keys of an object that has details for each id.
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

// MaxRetryAfter limits how long a server, or a wrong clock, can make the caller wait.
const MaxRetryAfter = time.Hour

// parseRetryAfter returns the delay that a Retry-After header (RFC 9110) asks for, from 0 to MaxRetryAfter. It returns 0 if
// the header is malformed.
func parseRetryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	seconds, err := strconv.ParseInt(header, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		// If it is out of range, ParseInt returns the nearest value in range.
		seconds = min(max(seconds, 0), int64(MaxRetryAfter/time.Second))
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}
