// SPDX-License-Identifier: Apache-2.0

//go:build race

package soak

// raceEnabled reports whether the tests run with the race detector, which makes them slow. The collector runs without it.
const raceEnabled = true
