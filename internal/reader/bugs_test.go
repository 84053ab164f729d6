// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// TestConditionOfATypeBesideTheAttributes has layouts whose only path to the event type doesn't lead into the attributes,
// where the condition looks.
func TestConditionOfATypeBesideTheAttributes(t *testing.T) {
	for _, start := range []string{`log.event_name`, `log.body`} {
		configs := []layout.Config{{Preset: "segment", Paths: paths{"event_type": {start}}}}
		for name, row := range map[string]struct {
			attributes raw
			finds      bool
		}{
			"a track call":           {raw{"type": "track"}, true},
			"another call":           {raw{"type": "page", "userId": "u"}, false},
			"no type, but a user id": {raw{"userId": "u"}, true},
			"neither":                {raw{}, false},
		} {
			got := identityOf(t, configs, given{name: "a", body: "a", attributes: row.attributes})
			assert.Equal(t, row.finds, got.eventType == "a", start+": "+name)
		}
	}
}

func TestEventInAListWithinAListIsMixed(t *testing.T) {
	for _, body := range []any{[]any{[]any{call("u")}}, raw{"batch": []any{[]any{call("u")}}}} {
		all, _ := readRecord(t, newReader(t, []string{"a"}, defaults...), given{body: body})
		require.Len(t, all, 1)
		assert.Equal(t, MixedEvents, all[0].problem)
	}
}

// TestEventsOfEnvelopesAreClaimedAtTheirPlace has layouts with paths to one of the places at which an envelope's events can
// end: they claim an event within an envelope if they claim the same event without one.
func TestEventsOfEnvelopesAreClaimedAtTheirPlace(t *testing.T) {
	to := func(start string) layout.Config {
		return layout.Config{Paths: paths{
			"event_type": {start + `["name"]`}, "properties": {`event`}, "insert_id": {start + `["id"]`},
		}}
	}
	for name, row := range map[string]struct {
		start string
		event raw
		finds func(in given) bool
	}{
		"a path to the attributes": {
			`log.attributes`, raw{"name": "a"}, func(in given) bool { return in.attributes != nil },
		},
		"a path to the body": {`log.body`, raw{"name": "a"}, func(in given) bool { return in.body != nil }},
		"another layout behind it": {
			`log.attributes`, raw{"name": "b", "event_type": "a"}, func(in given) bool { return in.body != nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			envelope := raw{"id": "the envelope's", "batch": []any{row.event}}
			for _, in := range []given{{body: row.event}, {attributes: row.event}, {body: envelope}, {attributes: envelope}} {
				records := scopeOf(t, in)
				before := rawOf(records)
				reader := newReader(t, []string{"a"}, to(row.start), layout.Config{Preset: "amplitude"})
				all := readAll(reader, pcommon.NewResource(), records)
				if !row.finds(in) {
					assert.Empty(t, all)
					assert.Equal(t, before, rawOf(records))
					continue
				}
				if assert.Len(t, all, 1) {
					assert.Empty(t, all[0].texts[event.InsertID], "insert ids aren't handed on")
				}
			}
		})
	}
}

func TestResetLetsGoOfTheEnvelope(t *testing.T) {
	reader := newReader(t, []string{"a"}, defaults...)
	readAll(reader, pcommon.NewResource(), mixedScope(t))
	reader.Reset()
	assert.Zero(t, reader.found.envelope)
	assert.Zero(t, reader.found.claim)
}
