// SPDX-License-Identifier: Apache-2.0

// Package endtoend tests the collectors that `make` builds, as their users run them: configurations and data in, files and
// messages out. `go test ./internal/endtoend -update` makes what comes out the expected.
package endtoend // import "github.com/impression-collector/impression-bridge/internal/endtoend"
