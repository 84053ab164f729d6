// SPDX-License-Identifier: Apache-2.0

//go:generate go tool -modfile=../internal/tools/go.mod mdatagen metadata.yaml

// Package impressionprocessor rewrites Amplitude Experiment impressions in logs to the form that Amplitude gives them at
// ingestion, and emits the user property updates that belong to them.
package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"
