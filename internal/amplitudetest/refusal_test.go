// SPDX-License-Identifier: Apache-2.0

package amplitudetest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

const good = `{"event_type":"a","user_id":"alice"}`

func TestRefusedRequests(t *testing.T) {
	const (
		invalidJSON = `{"code":400,"error":"Invalid JSON request body"}`
		noKey       = `{"code":400,"error":"Request missing required field","missing_field":"api_key"}`
		noEvents    = `{"code":400,"error":"Request missing required field","missing_field":"events"}`
		wrongKey    = `{"code":400,"error":"Invalid API key: other"}`
		invalidItem = `{"code":400,"error":"Invalid event JSON"}`
	)
	for name, c := range map[string]struct{ body, want string }{
		"empty":               {"", invalidJSON},
		"not an object":       {"[]", invalidJSON},
		"cut":                 {`{"api_key":"key","events":[` + good, invalidJSON},
		"cut in a name":       {`{"api_key":"key","ev`, invalidJSON},
		"cut in an event":     {`{"api_key":"key","events":[{"user_id":`, invalidJSON},
		"text after the end":  {body(good) + "{}", invalidJSON},
		"not a number":        {body(`{"event_type":"a","user_id":"alice","time":NaN}`), invalidJSON},
		"invalid UTF-8":       {body("{\"event_type\":\"\xff\",\"user_id\":\"alice\"}"), invalidJSON},
		"no key":              {`{"events":[` + good + `]}`, noKey},
		"null key":            {`{"api_key":null,"events":[` + good + `]}`, noKey},
		"empty key":           {`{"api_key":"","events":[` + good + `]}`, noKey},
		"other key":           {`{"api_key":"other","events":[` + good + `]}`, wrongKey},
		"key is a number":     {`{"api_key":7,"events":[` + good + `]}`, `{"code":400,"error":"Invalid API key: "}`},
		"no events":           {`{"api_key":"key"}`, noEvents},
		"empty events":        {body(), noEvents},
		"events is an object": {`{"api_key":"key","events":{}}`, noEvents},
		"event is a string":   {body(good, `"a"`), invalidItem},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t, WithKeys("key"))
			status, answer := post(t, s, amplitude.HTTPV2, c.body)
			assert.Equal(t, http.StatusBadRequest, status)
			assert.JSONEq(t, c.want, answer)
			assert.Empty(t, s.Events())
			assert.False(t, s.Requests()[0].Ingested)
		})
	}
}

// nested returns an object with this many layers.
func nested(layers int) string {
	return strings.Repeat(`{"a":`, layers) + "1" + strings.Repeat("}", layers)
}

func TestInvalidEventsFailTheirRequest(t *testing.T) {
	event := func(fields string) string { return `{"event_type":"a","user_id":"alice",` + fields + `}` }
	for name, c := range map[string]struct{ event, list, fields string }{
		"no type":              {`{"user_id":"alice"}`, missingFields, `{"event_type":[1]}`},
		"empty type":           {`{"user_id":"alice","event_type":""}`, missingFields, `{"event_type":[1]}`},
		"no id":                {`{"event_type":"a"}`, missingFields, `{"user_id":[1],"device_id":[1]}`},
		"null id":              {`{"event_type":"a","user_id":null}`, missingFields, `{"user_id":[1],"device_id":[1]}`},
		"type is a number":     {`{"user_id":"alice","event_type":7}`, invalidFields, `{"event_type":[1]}`},
		"id is a number":       {`{"event_type":"a","user_id":123456}`, invalidFields, `{"user_id":[1]}`},
		"time is a string":     {event(`"time":"1396381378123"`), invalidFields, `{"time":[1]}`},
		"session is a string":  {event(`"session_id":"7"`), invalidFields, `{"session_id":[1]}`},
		"properties is a list": {event(`"event_properties":[]`), invalidFields, `{"event_properties":[1]}`},
		"refused user":         {`{"event_type":"a","user_id":"anonymous","device_id":"a-device"}`, invalidFields, `{"user_id":[1]}`},
		"refused device":       {event(`"device_id":"00000000-0000-0000-0000-000000000000"`), invalidFields, `{"device_id":[1]}`},
		"empty id":             {event(`"device_id":""`), invalidFields, `{"device_id":[1]}`},
		"too deep":             {event(`"event_properties":` + nested(41)), invalidFields, `{"event_properties":[1]}`},
		"lists too deep": {
			event(`"event_properties":{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}"),
			invalidFields, `{"event_properties":[1]}`,
		},
		"user properties too deep": {event(`"user_properties":` + nested(41)), invalidFields, `{"user_properties":[1]}`},
		"mixed operations":         {event(`"user_properties":{"$set":{"a":1},"b":2}`), invalidFields, `{"user_properties":[1]}`},
		"unknown operation":        {event(`"user_properties":{"$sett":{"a":1}}`), invalidFields, `{"user_properties":[1]}`},
		"operation is a number":    {event(`"user_properties":{"$set":1}`), invalidFields, `{"user_properties":[1]}`},
		"mixed group operations":   {event(`"groups":{"a":"b"},"group_properties":{"$set":{"a":1},"b":2}`), invalidFields, `{"group_properties":[1]}`},
		"no groups":                {`{"event_type":"$groupidentify","user_id":"alice","group_properties":{}}`, missingFields, `{"groups":[1]}`},
		"price is a string":        {event(`"price":"1"`), invalidFields, `{"price":[1]}`},
		"quantity isn't integer":   {event(`"quantity":1.5`), invalidFields, `{"quantity":[1]}`},
		"short user":               {`{"event_type":"a","user_id":"abcd"}`, invalidIDLengths, `{"user_id":[1]}`},
		"both short": {
			`{"event_type":"a","user_id":"abcd","device_id":"efgh"}`, invalidIDLengths, `{"user_id":[1],"device_id":[1]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t)
			status, answer := post(t, s, amplitude.HTTPV2, body(good, c.event, good))
			assert.Equal(t, http.StatusBadRequest, status)
			text := map[string]string{
				missingFields:    "Request missing required field",
				invalidFields:    "Invalid field values on some events",
				invalidIDLengths: "Invalid id length for user_id or device_id",
			}[c.list]
			assert.JSONEq(t, fmt.Sprintf(`{"code":400,"error":%q,%q:%s}`, text, c.list, c.fields), answer)
			assert.Empty(t, s.Users())
		})
	}
}

