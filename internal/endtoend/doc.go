// SPDX-License-Identifier: Apache-2.0

// Package endtoend tests the collectors that make builds the way users run them: configurations and data in, files and
// requests out. Run go test ./internal/endtoend -update to rewrite the expected files.
package endtoend // import "github.com/impression-collector/impression-bridge/internal/endtoend"
