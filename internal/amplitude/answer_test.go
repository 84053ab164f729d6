// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// now is the time at which the tests read answers.
var now = time.Date(2026, time.November, 23, 10, 15, 30, 0, time.UTC)

// sent are the ids of the events of a request, user_id before device_id.
var sent = [][2]string{
	{"user-0", "device-0"},
	{"user-1", "device-1"},
	{"user-2", "device-2"},
	{"user-3", "device-3"},
	{"user-4", ""},
	{"", "device-5"},
}

// invalidRequest and the next two are the examples of Amplitude's documentation.
const (
	invalidRequest = `{"code":400,"error":"Request missing required field","missing_field":"api_key",` +
		`"events_with_invalid_fields":{"time":[3,4,7]},"events_with_missing_fields":{"event_type":[3,4,7]}}`
	silencedDevice = `{"code":400,"eps_threshold":100,"error":"Events silenced for device_id",` +
		`"exceeded_daily_quota_devices":{},"silenced_devices":["silenced_device_id_1","silenced_device_id_2"],` +
		`"silenced_events":[5,6],"throttled_devices":{"throttled_device_id_1":0,"throttled_device_id_2":100},` +
		`"throttled_events":[3,4]}`
	tooManyRequests = `{"code":429,"error":"Too many requests for some devices and users","eps_threshold":1000,` +
		`"throttled_devices":{"C8F9E604-F01A-4BD9-95C6-8E5357DF265D":4000},` +
		`"throttled_users":{"datamonster@amplitude.com":4000},` +
		`"exceeded_daily_quota_users":{"datanom@amplitude.com":500200},` +
		`"exceeded_daily_quota_devices":{"A1A1A000-F01A-4BD9-95C6-8E5357DF265D":500900},"throttled_events":[3,4,7]}`
	gatewayPage = `<html><head><title>400 Bad Request</title></head><body>nginx</body></html>`
)

