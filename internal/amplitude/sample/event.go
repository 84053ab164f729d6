// SPDX-License-Identifier: Apache-2.0

// Package sample has an event for tests and benchmarks of encoders.
package sample // import "github.com/impression-collector/impression-bridge/internal/amplitude/sample"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// Event is an event in the form from which a general JSON library encodes it.
type Event struct {
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

// Value returns the event in the form from which our encoder encodes it.
func (e *Event) Value() (*event.Event, error) {
	var v event.Event
	for f, text := range map[event.Field]string{
		event.Type: e.Type, event.UserID: e.UserID, event.DeviceID: e.DeviceID, event.InsertID: e.InsertID, event.IP: e.IP,
		event.AppVersion: e.AppVersion, event.Platform: e.Platform, event.OSName: e.OSName, event.Language: e.Language,
		event.UserAgent: e.UserAgent,
	} {
		v.SetText(f, text)
	}
	for f, raw := range map[event.Field]map[string]any{
		event.Properties: e.Properties, event.UserProperties: e.UserProperties, event.Groups: e.Groups,
	} {
		if raw == nil {
			continue
		}
		m := pcommon.NewMap()
		if err := m.FromRaw(raw); err != nil {
			return nil, err
		}
		v.SetMap(f, m)
	}
	v.SetInteger(event.Time, e.Time*1e6)
	v.SetInteger(event.SessionID, e.SessionID)
	return &v, nil
}

// Impression is an impression with its user property update. Encoded, it has 734 bytes.
var Impression = Event{
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
