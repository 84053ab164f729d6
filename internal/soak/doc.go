// SPDX-License-Identifier: Apache-2.0

// Package soak contains only tests. They run the collector that make collector builds against a fake Amplitude that
// fails in various ways, and check what became of each event. make test runs the short form, make soak the long one.
package soak // import "github.com/impression-collector/impression-bridge/internal/soak"
