// SPDX-License-Identifier: Apache-2.0

//go:generate go tool -modfile=../internal/tools/go.mod mdatagen metadata.yaml

// Package impressionprocessor rewrites Amplitude Experiment impressions in logs to the form that Amplitude shows after
// ingestion, and emits their user property updates.
package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"
