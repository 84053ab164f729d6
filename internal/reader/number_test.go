// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

func TestNumbers(t *testing.T) {
	config := layout.Config{Paths: paths{
		"event_type": {`event["name"]`}, "properties": {`event["p"]`}, "location_lat": {`event["first"]`, `event["second"]`},
	}}
	for _, row := range []struct {
		value     any
		want      float64
		isSkipped bool
	}{
		{value: 3, want: 3},
		{value: -0.5, want: -0.5},
		{value: 0, want: 0},
		{value: "19.95", want: 19.95},
		{value: "-1e3", want: -1000},
		{value: "+.5", want: 0.5},
		{value: math.Inf(1), isSkipped: true},
		{value: math.NaN(), isSkipped: true},
		{value: "1e400", isSkipped: true},
		{value: "Inf", isSkipped: true},
		{value: "0x10", isSkipped: true},
		{value: "1_000", isSkipped: true},
		{value: "19,95", isSkipped: true},
		{value: " 1", isSkipped: true},
		{value: "-", isSkipped: true},
		{value: "", isSkipped: true},
		{value: true, isSkipped: true},
		{value: nil, isSkipped: true},
		{value: raw{"a": 1}, isSkipped: true},
		{value: []any{1}, isSkipped: true},
	} {
		y := readOne(t, config, given{body: raw{"name": "a", "first": row.value, "second": 7}})
		got := math.Float64frombits(uint64(y.integers[event.LocationLat]))
		if row.isSkipped {
			row.want = 7
		}
		assert.InDelta(t, row.want, got, 0, "%v", row.value)
	}
}
