// SPDX-License-Identifier: Apache-2.0

package amplitudetest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// groupIdentify returns an event that updates the properties of groups.
func groupIdentify(groups, operations string) string {
	return `{"event_type":"$groupidentify","user_id":"alice","groups":` + groups + `,"group_properties":` + operations + `}`
}

func TestGroupProperties(t *testing.T) {
	s := Start(t)
	post(t, s, amplitude.HTTPV2, body(
		groupIdentify(`{"org":"acme"}`, `{"seats":1}`),
		groupIdentify(`{"org":["acme","other"]}`, `{"$add":{"seats":2},"$set":{"plan":"pro"}}`),
		// Amplitude ignores group properties of other events.
		`{"event_type":"a","user_id":"alice","groups":{"org":"acme"},"group_properties":{"seats":7}}`))
	assert.Equal(t, []Group{
		{Type: "org", Name: "acme", Properties: map[string]any{"seats": 3.0, "plan": "pro"}, Events: 1},
		{Type: "org", Name: "other", Properties: map[string]any{"seats": 2.0, "plan": "pro"}},
	}, s.Groups())
	assert.Empty(t, s.User("alice").Properties)
	assert.Equal(t, Group{}, s.Group("org", "none"))
}

func TestGroupsOfAnIdentifyApplyToLaterEvents(t *testing.T) {
	s := Start(t)
	post(t, s, amplitude.HTTPV2, body(
		`{"event_type":"before","user_id":"alice","groups":{"team":"red"}}`,
		`{"event_type":"$identify","user_id":"alice","groups":{"org":"acme","team":"blue"},"user_properties":{"$set":{"org":"acme"}}}`,
		`{"event_type":"after","user_id":"alice","groups":{"team":"red"}}`,
		`{"event_type":"skips","user_id":"alice","$skip_user_properties_sync":true}`,
		`{"event_type":"other","user_id":"other"}`))
	user := s.User("alice")
	assert.Equal(t, map[string][]string{"org": {"acme"}, "team": {"blue"}}, user.Groups)
	assert.Equal(t, map[string][]string{"team": {"red"}}, user.Events[0].Groups)
	assert.Equal(t, map[string][]string{"org": {"acme"}, "team": {"red"}}, user.Events[2].Groups)
	assert.Empty(t, user.Events[3].Groups)
	assert.Empty(t, s.User("other").Groups)
	assert.Equal(t, []int{2, 0, 1}, []int{s.Group("team", "red").Events, s.Group("team", "blue").Events, s.Group("org", "acme").Events})
}

func TestGroupLimits(t *testing.T) {
	for name, c := range map[string]struct {
		groups string
		want   map[string][]string
		others int
	}{
		"types": {
			`{"a":"1","b":"1","c":"1","d":"1","e":"1","f":"1"}`,
			map[string][]string{"a": {"1"}, "b": {"1"}, "c": {"1"}, "d": {"1"}, "e": {"1"}},
			1,
		},
		"names": {
			`{"a":["1","2","3","4","5","6","7","8","9","10","11"],"b":"1"}`,
			map[string][]string{"a": {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}},
			2,
		},
		"not a text": {`{"a":7,"b":["1",{}],"c":[]}`, map[string][]string{"b": {"1"}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t)
			post(t, s, amplitude.HTTPV2, body(`{"event_type":"a","user_id":"alice","groups":`+c.groups+`}`))
			assert.Equal(t, c.want, s.Events()[0].Groups)
			assert.Equal(t, c.others, s.Counts().UntrackedGroups)
		})
	}
}

func TestRevenue(t *testing.T) {
	for fields, want := range map[string]float64{
		`"revenue":1.5`:                           1.5,
		`"price":2.5`:                             2.5,
		`"price":2.5,"quantity":3`:                7.5,
		`"price":2.5,"revenue":4`:                 4,
		`"price":2.5,"quantity":3,"revenue":9`:    7.5,
		`"price":-2.5,"revenueType":"refund"`:     -2.5,
		`"quantity":3`:                            0,
		`"event_properties":{"revenue":1.5}`:      0,
		`"revenue":1.5,"groups":{"org":"acme"}`:   1.5,
		`"price":null,"revenue":1.5,"quantity":2`: 1.5,
	} {
		s := Start(t)
		event := fmt.Sprintf(`{"event_type":"a","user_id":"alice",%s}`, fields)
		status, _ := post(t, s, amplitude.HTTPV2, body(event, event))
		assert.Equal(t, http.StatusOK, status, fields)
		assert.InDelta(t, want, s.Events()[0].Revenue, 1e-9, fields)
		assert.InDelta(t, 2*want, s.User("alice").Revenue, 1e-9, fields)
		for _, g := range s.Groups() {
			assert.InDelta(t, 2*want, g.Revenue, 1e-9, fields)
		}
	}
}

func TestSkippedSynchronization(t *testing.T) {
	const skip = `,"$skip_user_properties_sync":true}`
	s := Start(t, WithUserPropertyLimit(2))
	post(t, s, amplitude.HTTPV2, body(
		identify(`{"$set":{"city":"New York","plan":"pro"}}`),
		`{"event_type":"old","user_id":"alice","user_properties":{"city":"San Francisco"}`+skip,
		`{"event_type":"old","user_id":"alice","user_properties":{"$set":{"city":"Boston"}}`+skip,
		`{"event_type":"$impression","user_id":"alice","event_properties":{"flag_key":"f","variant":"v"}`+skip,
		`{"event_type":"$identify","user_id":"alice","user_properties":{"$clearAll":"-"},"groups":{"org":"acme"}`+skip,
		`{"event_type":"new","user_id":"alice","user_properties":{"plan":"free"},"$skip_user_properties_sync":false}`))
	user := s.User("alice")
	assert.Equal(t, map[string]any{"city": "New York", "plan": "free"}, user.Properties)
	assert.Empty(t, user.Groups)
	var shown []map[string]any
	for _, e := range user.Events {
		shown = append(shown, e.UserState)
	}
	assert.Equal(t, []map[string]any{
		{"city": "New York", "plan": "pro"},
		{"city": "San Francisco"},
		{"city": "Boston"},
		{"[Experiment] f": "v"},
		{},
		{"city": "New York", "plan": "free"},
	}, shown)
}
