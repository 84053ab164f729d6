// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/impression-collector/impression-bridge/internal/sdktest"
)

func TestCheck(t *testing.T) {
	told := []event{
		{"event_type": "Viewed", "device_id": "device", "time": 1000, "event_properties": map[string]any{"sku": "1"}},
		{
			"event_type": "$impression", "user_id": "user-1", "device_id": "device", "time": 2000,
			"event_properties": map[string]any{"flag_key": "flag", "variant": "on", "time": 2000},
		},
	}
	sent := []sdktest.Request{{Body: `{"id":"id-1"},{"id":"id-2"}`}}
	viewed := event{
		"event_type": "Viewed", "device_id": "device", "time": 1000, "insert_id": "id-1",
		"event_properties": map[string]any{"sku": "1", "library": "x"},
	}
	update := event{
		"event_type": "$identify", "user_id": "user-1", "device_id": "device", "time": 2000, "insert_id": "id-2-user-property",
		"user_properties": map[string]any{"$set": map[string]any{"[Experiment] flag": "on"}},
	}
	impression := event{
		"event_type": "[Experiment] Impression", "user_id": "user-1", "device_id": "device", "time": 2000, "insert_id": "id-2",
		"event_properties": map[string]any{"[Experiment] Flag Key": "flag", "[Experiment] Variant": "on"},
	}
	with := func(e event, field string, value any) event {
		e = maps.Clone(e)
		e[field] = value
		return e
	}
	added := event{"event_type": "Session Started", "user_id": "user-1", "time": 1, "insert_id": "id-3"}

	for _, test := range []struct {
		name     string
		ingested []event
		fault    string
	}{
		{"as sent", []event{viewed, added, update, impression}, ""},
		{"as JSON text", []event{with(viewed, "event_properties", map[string]any{"sku": `"1"`}), update, impression}, ""},
		{"lost", []event{update, impression}, "events of device: got 0 of 1"},
		{"twice", []event{viewed, with(viewed, "insert_id", "id"), update, impression}, "there are more than 1"},
		{"changed", []event{with(viewed, "event_properties", map[string]any{"sku": "2"}), update, impression}, "property sku: want 1, got 2"},
		{"made-up insert id", []event{with(viewed, "insert_id", "id-9"), update, impression}, `didn't send the insert id "id-9"`},
		{"another time", []event{viewed, update, with(impression, "time", 9000)}, "time:2000}, got"},
		{"another device", []event{viewed, update, with(impression, "device_id", "other")}, "device:other"},
		{"no update", []event{viewed, added, impression}, "update of event 0"},
		{"nothing before", []event{viewed, impression}, "no update before it"},
		{"update after", []event{viewed, added, impression, update}, "update of event 0"},
		{"another insert id", []event{viewed, with(update, "insert_id", "id-4"), impression}, "insert id: want id-2-user-property"},
		{
			"unset",
			[]event{viewed, with(update, "user_properties", map[string]any{"$unset": map[string]any{"[Experiment] flag": "-"}}), impression},
			"user properties of user-1: want map[[Experiment] flag:on], got map[]",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, err := ingest(test.ingested)
			require.NoError(t, err)
			err = check(told, server, sent)
			if test.fault == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.fault)
			}
		})
	}
	require.Error(t, check(nil, nil, nil))
}
