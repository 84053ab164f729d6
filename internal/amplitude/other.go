// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import "go.opentelemetry.io/collector/pdata/pcommon"

// isOther tells whether a key is a field of an event that Event does not name. All but two are in "Keys for the event
// argument" of the HTTP V2 documentation; library and version_name are what Amplitude's own clients send besides.
func isOther(key string) bool {
	switch key {
	case "country", "region", "city", "dma", "location_lat", "location_lng",
		"os_version", "device_brand", "device_manufacturer", "device_model", "carrier",
		"price", "quantity", "revenue", "productId", "revenueType", "currency",
		"idfa", "idfv", "adid", "android_id", "android_app_set_id",
		"event_id", "group_properties", "partner_id", "plan", "ingestion_metadata", "$skip_user_properties_sync",
		"library", "version_name":
		return true
	default:
		return false
	}
}

// others writes the fields of an event in Amplitude's own form that Event does not name. They keep their types: what
// Amplitude takes for a number or a text beyond its documentation is for Amplitude to say.
func (e *Encoder) others(to []byte, m pcommon.Map) []byte {
	if m == (pcommon.Map{}) {
		return to
	}
	for key, value := range m.All() {
		if !isOther(key) || value.Type() == pcommon.ValueTypeEmpty {
			continue
		}
		// There are few of them, so the look from the front is short.
		if first, _ := m.Get(key); first != value {
			e.Changed[RepeatedKey]++
			continue
		}
		to = append(to, '"')
		to = append(to, key...)
		to = append(to, '"', ':')
		to = e.value(to, value, 1)
		to = append(to, ',')
	}
	return to
}
