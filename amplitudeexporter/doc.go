// SPDX-License-Identifier: Apache-2.0

//go:generate go tool -modfile=../internal/tools/go.mod mdatagen metadata.yaml

// Package amplitudeexporter sends the events in logs to Amplitude, by its HTTP V2 or Batch API: each at least once and
// recognisable when it comes twice, and those of one user or device in the order in which they came.
package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"
