// SPDX-License-Identifier: Apache-2.0

package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// RefusedID reports whether Amplitude refuses this user_id or device_id with a 400, whatever min_id_length is. It knows the
// documented list and the empty id. It distinguishes upper and lower case, because the documentation doesn't say that
// Amplitude ignores it.
func RefusedID(id string) bool {
	switch id {
	case "", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "{}", "0", "-1",
		"00000000-0000-0000-0000-000000000000", "lmy47d":
		return true
	default:
		return false
	}
}

// RefusedDeviceID reports whether Amplitude refuses this device_id because it consists of zeros. Those of RefusedID are refused
// too.
func RefusedDeviceID(id string) bool {
	// A resource's id is checked for each of its records, at any length.
	return strings.Trim(id[:min(len(id), MaxStringLength)], "0") == ""
}

// LongEnough reports whether an id has at least this number of characters. Amplitude removes shorter ids from events.
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

// AppendInsertID appends an insert id and a suffix. If they have more than MaxStringLength characters together, it appends a hash
// in place of the insert id. Amplitude would cut it, and take two events for one whose ids differ only behind the cut.
func AppendInsertID(to []byte, id, suffix string) []byte {
	if LongEnough(id, MaxStringLength+1-len(suffix)) {
		hash := Hash([]byte(id))
		return append(append(to, hash[:]...), suffix...)
	}
	return append(append(to, id...), suffix...)
}

// Hash returns half of a SHA-256 in hexadecimal. It has 128 bits, as many as a UUID.
func Hash(content []byte) (text [sha256.Size]byte) {
	sum := sha256.Sum256(content)
	hex.Encode(text[:], sum[:len(sum)/2])
	return text
}

// IDFault counts the ids of an event that were left out, by reason.
type IDFault struct {
	// Refused counts ids of RefusedID and RefusedDeviceID, TooShort those that aren't LongEnough.
	Refused, TooShort int64
}

// NoIDFault is the IDFault of an event from which no id was left out.
var NoIDFault IDFault

// CheckIDs returns an event's ids, "" in place of an id that must be left out, and why. Amplitude refuses the whole event
// because of one refused id, and it removes an id that has fewer than minLength characters. Without that id, Amplitude accepts
// the event if it has the other. If both ids are empty, the event must not be sent, and DropReason says why.
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

// DropReason returns why an event without any remaining id is dropped, as a metric label: "refused_id" if an id was refused,
// otherwise "id_too_short" if one was too short, otherwise "missing_id".
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
