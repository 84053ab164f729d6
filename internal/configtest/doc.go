// SPDX-License-Identifier: Apache-2.0

// Package configtest finds the configurations of a component that users are shown, and the schema that their editors check
// them with, so that tests can hold one against the other.
package configtest // import "github.com/impression-collector/impression-bridge/internal/configtest"
