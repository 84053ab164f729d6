// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/impression-collector/impression-bridge/internal/layout"
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

// FuzzRequestsOfCDPsAreValid: whatever a CDP's call has as its properties, context and traits, the fake never refuses what is sent.
func FuzzRequestsOfCDPsAreValid(f *testing.F) {
	for _, text := range []string{
		`{"revenue":"19.95","price":1e308,"quantity":2.5,"productId":7,"revenueType":null,"currency":{},"products":[{"price":1}]}`,
		`{"revenue":-1,"price":"-0","quantity":"1e400","product_id":[],"revenue_type":"r"}`,
		`{"revenue":0,"price":"1e308","quantity":"1e308"}`,
		`{"os":{"name":1,"version":2.5},"device":{"type":"iOS","id":"00000","advertisingId":true},"network":{"carrier":""},"ip":"$remote"}`,
		`{"location":{"latitude":"51.3","longitude":1e400},"traits":{"address":{"city":["a"],"country":5}},"library":{"name":"analytics.js"}}`,
		`{"geo":{"country":{"code":"DE"},"location":{"latitude":null}},"sessionId":"1.5"}`,
		`[]`, `null`, `"text"`, `1e999`,
	} {
		f.Add(text)
	}
	exporters := map[string]*pushed{}
	for _, preset := range []string{"segment", "rudderstack", "jitsu"} {
		exporters[preset] = start(f, componenttest.NewNopHost(), func(c *Config) { c.Layouts = []layout.Config{{Preset: preset}} })
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			t.Skip()
		}
		for preset, p := range exporters {
			p.server.Reset()
			for _, call := range []string{"track", "identify", "page"} {
				record := fmt.Sprintf(`{"type":%q,"event":"x","userId":"user-17","messageId":%[1]q,"channel":"mobile","properties":%[2]s,"context":%[2]s,"traits":%[2]s}`,
					call, text)
				require.NoError(t, p.push(t.Context(), logsOf(record)))
			}
			for _, request := range p.server.Requests() {
				assert.Equal(t, http.StatusOK, request.Status, "%s: %s", preset, text)
			}
		}
	})
}
