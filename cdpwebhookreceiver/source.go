// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/collector/extension/extensionauth"
)

// noSource is the name of the source of requests whose path no source has.
const noSource = "none"

// source is a sender.
type source struct {
	name, path string
	// signature, header and auth are nil if they aren't configured. auth is set at start.
	signature *signature
	header    *staticHeader
	auth      extensionauth.Server
	series    *series
	// isLogged has the reasons that were logged.
	isLogged [numReasons]atomic.Bool
}

// newSources returns the sources, sorted by name.
func newSources(configs map[string]SourceConfig, telemetry *telemetry) []*source {
	var sources []*source
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		config := configs[name]
		s := &source{name: name, path: config.Path}
		if config.Signature.HasValue() {
			s.signature = newSignature(config.Signature.Get())
		}
		if config.Header.HasValue() {
			s.header = newStaticHeader(config.Header.Get())
		}
		s.series = telemetry.seriesOf(s)
		sources = append(sources, s)
	}
	return sources
}

// startsAtZero reports whether the series of requests with an answer starts at 0, because an alert can't see the first increase of a
// series that didn't exist. This applies to the answers after which events may be lost, if the source can give them.
func (s *source) startsAtZero(r reason) bool {
	switch r {
	case unknownPath:
		return s.name == noSource
	case accepted, invalidJSON, tooLarge, permanentError, retryableError, timedOut:
		return s.name != noSource
	case noSignature, wrongSignature:
		return s.signature != nil
	case wrongHeader:
		return s.header != nil
	default:
		return false
	}
}

// isBelow reports whether a path is the other one or below it.
func isBelow(path, other string) bool {
	return other == "/" || path == other || strings.HasPrefix(path, other+"/")
}

// staticHeader is a header that must have one of several values.
type staticHeader struct {
	name string
	// sums are the hashes of the values. Comparing hashes doesn't tell how long a value is.
	sums [][sha256.Size]byte
}

func newStaticHeader(config *HeaderConfig) *staticHeader {
	h := &staticHeader{name: config.Name}
	for _, value := range config.Values {
		h.sums = append(h.sums, sha256.Sum256([]byte(value)))
	}
	return h
}

// verify returns the position of the value that a request has, or why it doesn't have one. If the header occurs more than
// once, the first counts.
func (h *staticHeader) verify(header http.Header) (int, reason) {
	given := sha256.Sum256([]byte(header.Get(h.name)))
	for position, sum := range h.sums {
		if subtle.ConstantTimeCompare(given[:], sum[:]) == 1 {
			return position, accepted
		}
	}
	return 0, wrongHeader
}
