// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParsePath(t *testing.T) {
	for text, want := range map[string]Path{
		`log.event_name`:                   {Start: EventName},
		`log.time`:                         {Start: Timestamp},
		`log.body`:                         {Start: Body},
		`log.body["event"]`:                {Start: Body, Keys: []string{"event"}},
		`log.attributes["a"]["b"]`:         {Start: Attributes, Keys: []string{"a", "b"}},
		`resource.attributes["user.id"]`:   {Start: Resource, Keys: []string{"user.id"}},
		`event["context"]["device"]["id"]`: {Start: Root, Keys: []string{"context", "device", "id"}},
		`event["a \"quoted\" ] key"]`:      {Start: Root, Keys: []string{`a "quoted" ] key`}},
		`event["$insert_id"]`:              {Start: Root, Keys: []string{"$insert_id"}},
	} {
		got, err := parsePath(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, text, got.String())
	}
	for _, text := range []string{
		"", "event.a", `event[a]`, `event['a']`, `event["a"`, `event["a]`, `event["a"]x`, `event[""]`, `event[0]`, `event[]`, "event[",
		` event["a"]`, `log.time["a"]`, `log.event_name["a"]`, `attributes["a"]`, `log.severity_text`,
	} {
		_, err := parsePath(text)
		assert.Error(t, err, text)
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add(`log.attributes["a"]["b"]`)
	f.Add(`event["a \"quoted\" ] key"]`)
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parsePath(text)
		if err != nil {
			return
		}
		again, err := parsePath(parsed.String())
		require.NoError(t, err)
		assert.Equal(t, parsed, again)
	})
}
