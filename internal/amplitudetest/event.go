// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// Event is an event of a request.
type Event struct {
	// Type and the fields up to UserProperties are zero if the event doesn't have them or they have the wrong type.
	Type, UserID, DeviceID, InsertID string
	// Time is in milliseconds since 1970.
	Time                       int64
	Properties, UserProperties map[string]any
	// Groups are the names of the event's groups by type, as Amplitude tracks them. An ingested event also has the groups that
	// an earlier $identify gave to its user.
	Groups map[string][]string
	// Revenue is price times quantity, if revenue isn't sent or all three are. Otherwise it is the revenue that was sent.
	Revenue float64
	// Fields are all fields as they were sent. Raw is the JSON text, for numbers that a float64 can't hold.
	Fields map[string]any
	Raw    []byte

	// Request is the index of the request in Requests, and At is when the request arrived. Only ingested events have them.
	Request int
	At      time.Time
	// UserState are the user properties that Amplitude shows with the event. Only ingested events have them.
	UserState map[string]any

	untrackedGroups int
}

// identifyType is the type of events that only update user properties.
const identifyType = "$identify"

func newEvent(fields map[string]any, raw []byte) Event {
	e := Event{Fields: fields, Raw: raw}
	e.Type, _ = fields["event_type"].(string)
	e.UserID, _ = fields["user_id"].(string)
	e.DeviceID, _ = fields["device_id"].(string)
	e.InsertID, _ = fields["insert_id"].(string)
	at, _ := fields["time"].(float64)
	e.Time = int64(at)
	e.Properties, _ = fields["event_properties"].(map[string]any)
	e.UserProperties, _ = fields["user_properties"].(map[string]any)
	groups, _ := fields["groups"].(map[string]any)
	e.Groups, e.untrackedGroups = groupsOf(groups)
	e.Revenue = revenueOf(fields)
	return e
}

// revenueOf returns the revenue of an event. The quantity is 1 if it isn't sent.
func revenueOf(fields map[string]any) float64 {
	price, hasPrice := fields["price"].(float64)
	quantity, hasQuantity := fields["quantity"].(float64)
	revenue, hasRevenue := fields["revenue"].(float64)
	switch {
	case hasPrice && hasQuantity:
		return price * quantity
	case hasRevenue:
		return revenue
	default:
		return price
	}
}

// skipsSync reports whether the event neither updates its user's properties nor shows earlier ones.
func (e *Event) skipsSync() bool {
	return e.Fields["$skip_user_properties_sync"] == true
}

// removeShortIDs removes ids that are too short, as Amplitude does once it has found that the other id is long enough.
func (e *Event) removeShortIDs(minimum int) {
	if !amplitude.LongEnough(e.UserID, minimum) {
		e.UserID = ""
	}
	if !amplitude.LongEnough(e.DeviceID, minimum) {
		e.DeviceID = ""
	}
}

// cutStrings cuts all strings that are too long. It doesn't modify Fields or the maps it shares with them.
func (e *Event) cutStrings() {
	for _, text := range []*string{&e.Type, &e.UserID, &e.DeviceID, &e.InsertID} {
		*text, _ = cutString(*text)
	}
	e.Properties = cutMap(e.Properties)
	e.UserProperties = cutMap(e.UserProperties)
}

func cutString(s string) (string, bool) {
	if len(s) <= amplitude.MaxStringLength || utf8.RuneCountInString(s) <= amplitude.MaxStringLength {
		return s, false
	}
	characters := 0
	for i := range s {
		if characters == amplitude.MaxStringLength {
			return s[:i], true
		}
		characters++
	}
	return s, false
}

func cutMap(m map[string]any) map[string]any {
	whole, isCut := cutWithin(m)
	if !isCut {
		return m
	}
	return whole.(map[string]any) //nolint:forcetypeassert // cutWithin returns a map for a map
}

// cutWithin cuts all strings in a value. It returns the value itself if there is nothing to cut, which is the common case.
func cutWithin(value any) (any, bool) {
	switch value := value.(type) {
	case string:
		return cutString(value)
	case map[string]any:
		var copied map[string]any
		for name, member := range value {
			short, isCut := cutWithin(member)
			if !isCut {
				continue
			}
			if copied == nil {
				copied = maps.Clone(value)
			}
			copied[name] = short
		}
		if copied == nil {
			return value, false
		}
		return copied, true
	case []any:
		var copied []any
		for i, element := range value {
			short, isCut := cutWithin(element)
			if !isCut {
				continue
			}
			if copied == nil {
				copied = slices.Clone(value)
			}
			copied[i] = short
		}
		if copied == nil {
			return value, false
		}
		return copied, true
	default:
		return value, false
	}
}

// depth returns how many objects and lists are nested in each other.
func depth(value any) int {
	deepest := 0
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			deepest = max(deepest, depth(member))
		}
	case []any:
		for _, element := range value {
			deepest = max(deepest, depth(element))
		}
	default:
		return 0
	}
	return deepest + 1
}
