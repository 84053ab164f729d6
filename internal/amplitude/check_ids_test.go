// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckIDs(t *testing.T) {
	for _, test := range []struct {
		user, device         string
		wantUser, wantDevice string
		fault                IDFault
		dropped              string
	}{
		{"user-1", "device-1", "user-1", "device-1", NoIDFault, ""},
		{"user-1", "", "user-1", "", NoIDFault, ""},
		{"", "device-1", "", "device-1", NoIDFault, ""},
		{"", "", "", "", NoIDFault, "missing_id"},
		{"anonymous", "device-1", "", "device-1", IDFault{Refused: 1}, ""},
		{"user-1", "00000000-0000-0000-0000-000000000000", "user-1", "", IDFault{Refused: 1}, ""},
		{"user-1", "d", "user-1", "", IDFault{TooShort: 1}, ""},
		{"äöüß", "device-1", "", "device-1", IDFault{TooShort: 1}, ""},
		{"null", "", "", "", IDFault{Refused: 1}, "refused_id"},
		{"", "-1", "", "", IDFault{Refused: 1}, "refused_id"},
		{"null", "unknown", "", "", IDFault{Refused: 2}, "refused_id"},
		{"user", "", "", "", IDFault{TooShort: 1}, "id_too_short"},
		{"user", "x", "", "", IDFault{TooShort: 2}, "id_too_short"},
		{"user", "nil", "", "", IDFault{Refused: 1, TooShort: 1}, "refused_id"},
		{"nil", "x", "", "", IDFault{Refused: 1, TooShort: 1}, "refused_id"},
	} {
		t.Run(test.user+" "+test.device, func(t *testing.T) {
			user, device, fault := CheckIDs(test.user, test.device, DefaultMinIDLength)
			assert.Equal(t, test.wantUser, user)
			assert.Equal(t, test.wantDevice, device)
			assert.Equal(t, test.fault, fault)
			if user == "" && device == "" {
				assert.Equal(t, test.dropped, fault.DropReason())
			} else {
				assert.Empty(t, test.dropped)
			}
		})
	}
}

func TestCheckIDsByLength(t *testing.T) {
	user, device, fault := CheckIDs("u", "0", 1)
	assert.Equal(t, "u", user)
	assert.Empty(t, device)
	assert.Equal(t, IDFault{Refused: 1}, fault)

	user, _, fault = CheckIDs("user-1", "device-1", 7)
	assert.Empty(t, user)
	assert.Equal(t, IDFault{TooShort: 1}, fault)
}