func TestGoodEvents(t *testing.T) {
	for name, event := range map[string]string{
		"null fields":     `{"event_type":"a","user_id":"alice","device_id":null,"time":null,"event_properties":null}`,
		"unknown field":   `{"event_type":"a","user_id":"alice","other":[7]}`,
		"deep":            `{"event_type":"a","user_id":"alice","event_properties":` + nested(40) + `}`,
		"repeated field":  `{"event_type":"a","event_type":"a","user_id":"alice"}`,
		"one id is short": `{"event_type":"a","user_id":"alice","device_id":"abcd"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t)
			status, _ := post(t, s, amplitude.HTTPV2, body(event))
			assert.Equal(t, http.StatusOK, status)
			// The short id is removed.
			assert.Equal(t, []string{"a", "alice", ""}, []string{s.Events()[0].Type, s.Events()[0].UserID, s.Events()[0].DeviceID})
		})
	}
}

func TestShortIDs(t *testing.T) {
	short := `{"event_type":"a","user_id":"alice","device_id":"ab"}`
	s := Start(t, WithShortIDsRefused())
	_, answer := post(t, s, amplitude.HTTPV2, body(short))
	assert.JSONEq(t, `{"code":400,"error":"Invalid id length for user_id or device_id","events_with_invalid_id_lengths":{"device_id":[0]}}`, answer)
	status, _ := post(t, s, amplitude.HTTPV2, `{"options":{"min_id_length":2},"events":[`+short+`],"api_key":"key"}`)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "ab", s.Events()[0].DeviceID)
	assert.Equal(t, 2, s.Requests()[1].MinIDLength)
}

func TestAllOrFirstInvalidEventIsNamed(t *testing.T) {
	sent := body(good, `{"event_type":"a","user_id":"alice","time":"t","ip":7}`, `{"user_id":"alice"}`, `{"event_type":"a","user_id":"a"}`)
	_, answer := post(t, Start(t), amplitude.HTTPV2, sent)
	assert.JSONEq(t, `{"code":400,"error":"Request missing required field","events_with_missing_fields":{"event_type":[2]},
		"events_with_invalid_fields":{"time":[1],"ip":[1]},"events_with_invalid_id_lengths":{"user_id":[3]}}`, answer)
	_, answer = post(t, Start(t, WithFirstOnly()), amplitude.HTTPV2, sent)
	assert.JSONEq(t, `{"code":400,"error":"Invalid field values on some events","events_with_invalid_fields":{"ip":[1]}}`, answer)
}

func TestLimits(t *testing.T) {
	const tooLarge = `{"code":413,"error":"Payload too large"}`
	many := func(events int) string { return body(strings.Split(strings.Repeat(good+"\n", events-1)+good, "\n")...) }
	s := Start(t)
	for _, c := range []struct {
		api    amplitude.API
		body   string
		status int
	}{
		{amplitude.HTTPV2, many(1999), http.StatusOK},
		{amplitude.HTTPV2, many(2000), http.StatusRequestEntityTooLarge},
		{amplitude.Batch, many(2000), http.StatusOK},
		{amplitude.Batch, many(2001), http.StatusRequestEntityTooLarge},
		{amplitude.HTTPV2, body(good) + strings.Repeat(" ", 1_000_000), http.StatusRequestEntityTooLarge},
		{amplitude.Batch, body(good) + strings.Repeat(" ", 1_000_000), http.StatusOK},
	} {
		status, answer := post(t, s, c.api, c.body)
		assert.Equal(t, c.status, status)
		if c.status != http.StatusOK {
			assert.JSONEq(t, tooLarge, answer)
		}
	}

	s = Start(t, WithLimits(Limits{Bytes: len(body(good))}))
	status, _ := post(t, s, amplitude.Batch, body(good))
	assert.Equal(t, http.StatusOK, status)
	status, _ = post(t, s, amplitude.Batch, body(good)+" ")
	assert.Equal(t, http.StatusRequestEntityTooLarge, status)
	s.SetLimits(Limits{Events: 1})
	status, _ = post(t, s, amplitude.Batch, body(good, good))
	assert.Equal(t, http.StatusRequestEntityTooLarge, status)
}
