// SPDX-License-Identifier: Apache-2.0

package amplitudetest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

const (
	alice  = `{"event_type":"a","user_id":"alice","device_id":"alice-phone"}`
	robert = `{"event_type":"a","user_id":"robert","device_id":"roberts-phone"}`
)

func TestRestrictions(t *testing.T) {
	const many = `"code":429,"error":"Too many requests for some devices and users","eps_threshold":30`
	const silenced = `"code":400,"error":"Events silenced for device_id","eps_threshold":30`
	for name, c := range map[string]struct {
		restriction Restriction
		id, want    string
	}{
		"throttled user":   {ThrottledUser, "alice", many + `,"throttled_users":{"alice":31},"throttled_events":[1,2]`},
		"throttled device": {ThrottledDevice, "alice-phone", many + `,"throttled_devices":{"alice-phone":31},"throttled_events":[1,2]`},
		"user over quota":  {ExceededDailyQuotaUser, "alice", many + `,"exceeded_daily_quota_users":{"alice":500001}`},
		"device over quota": {
			ExceededDailyQuotaDevice, "alice-phone", many + `,"exceeded_daily_quota_devices":{"alice-phone":500001}`,
		},
		"silenced device": {SilencedDevice, "alice-phone", silenced + `,"silenced_devices":["alice-phone"],"silenced_events":[1,2]`},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t)
			s.Restrict(c.restriction, UntilLifted, c.id, "somebody else")
			for range 3 {
				_, answer := post(t, s, amplitude.HTTPV2, body(robert, alice, alice))
				assert.JSONEq(t, "{"+c.want+"}", answer)
			}
			assert.Empty(t, s.Events(), "the whole request is refused")
			status, _ := post(t, s, amplitude.HTTPV2, body(robert))
			assert.Equal(t, http.StatusOK, status)

			s.Restrict(c.restriction, 0, c.id)
			status, _ = post(t, s, amplitude.HTTPV2, body(alice))
			assert.Equal(t, http.StatusOK, status)

			s.Restrict(c.restriction, 1, c.id)
			s.Restrict(ThrottledUser, UntilLifted, "robert")
			s.LiftAll()
			s.Restrict(c.restriction, 2, c.id)
			for _, want := range []bool{false, false, true} {
				status, _ = post(t, s, amplitude.HTTPV2, body(alice, robert))
				assert.Equal(t, want, status == http.StatusOK)
			}
		})
	}
}

func TestSeveralRestrictionsInOneAnswer(t *testing.T) {
	s := Start(t)
	s.Restrict(ThrottledUser, 1, "robert")
	s.Restrict(ThrottledDevice, 1, "roberts-phone")
	s.Restrict(SilencedDevice, 1, "alice-phone")
	status, answer := post(t, s, amplitude.Batch, body(robert, alice))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.JSONEq(t, `{"code":400,"error":"Events silenced for device_id","eps_threshold":1000,"throttled_users":{"robert":1001},
		"throttled_devices":{"roberts-phone":1001},"throttled_events":[0],"silenced_devices":["alice-phone"],"silenced_events":[1]}`, answer)
}

func TestThrottledEventsByIndex(t *testing.T) {
	s := Start(t)
	s.ThrottleEvents(1, 0, 2)
	s.ThrottleEvents(UntilLifted, 1)
	for _, c := range []struct{ events, want string }{
		{body(alice, alice), "[0,1]"},
		{body(alice, alice), "[1]"},
		{body(alice, alice, robert), "[1]"},
	} {
		_, answer := post(t, s, amplitude.HTTPV2, c.events)
		assert.JSONEq(t, fmt.Sprintf(`{"code":429,"error":"Too many requests for some devices and users","eps_threshold":30,"throttled_events":%s}`, c.want), answer)
	}
	status, _ := post(t, s, amplitude.HTTPV2, body(alice))
	assert.Equal(t, http.StatusOK, status)
}

func TestRateLimit(t *testing.T) {
	at := &clock{noon}
	s := Start(t, WithClock(at.now), WithRateLimit(RateLimit{Window: 30 * time.Second}))
	of := func(event string, events int) string {
		return body(strings.Split(strings.Repeat(event+"\n", events-1)+event, "\n")...)
	}
	send := func(body string) int {
		status, _ := post(t, s, amplitude.HTTPV2, body)
		return status
	}
	assert.Equal(t, 200, send(of(alice, 899)))
	at.at = noon.Add(time.Second)
	assert.Equal(t, 200, send(body(alice)))
	_, answer := post(t, s, amplitude.HTTPV2, of(alice, 100))
	assert.Contains(t, answer, `"throttled_devices":{"alice-phone":33}`)
	assert.Contains(t, answer, `"throttled_users":{"alice":33}`)
	assert.Equal(t, 200, send(body(robert)))
	// The refused request doesn't count.
	at.at = noon.Add(30 * time.Second)
	assert.Equal(t, 200, send(of(alice, 899)))
	assert.Equal(t, 429, send(body(alice)))
	// A single request over the limit is accepted.
	at.at = noon.Add(time.Minute)
	assert.Equal(t, 200, send(of(alice, 1999)))

	s.SetRateLimit(RateLimit{EventsPerSecond: 1, Window: time.Second})
	at.at = noon.Add(2 * time.Minute)
	assert.Equal(t, 200, send(body(alice)))
	assert.Equal(t, 429, send(body(alice)))
	s.SetRateLimit(RateLimit{})
	assert.Equal(t, 200, send(of(alice, 1999)))
}

func TestUserPropertyLimit(t *testing.T) {
	at := &clock{noon}
	s := Start(t, WithClock(at.now), WithUserPropertyLimit(2))
	add := `{"event_type":"$identify","user_id":"alice","user_properties":{"$add":{"n":1}}}`
	post(t, s, amplitude.HTTPV2, body(good, add, add, add))
	assert.InDelta(t, 2, s.User("alice").Properties["n"], 0)
	assert.Len(t, s.User("alice").Events, 4)
	at.at = noon.Add(time.Hour)
	post(t, s, amplitude.HTTPV2, body(add))
	assert.InDelta(t, 3, s.User("alice").Properties["n"], 0)
}
