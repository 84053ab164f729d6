// SPDX-License-Identifier: Apache-2.0

// Package soak has no code but tests: they run the collector that `make collector` builds for long against a fake
// Amplitude that fails, and tell what became of each event. `make test` runs them in a short form, `make soak` in the
// long one.
package soak // import "github.com/impression-collector/impression-bridge/internal/soak"
