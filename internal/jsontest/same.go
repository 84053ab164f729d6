// SPDX-License-Identifier: Apache-2.0

// Package jsontest compares values that jsonvalue parsed with what encoding/json reads.
package jsontest // import "github.com/impression-collector/impression-bridge/internal/jsontest"

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// RequireSame compares a value with what encoding/json reads from the same text with UseNumber. It doesn't compare objects with
// duplicate keys, because encoding/json keeps only the last.
func RequireSame(t *testing.T, want any, got pcommon.Value) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		require.Equal(t, pcommon.ValueTypeMap, got.Type())
		if got.Map().Len() != len(want) {
			require.Greater(t, got.Map().Len(), len(want))
			return
		}
		for key, value := range got.Map().All() {
			require.Contains(t, want, key)
			RequireSame(t, want[key], value)
		}
	case []any:
		require.Equal(t, pcommon.ValueTypeSlice, got.Type())
		require.Equal(t, len(want), got.Slice().Len())
		for i, value := range got.Slice().All() {
			RequireSame(t, want[i], value)
		}
	case json.Number:
		requireSameNumber(t, want, got)
	default:
		require.Equal(t, want, got.AsRaw())
	}
}

func requireSameNumber(t *testing.T, want json.Number, got pcommon.Value) {
	t.Helper()
	switch got.Type() {
	case pcommon.ValueTypeInt:
		require.Equal(t, want.String(), strconv.FormatInt(got.Int(), 10))
	case pcommon.ValueTypeDouble:
		double, err := want.Float64()
		require.NoError(t, err)
		require.InDelta(t, double, got.Double(), 0)
		require.True(t, want == "-0" || strings.ContainsAny(want.String(), ".eE"))
	default:
		require.Equal(t, want.String(), got.Str())
		if _, err := want.Int64(); err == nil {
			require.Fail(t, "an integer that fits became a string", want)
		}
	}
}
