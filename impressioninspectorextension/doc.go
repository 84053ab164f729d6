// SPDX-License-Identifier: Apache-2.0

//go:generate go tool -modfile=../internal/tools/go.mod mdatagen metadata.yaml

// Package impressioninspectorextension is a page that shows what came into a running collector, what it became, and why not.
//
// The components of this repository find the extension among the host's extensions, and report to it while somebody looks
// (internal/inspection). state.go keeps what they report: flow.go, experiments.go, pairs.go, and unmatched.go each have a panel of the
// page. explain.go asks the components what they would make of a payload. handler.go and guard.go serve all of it.
package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"
