// SPDX-License-Identifier: Apache-2.0

//go:build race

package soak

// raceEnabled says that the tests, though not the collector, are slow.
const raceEnabled = true
