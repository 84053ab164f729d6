// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import (
	"strings"
	"unicode/utf8"
)

// RefusedID reports whether Amplitude refuses this user_id or device_id with a 400, however long it is: the documented list
// and the empty id. The list is matched exactly, because Amplitude doesn't document that case doesn't matter.
func RefusedID(id string) bool {
	switch id {
	case "", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "{}", "0", "-1",
		"00000000-0000-0000-0000-000000000000", "lmy47d":
		return true
	default:
		return false
	}
}

// RefusedDeviceID reports whether Amplitude refuses this device_id because it is all zeros, besides those of RefusedID.
func RefusedDeviceID(id string) bool {
	return strings.Trim(id, "0") == ""
}

// LongEnough reports whether an id has at least so many characters. Amplitude removes a shorter one from its event.
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

// IDFault says how many of an event's two ids were left out, by why. Its zero value is NoIDFault.
type IDFault struct {
	// Refused are in the list of RefusedID, TooShort are not LongEnough.
	Refused, TooShort int64
}

// NoIDFault is that of an event whose ids, as far as it has any, may all be sent.
var NoIDFault IDFault

// CheckIDs returns an event's ids as far as Amplitude takes them, "" in place of one that it does not take, and why ids
// were left out. Amplitude refuses the whole event for a refused id, and removes one that has fewer than minLength
// characters; with the id left out, the event is good as long as it has the other. An event of which both come back
// empty must not be sent, for the reason that DropReason tells.
func CheckIDs(userID, deviceID string, minLength int) (user, device string, fault IDFault) {
	user = fault.check(userID, RefusedID(userID), minLength)
	device = fault.check(deviceID, RefusedID(deviceID) || RefusedDeviceID(deviceID), minLength)
	return user, device, fault
}

func (f *IDFault) check(id string, refused bool, minLength int) string {
	switch {
	case id == "":
		return ""
	case refused:
		f.Refused++
		return ""
	case !LongEnough(id, minLength):
		f.TooShort++
		return ""
	default:
		return id
	}
}

// DropReason returns why an event is dropped whose ids were all left out, as the label of a metric: "missing_id" where it
// had none, "refused_id" where at least one was refused, else "id_too_short".
func (f IDFault) DropReason() string {
	switch {
	case f.Refused > 0:
		return "refused_id"
	case f.TooShort > 0:
		return "id_too_short"
	default:
		return "missing_id"
	}
}