// verdicts returns the answer's verdict, or the reason to drop, for each event of sent.
func verdicts(answer Answer) string {
	var all []string
	for index, ids := range sent {
		verdict, reason := answer.Of(index, ids[0], ids[1])
		text := verdict.String()
		if reason != ReasonNone {
			text = reason.String()
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// all returns the same verdict for each event of sent.
func all(verdict string) string {
	return strings.TrimSpace(strings.Repeat(verdict+" ", len(sent)))
}

// TestReadAnswer covers the table of responses row by row, then what the table leaves open.
func TestReadAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		body    string
		outcome Outcome
		want    string
	}{
		"accepted": {
			200, `{"code":200,"events_ingested":6,"payload_size_bytes":999,"server_upload_time":1396381378123}`,
			OutcomeAccepted, all("delivered"),
		},
		"accepted with a fraction":    {200, `{"code":200.0}`, OutcomeAccepted, all("delivered")},
		"200 with another code":       {200, invalidRequest, OutcomeNotAmplitude, all("send_again")},
		"200 without a body":          {200, ``, OutcomeNotAmplitude, all("send_again")},
		"200 with a page":             {200, gatewayPage, OutcomeNotAmplitude, all("send_again")},
		"200 with more after it":      {200, `{"code":200}{}`, OutcomeNotAmplitude, all("send_again")},
		"200 cut short":               {200, `{"code":200,"events_ing`, OutcomeNotAmplitude, all("send_again")},
		"200 with the code as a text": {200, `{"code":"200"}`, OutcomeNotAmplitude, all("send_again")},
		"202 with the code 200":       {202, `{"code":200}`, OutcomeNotAmplitude, all("send_again")},
		"204":                         {204, ``, OutcomeNotAmplitude, all("send_again")},

		"invalid fields": {
			400, `{"code":400,"error":"Invalid request","events_with_invalid_fields":{"time":[1],"ip":[3,1]}}`,
			OutcomeSomeRefused, `send_again invalid_field send_again invalid_field send_again send_again`,
		},
		"missing fields": {
			400, `{"events_with_missing_fields":{"event_type":[0,5]}}`,
			OutcomeSomeRefused, `missing_field send_again send_again send_again send_again missing_field`,
		},
		"invalid id lengths": {
			400, `{"events_with_invalid_id_lengths":{"user_id":[2],"device_id":[4]}}`,
			OutcomeSomeRefused, `send_again send_again invalid_id_length send_again invalid_id_length send_again`,
		},
		"silenced events": {
			400, `{"silenced_events":[4]}`,
			OutcomeSomeRefused, `send_again send_again send_again send_again silenced send_again`,
		},
		"silenced devices": {
			400, `{"silenced_devices":["device-5","device-1"]}`,
			OutcomeSomeRefused, `send_again silenced send_again send_again send_again silenced`,
		},
		"all events refused": {
			400, `{"events_with_missing_fields":{"event_type":[0,1,2]},"silenced_events":[3,4,5]}`,
			OutcomeSomeRefused, `missing_field missing_field missing_field silenced silenced silenced`,
		},
		"the example of silenced devices": {
			400, silencedDevice,
			OutcomeSomeRefused, `send_again send_again send_again wait wait silenced`,
		},
		"the first reason counts": {
			400, `{"silenced_events":[0,1,2,3],"events_with_invalid_id_lengths":{"user_id":[0,1,2]},` +
				`"events_with_missing_fields":{"time":[0,1]},"events_with_invalid_fields":{"time":[0]}}`,
			OutcomeSomeRefused, `invalid_field missing_field invalid_id_length silenced send_again send_again`,
		},
		"a 400 that only names throttled events": {
			400, `{"throttled_events":[0]}`,
			OutcomeThrottled, `wait send_again send_again send_again send_again send_again`,
		},
		"a 400 over the daily quota": {
			400, `{"exceeded_daily_quota_devices":{"device-0":500001}}`,
			OutcomeSomeRefused, `daily_quota send_again send_again send_again send_again send_again`,
		},

		"no indexes":            {400, `{"code":400,"error":"Invalid JSON"}`, OutcomeRefused, all("send_again")},
		"no body":               {400, ``, OutcomeRefused, all("send_again")},
		"a gateway's page":      {400, gatewayPage, OutcomeRefused, all("send_again")},
		"no usable index":       {400, `{"silenced_events":[-1,6,1.5,"0",null,[0],1e99]}`, OutcomeRefused, all("send_again")},
		"another missing field": {400, `{"missing_field":"events"}`, OutcomeRefused, all("send_again")},

		"401":                         {401, ``, OutcomeKeyRefused, all("send_again")},
		"403":                         {403, gatewayPage, OutcomeRefused, all("send_again")},
		"invalid key":                 {400, `{"error":"Invalid API key: 00"}`, OutcomeKeyRefused, all("send_again")},
		"invalid key in other case":   {400, `{"error":"iNVALID api KEY"}`, OutcomeKeyRefused, all("send_again")},
		"invalid key as text":         {400, `Invalid API key`, OutcomeKeyRefused, all("send_again")},
		"invalid key, then cut short": {400, `{"error":"Invalid API key","events_with`, OutcomeKeyRefused, all("send_again")},
		"missing key":                 {400, `{"missing_field":"api_key"}`, OutcomeKeyRefused, all("send_again")},
		"missing key and indexes": {
			400, invalidRequest,
			OutcomeSomeRefused, `send_again send_again send_again invalid_field invalid_field send_again`,
		},
		"missing key and no index of the request": {
			400, `{"code":400,"missing_field":"api_key","silenced_events":[99]}`, OutcomeKeyRefused, all("send_again"),
		},

		"too large": {413, `{"code":413,"error":"Payload too large"}`, OutcomeTooLarge, all("send_again")},

		"throttled users": {
			429, `{"throttled_users":{"user-1":31,"user-4":40}}`,
			OutcomeThrottled, `send_again wait send_again send_again wait send_again`,
		},
		"throttled devices": {
			429, `{"throttled_devices":{"device-0":31,"device-5":40}}`,
			OutcomeThrottled, `wait send_again send_again send_again send_again wait`,
		},
		"throttled events": {
			429, `{"throttled_events":[2,3]}`,
			OutcomeThrottled, `send_again send_again wait wait send_again send_again`,
		},
		"users over the daily quota": {
			429, `{"exceeded_daily_quota_users":{"user-2":500200}}`,
			OutcomeThrottled, `send_again send_again daily_quota send_again send_again send_again`,
		},
		"devices over the daily quota": {
			429, `{"exceeded_daily_quota_devices":{"device-3":500900}}`,
			OutcomeThrottled, `send_again send_again send_again daily_quota send_again send_again`,
		},
		"silenced in a 429": {
			429, `{"silenced_devices":["device-2"],"silenced_events":[0]}`,
			OutcomeThrottled, `silenced send_again silenced send_again send_again send_again`,
		},
		"dropped events don't wait": {
			429, `{"throttled_events":[0,1,2],"throttled_users":{"user-3":31},"silenced_events":[0],` +
				`"silenced_devices":["device-1"],"exceeded_daily_quota_users":{"user-1":500001,"user-3":500001}}`,
			OutcomeThrottled, `silenced silenced wait daily_quota send_again send_again`,
		},
		"the example of 429": {
			429, tooManyRequests,
			OutcomeThrottled, `send_again send_again send_again wait wait send_again`,
		},
		"lists of ids": {
			429, `{"throttled_users":["user-0"],"throttled_devices":["device-1",7],"exceeded_daily_quota_users":["user-2"]}`,
			OutcomeThrottled, `wait wait daily_quota send_again send_again send_again`,
		},
		"an empty id names no event": {
			429, `{"throttled_users":{"":1,"user-0":1},"silenced_devices":[""],"exceeded_daily_quota_users":{"":1}}`,
			OutcomeThrottled, `wait send_again send_again send_again send_again send_again`,
		},
		"429 without detail":         {429, `{"code":429,"error":"Too many requests"}`, OutcomeRetry, all("send_again")},
		"429 without body":           {429, ``, OutcomeRetry, all("send_again")},
		"429 that names nothing":     {429, `{"throttled_users":{},"throttled_events":[6,-1]}`, OutcomeRetry, all("send_again")},
		"429 that names an empty id": {429, `{"throttled_users":{"":1}}`, OutcomeRetry, all("send_again")},
		"429 with invalid fields":    {429, `{"events_with_invalid_fields":{"time":[1]}}`, OutcomeRetry, all("send_again")},
		"429 that refuses the key":   {429, `{"error":"Invalid API key"}`, OutcomeRetry, all("send_again")},

		"408": {408, silencedDevice, OutcomeRetry, all("send_again")},
		"500": {500, silencedDevice, OutcomeRetry, all("send_again")},
		"502": {502, gatewayPage, OutcomeRetry, all("send_again")},
		"503": {503, tooManyRequests, OutcomeRetry, all("send_again")},
		"504": {504, ``, OutcomeRetry, all("send_again")},
		"100": {100, ``, OutcomeRetry, all("send_again")},
		"302": {302, ``, OutcomeRetry, all("send_again")},
		"404": {404, silencedDevice, OutcomeRetry, all("send_again")},
		"418": {418, ``, OutcomeRetry, all("send_again")},
		"0":   {0, ``, OutcomeRetry, all("send_again")},

		"other fields are read after a wrong type": {
			400, `{"code":[],"error":{"a":1},"missing_field":7,"events_with_invalid_fields":"time",` +
				`"events_with_missing_fields":{"time":"1","event_type":{"2":"bad","of":3}},"silenced_devices":{"x":1e999},` +
				`"throttled_events":{"0":1},"throttled_users":true,"eps_threshold":1e999,"silenced_events":[null,4]}`,
			OutcomeSomeRefused, `send_again send_again send_again send_again silenced send_again`,
		},
		"a bare index": {
			400, `{"events_with_invalid_fields":{"time":2}}`,
			OutcomeSomeRefused, `send_again send_again invalid_field send_again send_again send_again`,
		},
		"a list without fields": {
			400, `{"events_with_missing_fields":[2]}`,
			OutcomeSomeRefused, `send_again send_again missing_field send_again send_again send_again`,
		},
		"a whole number with a fraction": {
			400, `{"silenced_events":[1.0,2e0]}`,
			OutcomeSomeRefused, `send_again silenced silenced send_again send_again send_again`,
		},
		"a field twice": {
			400, `{"silenced_events":[1],"silenced_events":[2]}`,
			OutcomeSomeRefused, `send_again silenced silenced send_again send_again send_again`,
		},
		"cut short within a field": {
			400, `{"silenced_events":[1],"events_with_invalid_fields":{"time":[2`,
			OutcomeSomeRefused, `send_again silenced send_again send_again send_again send_again`,
		},
		"malformed after a field": {
			400, `{"silenced_events":[1], oops "silenced_events":[2]}`,
			OutcomeSomeRefused, `send_again silenced send_again send_again send_again send_again`,
		},
		"too deep after a field": {
			400, `{"silenced_events":[1],"x":` + strings.Repeat("[", 1<<20),
			OutcomeSomeRefused, `send_again silenced send_again send_again send_again send_again`,
		},
		"deep": {
			400, `{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `,"silenced_events":[1]}`,
			OutcomeSomeRefused, `send_again silenced send_again send_again send_again send_again`,
		},
		"a list": {400, `[{"silenced_events":[1]}]`, OutcomeRefused, all("send_again")},
	} {
		t.Run(name, func(t *testing.T) {
			answer := ReadAnswer(test.status, "", []byte(test.body), len(sent), now)
			assert.Equal(t, test.outcome, answer.Outcome, answer.Outcome)
			assert.Equal(t, test.want, verdicts(answer))
			assert.Zero(t, answer.RetryAfter)
		})
	}
}

// bodies are combined with every status.
var bodies = []string{
	``, ` `, `null`, `{}`, `[]`, `"`, `7`, `{"`, `{"code":400`, "\x00\xff\xfe", gatewayPage,
	invalidRequest, silencedDevice, tooManyRequests,
	silencedDevice[:len(silencedDevice)/2], tooManyRequests[:len(tooManyRequests)-20],
	`{"error":"Invalid API key"}`,
	`{"code":200,"events_ingested":6}`,
	`{"silenced_events":[0,1,2,3,4,5,6,7,-1,0.5]}`,
	`{"events_with_invalid_fields":{"time":[0,0,5,99999999999999999999]},"throttled_events":[0,1]}`,
	`{"events_with_invalid_id_lengths":{"user_id":[1]},"throttled_users":{"user-0":31}}`,
	`{"throttled_users":["user-0",""],"throttled_devices":{"device-1":{}},"exceeded_daily_quota_users":{"user-2":1}}`,
	strings.Repeat("[", 1000), strings.Repeat(`{"a":`, 1000),
}

func TestEveryStatusWithEveryBody(t *testing.T) {
	for status := 100; status < 600; status++ {
		for _, body := range bodies {
			for _, retryAfter := range []string{"", "7", "x"} {
				requireSense(t, status, retryAfter, []byte(body), len(sent))
			}
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	for _, body := range bodies {
		f.Add(400, "", []byte(body), uint16(6))
		f.Add(429, "30", []byte(body), uint16(2000))
	}
	f.Add(503, "Mon, 23 Nov 2026 10:16:00 GMT", []byte(nil), uint16(1))
	f.Add(200, "-9223372036854775809", []byte(silencedDevice), uint16(0))
	f.Fuzz(func(t *testing.T, status int, retryAfter string, body []byte, events uint16) {
		requireSense(t, status, retryAfter, body, int(events))
	})
}

// requireSense checks what must be true of every answer, whatever the response was.
func requireSense(t *testing.T, status int, retryAfter string, body []byte, events int) {
	t.Helper()
	before := bytes.Clone(body)
	answer := ReadAnswer(status, retryAfter, body, events, now)
	require.Equal(t, before, body, "the body isn't changed")
	require.Equal(t, answer, ReadAnswer(status, retryAfter, body, events, now), "the same response gives the same answer")
	require.NotEqual(t, "unknown", answer.Outcome.String())
	require.Equal(t, answer.Outcome.String(), answer.String())
	require.GreaterOrEqual(t, answer.RetryAfter, time.Duration(0))
	require.LessOrEqual(t, answer.RetryAfter, time.Hour)
	require.Equal(t, status >= 200 && status < 300, answer.Outcome == OutcomeAccepted || answer.Outcome == OutcomeNotAmplitude)
	switch answer.Outcome {
	case OutcomeRefused:
		require.Contains(t, []int{400, 403}, status)
	case OutcomeSomeRefused:
		require.Equal(t, 400, status)
	case OutcomeThrottled:
		require.Contains(t, []int{400, 429}, status)
	case OutcomeKeyRefused:
		require.Contains(t, []int{400, 401}, status)
	case OutcomeTooLarge:
		require.Equal(t, 413, status)
	case OutcomeAccepted:
		require.Equal(t, 200, status)
	case OutcomeNotAmplitude, OutcomeRetry:
	}
	if status >= 500 && status < 600 {
		require.Equal(t, OutcomeRetry, answer.Outcome)
	}
	requireInRange(t, answer, events)
	for index := range events {
		ids := sent[index%len(sent)]
		verdict, reason := answer.Of(index, ids[0], ids[1])
		requireVerdict(t, answer.Outcome, verdict, reason)
		verdict, _ = answer.Of(index, "", "")
		_, refused := answer.names.refused[index]
		_, throttled := answer.names.throttled[index]
		named := refused || throttled
		if !named && (answer.Outcome == OutcomeSomeRefused || answer.Outcome == OutcomeThrottled) {
			require.Equal(t, SendAgain, verdict, "an event without ids isn't named by an empty id")
		}
	}
}

func requireInRange(t *testing.T, answer Answer, events int) {
	t.Helper()
	for index := range answer.names.refused {
		require.True(t, index >= 0 && index < events, index)
	}
	for index := range answer.names.throttled {
		require.True(t, index >= 0 && index < events, index)
	}
	if answer.Outcome != OutcomeSomeRefused && answer.Outcome != OutcomeThrottled {
		require.Zero(t, answer.names)
	}
}

func requireVerdict(t *testing.T, outcome Outcome, verdict Verdict, reason Reason) {
	t.Helper()
	require.NotEqual(t, "unknown", reason.String())
	require.Equal(t, verdict == Drop, reason != ReasonNone)
	switch outcome {
	case OutcomeAccepted:
		require.Equal(t, Delivered, verdict)
	case OutcomeSomeRefused, OutcomeThrottled:
		require.Contains(t, []Verdict{SendAgain, Drop, Wait}, verdict)
		require.NotEqual(t, ReasonBadRequest, reason)
	default:
		require.Equal(t, SendAgain, verdict)
	}
}

func TestThrottledIDs(t *testing.T) {
	answer := ReadAnswer(429, "", []byte(`{"throttled_users":{"both":31,"user":31},"throttled_devices":{"device":31},`+
		`"throttled_events":[0],"exceeded_daily_quota_users":{"over":500001}}`), len(sent), now)
	assert.True(t, answer.ThrottlesUser("user"))
	assert.True(t, answer.ThrottlesDevice("device"))
	for _, id := range []string{"", "device", "over", "user-0"} {
		assert.False(t, answer.ThrottlesUser(id), id)
	}
	for _, id := range []string{"", "user", "both", "over", "device-0"} {
		assert.False(t, answer.ThrottlesDevice(id), id)
	}
	// The ids count even if the index is out of range.
	verdict, _ := answer.Of(len(sent), "user", "")
	assert.Equal(t, Wait, verdict)
	verdict, _ = answer.Of(-1, "someone", "else")
	assert.Equal(t, SendAgain, verdict)
}

func TestZeroAnswerLosesNothing(t *testing.T) {
	var answer Answer
	assert.Equal(t, OutcomeRetry, answer.Outcome)
	assert.Equal(t, all("send_again"), verdicts(answer))
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                      0,
		"0":                     0,
		"30":                    30 * time.Second,
		" 30 ":                  30 * time.Second,
		"3600":                  time.Hour,
		"3601":                  time.Hour,
		"9223372036854775807":   time.Hour,
		"99999999999999999999":  time.Hour,
		"-1":                    0,
		"-99999999999999999999": 0,
		"1.5":                   0,
		"soon":                  0,
		"30 s":                  0,
		"1e3":                   0,

		"Mon, 23 Nov 2026 10:16:00 GMT":  30 * time.Second,
		"Monday, 23-Nov-26 10:16:00 GMT": 30 * time.Second,
		"Mon Nov 23 10:16:00 2026":       30 * time.Second,
		"Mon, 23 Nov 2026 10:15:30 GMT":  0,
		"Mon, 23 Nov 2026 10:15:00 GMT":  0,
		"Fri, 31 Dec 9999 23:59:59 GMT":  time.Hour,
		"Mon, 01 Jan 0001 00:00:00 GMT":  0,
		"2026-11-23T10:16:00Z":           0,
	} {
		for _, status := range []int{400, 401, 413, 429, 503} {
			assert.Equal(t, want, ReadAnswer(status, header, nil, 1, now).RetryAfter, "%d %q", status, header)
		}
	}
	// The caller's clock may never have been set.
	assert.Equal(t, time.Hour, ReadAnswer(503, "Mon, 23 Nov 2026 10:16:00 GMT", nil, 1, time.Time{}).RetryAfter)
}

// TestLabels lists all labels. They are constant, so that no text of a body becomes a label.
func TestLabels(t *testing.T) {
	outcomes := map[string]bool{}
	reasons := map[string]bool{}
	verdictNames := map[string]bool{}
	for n := range math.MaxUint8 + 1 {
		outcomes[Outcome(n).String()] = true
		reasons[Reason(n).String()] = true
		verdictNames[Verdict(n).String()] = true
	}
	assert.Equal(t, setOf("retry", "accepted", "some_refused", "refused", "key_refused", "too_large", "throttled",
		"not_amplitude", "unknown"), outcomes)
	assert.Equal(t, setOf("none", "invalid_field", "missing_field", "invalid_id_length", "silenced", "daily_quota",
		"bad_request", "forbidden", "too_large", "unknown"), reasons)
	assert.Equal(t, setOf("send_again", "delivered", "drop", "wait", "unknown"), verdictNames)
}

func TestAnswersKeepTheBodySecret(t *testing.T) {
	const canary = "canary@example.com"
	body := []byte(`{"code":400,"error":"canary@example.com","missing_field":"canary@example.com",` +
		`"events_with_invalid_fields":{"canary@example.com":[0]},"silenced_devices":["canary@example.com"],` +
		`"throttled_users":{"canary@example.com":1},"throttled_devices":{"canary@example.com":1},` +
		`"exceeded_daily_quota_users":{"canary@example.com":1},"canary@example.com":1}`)
	for status := 100; status < 600; status++ {
		answer := ReadAnswer(status, canary, body, 1, now)
		verdict, reason := answer.Of(0, canary, canary)
		for _, format := range []string{"%s", "%v", "%+v", "%#v"} {
			for _, value := range []any{answer, &answer, answer.Outcome, verdict, reason} {
				assert.NotContains(t, fmt.Sprintf(format, value), "canary", "%d "+format, status)
			}
		}
	}
}

func setOf(labels ...string) map[string]bool {
	set := map[string]bool{}
	for _, label := range labels {
		set[label] = true
	}
	return set
}
