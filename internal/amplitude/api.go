// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import "time"

// API is one of Amplitude's ingestion APIs, as the configuration names it. They take the same body and give the same
// answers.
type API string

// The APIs.
const (
	// HTTPV2 keeps the order of one device's events.
	HTTPV2 API = "http_v2"
	// Batch takes more of one user at once.
	Batch API = "batch"
)

// The regions in which a project's data reside. A key of one is unknown in the other.
const (
	RegionUS = "us"
	RegionEU = "eu"
)

// What both APIs hold of an event.
const (
	// MaxStringLength is the number of characters at which Amplitude cuts a string, be it an id or a property.
	MaxStringLength = 1024
	// MaxDepth is how deep event properties and user properties may be nested.
	MaxDepth = 40
	// DefaultMinIDLength is the number of characters that an id needs where a request's options do not say otherwise.
	DefaultMinIDLength = 5
)

// Limits are what an API takes in one request, and how long it wants to rest.
type Limits struct {
	// Events and Bytes are the most that a request may hold, the bytes counted before compression.
	Events, Bytes int
	// EventsPerSecond is what one user or device may send.
	EventsPerSecond int
	// ThrottlePause is how long nothing should be sent of an id that was throttled.
	ThrottlePause time.Duration
}

// Limits returns the API's limits; for an unknown API those of HTTPV2, which are the narrower but for the pause, which
// is the longer.
func (a API) Limits() Limits {
	if a == Batch {
		return Limits{Events: 2_000, Bytes: 20_000_000, EventsPerSecond: 1_000, ThrottlePause: 15 * time.Second}
	}
	// Documented as "under 1 MB with fewer than 2000 events": less than the smaller of the two megabytes.
	return Limits{Events: 1_999, Bytes: 999_999, EventsPerSecond: 30, ThrottlePause: 30 * time.Second}
}

// URL returns where the API takes requests for projects of a region, and "" for an unknown API or region: no guess may
// send data to the wrong side of the Atlantic.
func (a API) URL(region string) string {
	var host, path string
	switch region {
	case RegionUS:
		host = "https://api2.amplitude.com"
	case RegionEU:
		host = "https://api.eu.amplitude.com"
	default:
		return ""
	}
	switch a {
	case HTTPV2:
		path = "/2/httpapi"
	case Batch:
		path = "/batch"
	default:
		return ""
	}
	return host + path
}
