// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// The keys of fields that have a default.
const (
	libraryKey   = "library"
	partnerIDKey = "partner_id"
)

// skipSyncKey is the key of the field that tells Amplitude to leave the properties of a user as they are
// (https://amplitude.com/docs/data/data-backfill).
const skipSyncKey = "$skip_user_properties_sync"

// isPassthrough reports whether a key is a field of Amplitude's API that isn't in the table of package event. The HTTP V2
// documentation lists them under "Keys for the event argument", except library and version_name, which Amplitude's own
// clients send.
func isPassthrough(key string) bool {
	switch key {
	case "dma", "android_id", "android_app_set_id", "event_id", "group_properties", partnerIDKey, "plan", "ingestion_metadata",
		skipSyncKey, libraryKey, "version_name":
		return true
	default:
		return false
	}
}

// passthrough writes the fields for which isPassthrough reports true. Values keep their types, because Amplitude may accept
// types that its documentation doesn't name.
func (e *Encoder) passthrough(to []byte, m pcommon.Map) []byte {
	if m == (pcommon.Map{}) {
		return to
	}
	// Looking up the key in the map for each entry would take quadratic time if a key is repeated often.
	e.passed = e.passed[:0]
	for key, value := range m.All() {
		if !isPassthrough(key) || key == skipSyncKey && e.SkipUserPropertiesSync {
			continue
		}
		isRepeated := slices.Contains(e.passed, key)
		if !isRepeated {
			e.passed = append(e.passed, key)
		}
		switch {
		case value.Type() == pcommon.ValueTypeEmpty:
			continue
		case isRepeated:
			e.Changed[RepeatedKey]++
			continue
		}
		to = append(to, '"')
		to = append(to, key...)
		to = append(to, '"', ':')
		to = e.value(to, value, 1)
		to = append(to, ',')
	}
	// The keys are parts of payloads, which the list would keep in memory.
	clear(e.passed)
	return to
}

// defaultField writes a field of events that have none, which passthrough would have written.
func (e *Encoder) defaultField(to []byte, key, text string, m pcommon.Map) []byte {
	if text == "" {
		return to
	}
	if m != (pcommon.Map{}) {
		if own, present := m.Get(key); present && own.Type() != pcommon.ValueTypeEmpty {
			return to
		}
	}
	to = append(to, '"')
	to = append(to, key...)
	to = append(to, '"', ':')
	to = e.text(to, text)
	return append(to, ',')
}
