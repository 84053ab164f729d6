// SPDX-License-Identifier: Apache-2.0

//go:generate go tool -modfile=../internal/tools/go.mod mdatagen metadata.yaml

// Package amplitudeexporter sends the events in logs to Amplitude's HTTP V2 or Batch API. Each event is sent at least once
// and has an id by which Amplitude recognizes duplicates. The events of one user or device are sent in the order in which
// they arrived.
//
// A batch goes through these files: queue.go, exporter.go (push), batchreader.go, internal/delivery, deferral.go.
package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"
