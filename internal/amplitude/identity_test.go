// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// refusedIDs are the ids that Amplitude documents as refused, and the empty one.
var refusedIDs = []string{
	"anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "{}", "0", "-1",
	"00000000-0000-0000-0000-000000000000", "lmy47d", "",
}

func TestRefusedID(t *testing.T) {
	for _, id := range refusedIDs {
		assert.True(t, RefusedID(id), id)
		assert.False(t, RefusedID(id+"x"), id)
		assert.False(t, RefusedID(" "+id), id)
		if upper := strings.ToUpper(id); upper != id {
			assert.False(t, RefusedID(upper), upper)
		}
	}
	for _, id := range []string{"user-1", "1", "00", "00000000-0000-0000-0000-000000000001", "LMY47D", "[]"} {
		assert.False(t, RefusedID(id), id)
	}
}

func TestRefusedDeviceID(t *testing.T) {
	zeros := strings.Repeat("0", MaxStringLength)
	for id, want := range map[string]bool{
		"": true, "0": true, "0000": true, zeros: true, "00x": false, zeros[1:] + "x": false,
		// Amplitude ignores the end.
		zeros + "x": true,
	} {
		assert.Equal(t, want, RefusedDeviceID(id), id)
	}
}

func TestLongEnough(t *testing.T) {
	for _, test := range []struct {
		id      string
		minimum int
		want    bool
	}{
		{"", 0, true},
		{"", -1, true},
		{"", 1, false},
		{"user", DefaultMinIDLength, false},
		{"user1", DefaultMinIDLength, true},
		{"äöüß", DefaultMinIDLength, false},
		{"äöüßé", DefaultMinIDLength, true},
		{"😀😀😀😀", DefaultMinIDLength, false},
		{"😀😀😀😀😀", DefaultMinIDLength, true},
		{"\xff\xff\xff\xff", DefaultMinIDLength, false},
		{"\xff\xff\xff\xff\xff", DefaultMinIDLength, true},
		{strings.Repeat("x", 1000), math.MaxInt, false},
		{"x", math.MinInt, true},
	} {
		assert.Equal(t, test.want, LongEnough(test.id, test.minimum), "%q %d", test.id, test.minimum)
	}
}

func TestIdentityDoesNotAllocate(t *testing.T) {
	id := "äöü-834120755"
	allocations := testing.AllocsPerRun(100, func() {
		if RefusedID(id) || !LongEnough(id, DefaultMinIDLength) {
			t.Fail()
		}
	})
	assert.Zero(t, allocations)
}

func FuzzLongEnough(f *testing.F) {
	for _, id := range append(refusedIDs, "äöüß", "😀😀😀😀😀", "\xff\xfe") {
		f.Add(id, DefaultMinIDLength)
	}
	f.Fuzz(func(t *testing.T, id string, minimum int) {
		assert.Equal(t, utf8.RuneCountInString(id) >= minimum, LongEnough(id, minimum))
	})
}

func TestAppendInsertID(t *testing.T) {
	long := strings.Repeat("é", MaxStringLength)
	for name, test := range map[string]struct{ id, suffix, want string }{
		"short":                     {"message-1", "-user-property", "^message-1-user-property$"},
		"just short enough":         {long, "", "^" + long + "$"},
		"just short enough, suffix": {long[2:], "x", "^" + long[2:] + "x$"},
		"too long with the suffix":  {long, "-user-property", "^[0-9a-f]{32}-user-property$"},
		"too long":                  {long + "x", "", "^[0-9a-f]{32}$"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Regexp(t, test.want, string(AppendInsertID(nil, test.id, test.suffix)))
			assert.Equal(t, "before"+string(AppendInsertID(nil, test.id, test.suffix)), string(AppendInsertID([]byte("before"), test.id, test.suffix)))
		})
	}
	assert.NotEqual(t, AppendInsertID(nil, long+"x", ""), AppendInsertID(nil, long+"y", ""), "cut, they would be the same")
}
