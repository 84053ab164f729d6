// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// User is what the server knows about a user.
type User struct {
	// ID is the user_id or, for events without one, the device_id.
	ID string
	// IsDevice reports whether ID is a device_id.
	IsDevice   bool
	Properties map[string]any
	// Groups are the names of the groups, by type, that $identify events have given to the user.
	Groups map[string][]string
	// Revenue is that of all events.
	Revenue float64
	// Events are in order of arrival, without duplicates.
	Events []Event
	// Duplicates counts the events that were ignored because their insert_id was already known.
	Duplicates int
}

// Users returns all users, in the order of their first events.
func (s *Server) Users() []User {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	users := make([]User, 0, len(s.store.order))
	for _, u := range s.store.order {
		users = append(users, s.store.known(u))
	}
	return users
}

func (s *store) known(u *user) User {
	known := User{
		ID: u.key.id, IsDevice: u.key.isDevice, Properties: maps.Clone(u.properties), Groups: maps.Clone(u.groups),
		Revenue: u.revenue, Duplicates: u.duplicates, Events: make([]Event, 0, len(u.events)),
	}
	for _, index := range u.events {
		known.Events = append(known.Events, s.events[index])
	}
	return known
}

// User returns the user with this user_id. If there is none, it returns the device with this device_id, and if there is no
// such device either, the zero User.
func (s *Server) User(id string) User {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, key := range [...]userKey{{id: id}, {id: id, isDevice: true}} {
		if u := s.store.users[key]; u != nil {
			return s.store.known(u)
		}
	}
	return User{}
}

// WriteKnown writes what is known about each user and group as text.
func (s *Server) WriteKnown(w io.Writer) error {
	counts := s.Counts()
	var text strings.Builder
	fmt.Fprintf(&text, "events: %d, requests: %d, ignored duplicates: %d\n", counts.Ingested, counts.Requests, counts.Duplicates)
	for _, u := range s.Users() {
		u.write(&text)
	}
	for _, g := range s.Groups() {
		g.write(&text)
	}
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(aligned, text.String()); err != nil {
		return err
	}
	return aligned.Flush()
}

func (u *User) write(text *strings.Builder) {
	who := "user"
	if u.IsDevice {
		who = "device"
	}
	fmt.Fprintf(text, "\n%s %s\n", who, plain(u.ID))
	if len(u.Properties) == 0 {
		text.WriteString("  no user properties\n")
	}
	for _, name := range sortedKeys(u.Properties) {
		fmt.Fprintf(text, "  user property\t%s\t%s\n", plain(name), plain(u.Properties[name]))
	}
	for _, groupType := range sortedKeys(u.Groups) {
		fmt.Fprintf(text, "  group\t%s\t%s\n", plain(groupType), plain(u.Groups[groupType]))
	}
	writeRevenue(text, u.Revenue)
	for i := range u.Events {
		e := &u.Events[i]
		properties := e.Properties
		switch e.Type {
		case identifyType:
			properties = e.UserProperties
		case groupIdentifyType:
			properties, _ = e.Fields["group_properties"].(map[string]any)
		}
		fmt.Fprintf(text, "  event\t%s\t%s\n", plain(e.Type), describe(properties))
	}
}

func (g *Group) write(text *strings.Builder) {
	fmt.Fprintf(text, "\ngroup %s %s\n", plain(g.Type), plain(g.Name))
	for _, name := range sortedKeys(g.Properties) {
		fmt.Fprintf(text, "  group property\t%s\t%s\n", plain(name), plain(g.Properties[name]))
	}
	fmt.Fprintf(text, "  events\t%d\t\n", g.Events)
	writeRevenue(text, g.Revenue)
}

func writeRevenue(text *strings.Builder, revenue float64) {
	if revenue != 0 {
		fmt.Fprintf(text, "  revenue\t%s\t\n", plain(revenue))
	}
}

// describe returns a map as one line. It leaves out the content of nested maps, which would make the line too long.
func describe(properties map[string]any) string {
	var parts []string
	for _, name := range sortedKeys(properties) {
		value := properties[name]
		if _, isMap := value.(map[string]any); isMap && !strings.HasPrefix(name, "$") {
			value = "{…}"
		}
		parts = append(parts, plain(name)+": "+plain(value))
	}
	return strings.Join(parts, ", ")
}

// plain returns a string as it is and any other value as JSON. Empty strings and strings with control characters, which
// would break the line, are written as JSON too.
func plain(value any) string {
	if text, isString := value.(string); isString && text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
		return text
	}
	encoded, err := json.Marshal(value, json.Deterministic(true))
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}

func (s *Server) serveKnown(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// If the write fails, the client is gone.
	_ = s.WriteKnown(w)
}

// knownUser is a user in /known.json, with the field names of Amplitude's API.
type knownUser struct {
	UserID         string              `json:"user_id,omitzero"`
	DeviceID       string              `json:"device_id,omitzero"`
	UserProperties map[string]any      `json:"user_properties"`
	Groups         map[string][]string `json:"groups,omitzero"`
	Revenue        float64             `json:"revenue,omitzero"`
	Events         []knownEvent        `json:"events"`
	Duplicates     int                 `json:"duplicates"`
}

// knownGroup is a group in /known.json. Groups follow the users.
type knownGroup struct {
	Type       string         `json:"group_type"`
	Name       string         `json:"group_value"`
	Properties map[string]any `json:"group_properties"`
	Events     int            `json:"events"`
	Revenue    float64        `json:"revenue,omitzero"`
}

type knownEvent struct {
	EventType       string              `json:"event_type"`
	UserID          string              `json:"user_id,omitzero"`
	DeviceID        string              `json:"device_id,omitzero"`
	InsertID        string              `json:"insert_id,omitzero"`
	Time            int64               `json:"time,omitzero"`
	EventProperties map[string]any      `json:"event_properties,omitzero"`
	UserProperties  map[string]any      `json:"user_properties,omitzero"`
	Groups          map[string][]string `json:"groups,omitzero"`
	Revenue         float64             `json:"revenue,omitzero"`
}

func (s *Server) serveKnownJSON(w http.ResponseWriter) {
	known := []any{}
	for _, u := range s.Users() {
		shown := knownUser{UserID: u.ID, UserProperties: u.Properties, Groups: u.Groups, Revenue: u.Revenue, Events: []knownEvent{}, Duplicates: u.Duplicates}
		if u.IsDevice {
			shown.UserID, shown.DeviceID = "", u.ID
		}
		for i := range u.Events {
			e := &u.Events[i]
			shown.Events = append(shown.Events, knownEvent{
				EventType: e.Type, UserID: e.UserID, DeviceID: e.DeviceID, InsertID: e.InsertID, Time: e.Time,
				EventProperties: e.Properties, UserProperties: e.UserProperties, Groups: e.Groups, Revenue: e.Revenue,
			})
		}
		known = append(known, shown)
	}
	for _, g := range s.Groups() {
		known = append(known, knownGroup(g))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, known, json.Deterministic(true), jsontext.WithIndent("  "))
}
