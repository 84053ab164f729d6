// SPDX-License-Identifier: Apache-2.0

package pdatautil

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

func value(t *testing.T, raw any) pcommon.Value {
	t.Helper()
	v := pcommon.NewValueEmpty()
	require.NoError(t, v.FromRaw(raw))
	return v
}

func TestText(t *testing.T) {
	for _, row := range []struct {
		raw  any
		text string
	}{
		{" as it stands ", " as it stands "},
		{"", ""},
		{int64(9007199254740993), "9007199254740993"},
		{int64(math.MinInt64), "-9223372036854775808"},
		{float64(9007199254740992), "9007199254740992"},
		{123456789012345680000.0, "123456789012345680000"},
		{1e21, "1000000000000000000000"},
		{-1.5, "-1.5"},
		{1e-7, "0.0000001"},
		{true, "true"},
		{false, "false"},
	} {
		text, isText := Text(value(t, row.raw))
		assert.True(t, isText, row.raw)
		assert.Equal(t, row.text, text)
	}
	for _, raw := range []any{nil, math.NaN(), math.Inf(1), math.Inf(-1), []byte("bytes"), []any{"list"}, map[string]any{"a": "map"}} {
		_, isText := Text(value(t, raw))
		assert.False(t, isText, raw)
	}
}

func TestTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 30, 0, 123_000_000, time.UTC)
	for _, raw := range []any{
		"2026-11-23T09:30:00.123Z",
		"2026-11-23T10:30:00.123+01:00",
		"2026-11-23 09:30:00.123",
		"2026-11-23T09:30:00.123",
		at.UnixMilli(),
		float64(at.UnixMilli()),
		"1795426200123",
		at.UnixMicro(),
		float64(at.UnixMicro()),
		"1795426200123000",
		at.UnixNano(),
		"1795426200123000000",
		float64(at.UnixMilli()) / 1000,
		"1795426200.123",
	} {
		got, valid := Time(value(t, raw))
		assert.True(t, valid, raw)
		assert.Equal(t, at, got.AsTime(), raw)
	}
	whole, valid := Time(value(t, at.Unix()))
	assert.True(t, valid)
	assert.Equal(t, at.Truncate(time.Second), whole.AsTime())

	for _, raw := range []any{
		nil, "", "NOW", "now", "0", "-1795426200123", " 2026-11-23T09:30:00Z", "2026-11-23", "12", "9999-12-31T23:59:59Z",
		"1970-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "1e400", "NaN", "0x1p30", "0X1P40", "0x6_9.p24",
		0, int64(-1795426200123), int64(12), int64(math.MaxInt64), int64(math.MinInt64), 253402300799000, 946684799,
		math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -0.5, true,
		[]any{at.UnixMilli()},
		map[string]any{},
	} {
		_, valid := Time(value(t, raw))
		assert.False(t, valid, raw)
	}
	_, valid = Time(pcommon.Value{})
	assert.False(t, valid, "no value at all")
}

func TestUnitsOfTheEpochNeverOverlap(t *testing.T) {
	for _, seconds := range []int64{earliest, latest - 1} {
		for _, perSecond := range []int64{1, 1e3, 1e6, 1e9} {
			at, valid := epoch(seconds * perSecond)
			assert.True(t, valid)
			assert.Equal(t, seconds, at.AsTime().Unix())
		}
	}
}

func FuzzTime(f *testing.F) {
	for _, seed := range []string{"2026-11-23T09:30:00.123Z", "2026-11-23 09:30:00.123", "1795426200.123", "NOW", "0x1p62"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, valid := Time(value(t, text))
		if !valid {
			return
		}
		if seconds := at.AsTime().Unix(); seconds < earliest || seconds >= latest {
			t.Errorf("%q is %v", text, at.AsTime())
		}
	})
}

func TestIsSet(t *testing.T) {
	assert.False(t, IsSet(pcommon.Value{}))
	assert.False(t, IsSet(value(t, nil)))
	for _, raw := range []any{"", 0, false, map[string]any{}, []any{}} {
		assert.True(t, IsSet(value(t, raw)), raw)
	}
}

func TestSize(t *testing.T) {
	for _, row := range []struct {
		raw  any
		size int
	}{
		{nil, 16},
		{7, 16},
		{1.5, 16},
		{true, 16},
		{"", 16},
		{"four", 20},
		{[]byte("bytes"), 21},
		{map[string]any{}, 16},
		{map[string]any{"key": "four"}, 16 + 16 + 3 + 20},
		{[]any{}, 16},
		{[]any{"four", nil}, 16 + 20 + 16},
		{map[string]any{"a": []any{map[string]any{"b": "c"}}}, 16 + 17 + 16 + 16 + 17 + 17},
	} {
		assert.Equal(t, row.size, Size(value(t, row.raw)), row.raw)
	}
	m := mapOf(t, map[string]any{"key": "four", "a": nil})
	assert.Equal(t, 16+3+20+16+1+16, MapSize(m))
	assert.Equal(t, 16+3+20, EntrySize("key", value(t, "four")))
}
