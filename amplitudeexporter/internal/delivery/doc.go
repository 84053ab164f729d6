// SPDX-License-Identifier: Apache-2.0

// Package delivery brings encoded events to Amplitude, each once as far as Amplitude's answers tell, and those of one user
// or device in their order.
//
// A batch is dealt out to lanes: events that share a user or a device, also through others, are in the same lane. Lanes
// send side by side, each one request at a time, so that what fails never gets overtaken by what comes after it. What
// cannot be delivered yet is left, for the caller to bring again in a later batch, before any other.
package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"
