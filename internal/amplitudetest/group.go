// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"maps"
	"slices"
)

// groupIdentifyType is the type of events that update the properties of groups.
const groupIdentifyType = "$groupidentify"

// An event can have this many types of groups, and this many names of groups in total. Amplitude doesn't track others.
const (
	maxGroupTypes = 5
	maxGroupNames = 10
)

// Group is what the server knows about a group.
type Group struct {
	Type, Name string
	Properties map[string]any
	// Events counts the group's events, and Revenue is their revenue. $identify and $groupidentify don't count.
	Events  int
	Revenue float64
}

type groupKey struct {
	groupType, name string
}

// groupsOf returns the groups that Amplitude tracks, and counts the others. A name that isn't a string isn't tracked. Which
// groups exceed the limits is undocumented. Here, they are the last ones in the order of their types.
func groupsOf(sent map[string]any) (tracked map[string][]string, untracked int) {
	names := 0
	for _, groupType := range sortedKeys(sent) {
		for _, value := range values(sent[groupType]) {
			name, isText := value.(string)
			if !isText || names == maxGroupNames || len(tracked) == maxGroupTypes && tracked[groupType] == nil {
				untracked++
				continue
			}
			if tracked == nil {
				tracked = map[string][]string{}
			}
			name, _ = cutString(name)
			tracked[groupType] = append(tracked[groupType], name)
			names++
		}
	}
	return tracked, untracked
}

// Groups returns all groups, in the order of their first events. The groups of one event are in the order of their types.
func (s *Server) Groups() []Group {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var groups []Group
	for _, g := range s.store.groupOrder {
		known := *g
		known.Properties = maps.Clone(g.Properties)
		groups = append(groups, known)
	}
	return groups
}

// Group returns the group with this type and name, or the zero Group if there is none.
func (s *Server) Group(groupType, name string) Group {
	for _, g := range s.Groups() {
		if g.Type == groupType && g.Name == name {
			return g
		}
	}
	return Group{}
}

// groupsNamed returns the groups of an event, and adds those that are missing.
func (s *store) groupsNamed(named map[string][]string) []*Group {
	var groups []*Group
	for _, groupType := range sortedKeys(named) {
		for _, name := range slices.Compact(slices.Sorted(slices.Values(named[groupType]))) {
			key := groupKey{groupType: groupType, name: name}
			g := s.groups[key]
			if g == nil {
				g = &Group{Type: groupType, Name: name, Properties: map[string]any{}}
				s.groups[key] = g
				s.groupOrder = append(s.groupOrder, g)
			}
			groups = append(groups, g)
		}
	}
	return groups
}

// applyToGroups applies an event to its groups.
func (s *store) applyToGroups(e *Event) {
	properties, _ := e.Fields["group_properties"].(map[string]any)
	for _, g := range s.groupsNamed(e.Groups) {
		switch e.Type {
		case groupIdentifyType:
			g.Properties = applyOperations(g.Properties, cutMap(properties))
		case identifyType:
		default:
			g.Events++
			g.Revenue += e.Revenue
		}
	}
}
