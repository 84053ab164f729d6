// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import "slices"

// typeSet are the event types that a reader finds. Nil is any.
type typeSet []string

// index returns the index of an event type, NotFound where it is none of the set or "". Any type has the index 0.
func (s typeSet) index(eventType string) int {
	if s == nil && eventType != "" {
		return 0
	}
	return slices.Index(s, eventType)
}
