// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
)

// FuzzNeighborsAreDelivered: whatever a record contains, its neighbors are delivered once and in order, to a fake that
// validates events as Amplitude documents, and nothing is returned.
func FuzzNeighborsAreDelivered(f *testing.F) {
	for _, text := range []string{
		newEvent("a"), update("user-1", "a", "on", 1),
		`{"type":"track","event":"x","userId":"user-1","properties":{"a":[1,2.5,null,true,{"b":"c"}]},"context":{"sessionId":12}}`,
		`{"event_type":"x","device_id":"device-1","time":"2026-11-23","session_id":"a","user_properties":{"a":1},"groups":[],"price":1}`,
		`{"event_type":"x","user_id":17000,"ip":5,"event_properties":{"a":1e400}}`,
		`{"batch":[{"event":"x","userId":"user-1"},{"event":"y","userId":"user-1"}]}`,
		`{"event":"\ud800","userId":"\u0000aaaaa","properties":{"` + strings.Repeat("k", 2000) + `":1}}`,
	} {
		f.Add(text)
	}
	p := start(f, componenttest.NewNopHost(), nil)
	f.Fuzz(func(t *testing.T, text string) {
		p.server.Reset()
		require.NoError(t, p.push(t.Context(), logsOf(newEvent("before"), text, newEvent("after"))))
		var neighbors []string
		for _, event := range p.server.Events() {
			if event.InsertID == "before" || event.InsertID == "after" {
				neighbors = append(neighbors, event.InsertID)
			}
		}
		assert.Equal(t, []string{"before", "after"}, neighbors, "%q", text)
	})
}
