// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// refuse answers a request whose content is invalid or too large.
func (s *Server) refuse(request *Request, sent *upload) (Answer, bool) {
	limits := s.limitsOf(request.API)
	switch {
	case request.Bytes > limits.Bytes, request.EventCount > limits.Events:
		return answerError(http.StatusRequestEntityTooLarge, "Payload too large"), true
	case sent.invalid:
		return answerError(http.StatusBadRequest, "Invalid JSON request body"), true
	case sent.key == nil, sent.key == "":
		return answerMissing("api_key"), true
	case !s.accepts(request.Key):
		return answerError(http.StatusBadRequest, "Invalid API key: "+request.Key), true
	case sent.invalidEvent:
		return answerError(http.StatusBadRequest, "Invalid event JSON"), true
	case len(sent.events) == 0:
		return answerMissing("events"), true
	}
	var problems []problem
	for i := range sent.events {
		problems = s.settings.check(problems, i, &sent.events[i], request.MinIDLength)
	}
	if len(problems) == 0 {
		return Answer{}, false
	}
	if s.settings.firstOnly {
		problems = problems[:1]
	}
	return answerProblems(problems), true
}

func (s *Server) limitsOf(api amplitude.API) Limits {
	documented := api.Limits()
	return Limits{Events: cmp.Or(s.limits.Events, documented.Events), Bytes: cmp.Or(s.limits.Bytes, documented.Bytes)}
}

func (s *Server) accepts(key string) bool {
	return key != "" && !s.keyRefused && (len(s.settings.keys) == 0 || slices.Contains(s.settings.keys, key))
}

// kind is the type of a field's value.
type kind uint8

const (
	aString kind = iota
	aNumber
	anInteger
	anObject
)

// kinds lists the fields whose type is documented. Other fields may hold anything.
var kinds = map[string]kind{
	"event_type": aString, "user_id": aString, "device_id": aString, "insert_id": aString,
	"app_version": aString, "platform": aString, "os_name": aString, "os_version": aString, "device_brand": aString,
	"device_manufacturer": aString, "device_model": aString, "carrier": aString, "country": aString, "region": aString,
	"city": aString, "dma": aString, "language": aString, "productId": aString, "revenueType": aString,
	"currency": aString, "ip": aString, "idfa": aString, "idfv": aString, "adid": aString, "android_id": aString,
	"partner_id": aString, "user_agent": aString,
	"time": aNumber, "price": aNumber, "quantity": anInteger, "revenue": aNumber, "location_lat": aNumber,
	"location_lng": aNumber, "event_id": aNumber, "session_id": aNumber,
	"event_properties": anObject, "user_properties": anObject, "groups": anObject, "group_properties": anObject,
	"plan": anObject,
}

func (k kind) allows(value any) bool {
	var is bool
	switch k {
	case aString:
		_, is = value.(string)
	case aNumber:
		_, is = value.(float64)
	case anInteger:
		var number float64
		number, is = value.(float64)
		is = is && number == math.Trunc(number)
	case anObject:
		_, is = value.(map[string]any)
	}
	return is
}

// The lists of events in a 400.
const (
	missingFields    = "events_with_missing_fields"
	invalidFields    = "events_with_invalid_fields"
	invalidIDLengths = "events_with_invalid_id_lengths"
)

// problem is what is wrong with a field of an event.
type problem struct {
	list, field string
	index       int
}

// check appends the problems of an event. It checks the length of the ids only if there are no other problems.
func (s *settings) check(problems []problem, index int, e *Event, minIDLength int) []problem {
	known := len(problems)
	add := func(list, field string) {
		problems = append(problems, problem{list: list, field: field, index: index})
	}
	if e.Fields["event_type"] == nil || e.Fields["event_type"] == "" {
		add(missingFields, "event_type")
	}
	if e.Fields["user_id"] == nil && e.Fields["device_id"] == nil {
		add(missingFields, "user_id")
		add(missingFields, "device_id")
	}
	if e.Type == groupIdentifyType && e.Fields["groups"] == nil {
		add(missingFields, "groups")
	}
	for field, value := range e.Fields {
		if !isValid(field, value) {
			add(invalidFields, field)
		}
	}
	if len(problems) > known {
		slices.SortFunc(problems[known:], func(a, b problem) int { return strings.Compare(a.field, b.field) })
		return problems
	}
	for _, field := range s.shortIDs(e, minIDLength) {
		add(invalidIDLengths, field)
	}
	return problems
}

// isValid reports whether a field may have the value. A null field is treated like a missing one.
func isValid(field string, value any) bool {
	allowed, isKnown := kinds[field]
	if value == nil || !isKnown {
		return true
	}
	if !allowed.allows(value) {
		return false
	}
	switch value := value.(type) {
	case string:
		return field != "user_id" && field != "device_id" || !amplitude.RefusedID(value)
	case map[string]any:
		hasOperations := field == "user_properties" || field == "group_properties"
		return depth(value) <= amplitude.MaxDepth && (!hasOperations || operationsAreValid(value))
	default:
		return true
	}
}

// shortIDs returns the names of the ids that are too short, if the event is to be refused because of them.
func (s *settings) shortIDs(e *Event, minimum int) []string {
	var short []string
	hasID := false
	for _, id := range [...]struct{ field, value string }{{"user_id", e.UserID}, {"device_id", e.DeviceID}} {
		switch {
		case id.value == "":
		case amplitude.LongEnough(id.value, minimum):
			hasID = true
		default:
			short = append(short, id.field)
		}
	}
	if hasID && !s.refuseShortIDs {
		return nil
	}
	return short
}

// answerProblems lists all problems. The error text is for the most serious one.
func answerProblems(problems []problem) Answer {
	lists := map[string]map[string][]int{}
	for _, p := range problems {
		if lists[p.list] == nil {
			lists[p.list] = map[string][]int{}
		}
		lists[p.list][p.field] = append(lists[p.list][p.field], p.index)
	}
	body := map[string]any{"error": "Invalid id length for user_id or device_id"}
	if _, has := lists[invalidFields]; has {
		body["error"] = "Invalid field values on some events"
	}
	if _, has := lists[missingFields]; has {
		body["error"] = "Request missing required field"
	}
	for list, byField := range lists {
		body[list] = byField
	}
	return answerJSON(http.StatusBadRequest, body)
}

func answerMissing(field string) Answer {
	return answerJSON(http.StatusBadRequest, map[string]any{"error": "Request missing required field", "missing_field": field})
}

func answerError(status int, text string) Answer {
	return answerJSON(status, map[string]any{"error": text})
}
