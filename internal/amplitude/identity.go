// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impressionprocessor/internal/amplitude"

import "unicode/utf8"

// RefusedID tells whether Amplitude refuses this user_id or device_id with a 400, however long it is: the documented
// list, and the empty id. The list is matched exactly; Amplitude documents no folding of case.
func RefusedID(id string) bool {
	switch id {
	case "", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "{}", "0", "-1",
		"00000000-0000-0000-0000-000000000000", "lmy47d":
		return true
	default:
		return false
	}
}

// LongEnough tells whether an id has at least so many characters. Amplitude removes a shorter one from its event.
func LongEnough(id string, minimum int) bool {
	switch {
	case len(id) < minimum:
		return false
	case len(id)/utf8.UTFMax >= minimum:
		return true
	default:
		return utf8.RuneCountInString(id) >= minimum
	}
}
