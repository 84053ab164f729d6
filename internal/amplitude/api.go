// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import "time"

// API is the name of one of Amplitude's ingestion APIs, as in the configuration. Both accept the same body and give the same
// answers.
type API string

// The APIs.
const (
	// HTTPV2 keeps the order of one device's events.
	HTTPV2 API = "http_v2"
	// Batch accepts more events of one user at once.
	Batch API = "batch"
)

// The regions in which a project's data can reside. A region doesn't know the API keys of the other.
const (
	RegionUS = "us"
	RegionEU = "eu"
)

// Limits that both APIs have for an event.
const (
	// MaxStringLength is the number of characters after which Amplitude cuts a string, whether an id or a property.
	MaxStringLength = 1024
	// MaxGroupTypes is how many types of groups an event may have, and MaxGroups how many groups. Amplitude doesn't track others
	// (https://amplitude.com/docs/apis/analytics/group-identify).
	MaxGroupTypes = 5
	MaxGroups     = 10
	// MaxDepth is how deeply event properties and user properties may be nested.
	MaxDepth = 40
	// DefaultMinIDLength is the number of characters that an id needs if the request has no min_id_length.
	DefaultMinIDLength = 5
)

// Limits are the limits of an API for requests and users.
type Limits struct {
	// Events and Bytes are the maximum size of a request. Bytes are counted before compression.
	Events, Bytes int
	// EventsPerSecond is the maximum rate of one user or device.
	EventsPerSecond int
	// ThrottlePause is how long to send no events of a throttled user or device.
	ThrottlePause time.Duration
}

// Limits returns the API's limits. For an unknown API it returns those of HTTPV2, which are the stricter ones.
func (a API) Limits() Limits {
	if a == Batch {
		return Limits{Events: 2_000, Bytes: 20_000_000, EventsPerSecond: 1_000, ThrottlePause: 15 * time.Second}
	}
	// Documented as "under 1 MB with fewer than 2000 events". Of the two meanings of MB, this stays below the smaller one.
	return Limits{Events: 1_999, Bytes: 999_999, EventsPerSecond: 30, ThrottlePause: 30 * time.Second}
}

// URL returns the URL to which requests for projects of a region are sent. For an unknown API or region it returns "",
// because a wrong guess could send data to another continent.
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
