// SPDX-License-Identifier: Apache-2.0

package amplitude

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLimits(t *testing.T) {
	for api, want := range map[API]Limits{
		HTTPV2: {Events: 1_999, Bytes: 999_999, EventsPerSecond: 30, ThrottlePause: 30 * time.Second},
		Batch:  {Events: 2_000, Bytes: 20_000_000, EventsPerSecond: 1_000, ThrottlePause: 15 * time.Second},
		"v3":   HTTPV2.Limits(),
		"":     HTTPV2.Limits(),
	} {
		assert.Equal(t, want, api.Limits(), api)
	}
}

func TestURL(t *testing.T) {
	for _, test := range []struct {
		api    API
		region string
		want   string
	}{
		{HTTPV2, RegionUS, "https://api2.amplitude.com/2/httpapi"},
		{HTTPV2, RegionEU, "https://api.eu.amplitude.com/2/httpapi"},
		{Batch, RegionUS, "https://api2.amplitude.com/batch"},
		{Batch, RegionEU, "https://api.eu.amplitude.com/batch"},
		{Batch, "", ""},
		{HTTPV2, "EU", ""},
		{"", RegionUS, ""},
		{"BATCH", RegionEU, ""},
	} {
		assert.Equal(t, test.want, test.api.URL(test.region), "%s %s", test.api, test.region)
		_, err := url.Parse(test.want)
		require.NoError(t, err)
	}
}
