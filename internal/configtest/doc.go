// SPDX-License-Identifier: Apache-2.0

// Package configtest checks a component's schema, shipped configurations and documentation against each other. Its
// functions expect the component's folder to be the current one, as it is in the component's tests.
package configtest // import "github.com/impression-collector/impression-bridge/internal/configtest"
