// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// eventStruct is an event as a client on encoding/json would have it.
type eventStruct struct {
	Type           string         `json:"event_type"`
	UserID         string         `json:"user_id,omitempty"`
	DeviceID       string         `json:"device_id,omitempty"`
	Time           int64          `json:"time,omitempty"`
	InsertID       string         `json:"insert_id,omitempty"`
	SessionID      int64          `json:"session_id,omitempty"`
	Properties     map[string]any `json:"event_properties,omitempty"`
	UserProperties map[string]any `json:"user_properties,omitempty"`
	Groups         map[string]any `json:"groups,omitempty"`
	IP             string         `json:"ip,omitempty"`
	AppVersion     string         `json:"app_version,omitempty"`
	Platform       string         `json:"platform,omitempty"`
	OSName         string         `json:"os_name,omitempty"`
	Language       string         `json:"language,omitempty"`
	UserAgent      string         `json:"user_agent,omitempty"`
}

// benchmarked is an impression with its update, 734 bytes.
var benchmarked = eventStruct{
	Type:      "[Experiment] Impression",
	UserID:    "user-834120755",
	DeviceID:  "6f1c2a7e-1b3d-4c55-9a0e-7d2f61b0c944",
	Time:      1764001230123,
	InsertID:  "next-1764001234567-3f2b9c1d",
	SessionID: 1764001200000,
	Properties: map[string]any{
		"flag_key": "checkout-redesign", "variant": "treatment-1", "experiment_key": "exp-7",
		"price": 19.95, "quantity": int64(3), "logged_in": true, "coupon": nil,
		"referrer": "https://www.example.org/search", "note": "said \"ok\"\nthanks",
		"page": map[string]any{"path": "/cart", "title": "Checkout – Étape 2"},
	},
	UserProperties: map[string]any{"$set": map[string]any{"[Experiment] checkout-redesign": "treatment-1"}},
	IP:             "203.0.113.7",
	AppVersion:     "4.17.2",
	Platform:       "Web",
	OSName:         "Linux",
	Language:       "en-GB",
	UserAgent:      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
}

func mapOf(tb testing.TB, raw map[string]any) pcommon.Map {
	tb.Helper()
	if raw == nil {
		return pcommon.Map{}
	}
	m := pcommon.NewMap()
	require.NoError(tb, m.FromRaw(raw))
	return m
}

func eventOf(tb testing.TB, from *eventStruct) Event {
	tb.Helper()
	return Event{
		Type: from.Type, UserID: from.UserID, DeviceID: from.DeviceID, Time: pcommon.Timestamp(from.Time * 1e6),
		InsertID: from.InsertID, SessionID: strconv.FormatInt(from.SessionID, 10),
		Properties: mapOf(tb, from.Properties), UserProperties: mapOf(tb, from.UserProperties),
		Groups: mapOf(tb, from.Groups),
		IP:     from.IP, AppVersion: from.AppVersion, Platform: from.Platform, OSName: from.OSName,
		Language: from.Language, UserAgent: from.UserAgent,
	}
}

func BenchmarkAppend(b *testing.B) {
	event := eventOf(b, &benchmarked)
	b.Run("event", func(b *testing.B) { benchmarkAppend(b, &event) })

	hashed := event
	hashed.InsertID = ""
	b.Run("event with a hash", func(b *testing.B) { benchmarkAppend(b, &hashed) })

	for _, keys := range []int{16, mostFiltered, mostFiltered + 1, 10_000} {
		raw := map[string]any{}
		for i := range keys {
			raw[fmt.Sprint("property ", i)] = int64(i)
		}
		wide := Event{Type: "wide", Properties: mapOf(b, raw)}
		b.Run(fmt.Sprint(keys, " keys"), func(b *testing.B) { benchmarkAppend(b, &wide) })
	}

	alike := map[string]any{}
	for i := range mostFiltered {
		alike[fmt.Sprintf("%[1]s%03[2]d%[1]s", strings.Repeat("x", 8), i)] = int64(i)
	}
	worst := Event{Type: "alike", Properties: mapOf(b, alike)}
	b.Run(fmt.Sprint(mostFiltered, " keys that the filter takes for one"), func(b *testing.B) { benchmarkAppend(b, &worst) })

	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			text, err := json.Marshal(&benchmarked)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
		}
	})
}

func benchmarkAppend(b *testing.B, event *Event) {
	b.Helper()
	var encoder Encoder
	to := encoder.Append(nil, event)
	b.SetBytes(int64(len(to)))
	b.ReportAllocs()
	for b.Loop() {
		to = encoder.Append(to[:0], event)
	}
}
