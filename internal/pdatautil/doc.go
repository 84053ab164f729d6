// SPDX-License-Identifier: Apache-2.0

// Package pdatautil has what pdata lacks: the text and the time that a value means, the size of a value, merging maps in
// linear time, and inserting records into a slice.
package pdatautil // import "github.com/impression-collector/impression-bridge/internal/pdatautil"
