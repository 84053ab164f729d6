// SPDX-License-Identifier: Apache-2.0

// Package pdatautil has helpers for pdata: converting a value to text or a time, estimating its size, merging maps in linear
// time, and inserting records into a slice.
package pdatautil // import "github.com/impression-collector/impression-bridge/internal/pdatautil"
