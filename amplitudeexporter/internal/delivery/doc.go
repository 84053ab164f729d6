// SPDX-License-Identifier: Apache-2.0

// Package delivery sends encoded events to Amplitude: each of them once, as far as Amplitude's answers tell, and those of
// one user or device in order.
//
// A batch is partitioned among workers: events that share a user or a device, directly or through other events, go to the
// same worker. Workers send concurrently, each one request at a time, so that an event that fails isn't overtaken by a
// later one. Events that can't be delivered yet are left: the caller must deliver them again before any later event.
//
// A worker is what the configuration and the metrics call a lane.
package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
