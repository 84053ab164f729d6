// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import "go.opentelemetry.io/collector/pdata/pcommon"

// isPassthrough reports whether a key is a field of Amplitude's API that isn't in the table of package event. All except two
// are among "Keys for the event argument" of the HTTP V2 documentation; Amplitude's own clients also send library and
// version_name.
func isPassthrough(key string) bool {
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

// passthrough writes the fields of an event in Amplitude's own form that aren't in the table of package event. They keep their
// types, because Amplitude may accept others than its documentation names.
func (e *Encoder) passthrough(to []byte, m pcommon.Map) []byte {
	if m == (pcommon.Map{}) {
		return to
	}
	for key, value := range m.All() {
		if !isPassthrough(key) || value.Type() == pcommon.ValueTypeEmpty {
			continue
		}
		// Few keys get here.
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
