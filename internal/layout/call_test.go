// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// TestCallsFollowTheirPreset: the layouts of calls come after that of their preset, which is as without calls.
func TestCallsFollowTheirPreset(t *testing.T) {
	configs := []Config{{Preset: "segment"}, byHand("", ""), {Preset: "rudderstack"}, {Preset: "otel"}}
	without, err := Compile(configs)
	require.NoError(t, err)
	with, err := CompileWithCalls(configs, CallOptions{})
	require.NoError(t, err)
	var kinds []string
	var tracks []Layout
	for i := range with {
		kinds = append(kinds, with[i].Name+" "+with[i].Call.Kind.String())
		if with[i].Call.Kind == Track {
			tracks = append(tracks, with[i])
		}
	}
	assert.Equal(t, without, tracks)
	assert.Equal(t, []string{
		"segment track", "segment identify", "segment page", "segment screen", "segment group", "segment alias", "layouts[1] track",
		"rudderstack track", "rudderstack identify", "rudderstack page", "rudderstack screen", "rudderstack group", "rudderstack alias",
		"otel track",
	}, kinds)
	_, err = CompileWithCalls([]Config{{Preset: "otle"}}, CallOptions{})
	require.ErrorContains(t, err, `layouts[0].preset: "otle" is not known`)
}

func TestCallsHaveTheFieldsOfTheirPreset(t *testing.T) {
	layouts, err := CompileWithCalls([]Config{{Preset: "segment", Paths: map[string][]string{
		"user_id": {`event["crm"]`}, "time": {}, "event_type": {`event["name"]`}, "properties": {`event["props"]`}, "user_properties": {`event["up"]`},
	}}}, CallOptions{EveryCall: true})
	require.NoError(t, err)
	track, identify, page := &layouts[0], &layouts[1], &layouts[2]
	for _, f := range event.Fields() {
		switch f {
		case event.Type:
			assert.Equal(t, mustParse(`event["type"]`), identify.Paths[f])
			assert.Equal(t, mustParse(`event["type"]`), page.Paths[f])
		case event.Properties:
			assert.Empty(t, identify.Paths[f])
			assert.Equal(t, mustParse(`event["properties"]`), page.Paths[f])
		case event.UserProperties:
			assert.Equal(t, mustParse(`event["traits"]`, `event["context"]["traits"]`), identify.Paths[f])
			assert.Equal(t, track.Paths[f], page.Paths[f])
		default:
			assert.Equal(t, track.Paths[f], identify.Paths[f], f.Key())
			assert.Equal(t, track.Paths[f], page.Paths[f], f.Key())
		}
	}
	assert.Equal(t, Condition{Key: "type", Value: "identify"}, identify.Condition)
	assert.True(t, identify.UserTraits)
	assert.True(t, page.UserTraits)
	assert.False(t, track.UserTraits, "the configuration replaces the user properties")
	assert.Equal(t, track.Web, page.Web)
}
