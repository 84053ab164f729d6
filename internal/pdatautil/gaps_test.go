// SPDX-License-Identifier: Apache-2.0

package pdatautil

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/plog"
)

func TestOpenGaps(t *testing.T) {
	for name, row := range map[string]struct {
		gaps []Gap
		want []string
	}{
		"none":                   {nil, []string{"0", "1", "2", "3"}},
		"of no records":          {[]Gap{{Before: 2}}, []string{"0", "1", "2", "3"}},
		"before the first":       {[]Gap{{Before: 0, Records: 2}}, []string{"", "", "0", "1", "2", "3"}},
		"in the middle":          {[]Gap{{Before: 2, Records: 1}}, []string{"0", "1", "", "2", "3"}},
		"behind the last":        {[]Gap{{Before: 4, Records: 2}}, []string{"0", "1", "2", "3", "", ""}},
		"several":                {[]Gap{{0, 1}, {1, 2}, {3, 1}, {4, 1}}, []string{"", "0", "", "", "1", "2", "", "3", ""}},
		"two before one record":  {[]Gap{{1, 1}, {1, 2}}, []string{"0", "", "", "", "1", "2", "3"}},
		"some of them no record": {[]Gap{{1, 0}, {2, 1}, {3, 0}}, []string{"0", "1", "", "2", "3"}},
	} {
		records := plog.NewLogRecordSlice()
		for i := range 4 {
			records.AppendEmpty().SetEventName(strconv.Itoa(i))
		}
		OpenGaps(records, row.gaps)
		var names []string
		for _, record := range records.All() {
			names = append(names, record.EventName())
		}
		assert.Equal(t, row.want, names, name)
	}
}

func TestOpenGapsInAnEmptySlice(t *testing.T) {
	records := plog.NewLogRecordSlice()
	OpenGaps(records, []Gap{{Records: 2}})
	assert.Equal(t, 2, records.Len())
}
