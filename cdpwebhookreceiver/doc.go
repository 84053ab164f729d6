// SPDX-License-Identifier: Apache-2.0

//go:generate go tool -modfile=../internal/tools/go.mod mdatagen metadata.yaml

// Package cdpwebhookreceiver receives the events that customer data platforms (CDPs) deliver by HTTP POST. It answers with
// success only after the pipeline has accepted every event of a request.
//
// A request goes through these files: receiver.go (how long may it take?), handler.go, source.go (is it allowed?), body.go, decode.go,
// signature.go (is it signed?), events.go (one log record per event), and handler.go again, which hands the records on and
// answers.
package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"
