// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Segment and Customer.io sign with HMAC-SHA1, which is still secure as an HMAC
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// The values of the keys of a signature.
const (
	algorithmSHA1   = "sha1"
	algorithmSHA256 = "sha256"

	encodingHex    = "hex"
	encodingBase64 = "base64"

	// signsBody is the whole body.
	signsBody = "body"
	// signsFirstElement is the first element of a list, or the whole body.
	signsFirstElement = "first_element"
	// signsTimestampBody is the text of a timestamp, a period, and the whole body.
	signsTimestampBody = "timestamp.body"
)

const defaultTolerance = 5 * time.Minute

// signaturePresets are the signatures of CDPs, without secrets.
var signaturePresets = map[string]SignatureConfig{
	// Of a batch, Segment's destination Webhooks (Actions) signs only the first element.
	"segment":    {Header: "X-Signature", Algorithm: algorithmSHA1, Encoding: encodingHex, Signs: signsFirstElement},
	"customerio": {Header: "X-Signature", Algorithm: algorithmSHA1, Encoding: encodingHex, Signs: signsBody},
}

// signature verifies the signatures of a source.
type signature struct {
	header, prefix  string
	decode          func(string) ([]byte, error)
	signs           string
	timestampHeader string
	tolerance       time.Duration
	// macs has a pool of hash.Hash, keyed HMACs, for each secret.
	macs []*sync.Pool
}

func newSignature(config *SignatureConfig) *signature {
	given := *config
	if preset, known := signaturePresets[given.Preset]; known {
		preset.Secrets = given.Secrets
		given = preset
	}
	s := &signature{
		header: given.Header, prefix: given.Prefix, decode: hex.DecodeString,
		signs: cmp.Or(given.Signs, signsBody), timestampHeader: given.TimestampHeader, tolerance: defaultTolerance,
	}
	if given.Tolerance != nil {
		s.tolerance = *given.Tolerance
	}
	newHash := sha256.New
	if given.Algorithm == algorithmSHA1 {
		newHash = sha1.New
	}
	if given.Encoding == encodingBase64 {
		s.decode = base64.StdEncoding.DecodeString
	}
	for _, secret := range given.Secrets {
		s.macs = append(s.macs, &sync.Pool{New: func() any { return hmac.New(newHash, []byte(secret)) }})
	}
	return s
}

// verify returns the position of the secret that the request was signed with, or why it isn't signed.
func (s *signature) verify(header http.Header, b body, now time.Time) (int, reason) {
	given := s.given(header)
	if len(given) == 0 {
		return 0, noSignature
	}
	before := ""
	if s.signs == signsTimestampBody {
		timestamp := header.Get(s.timestampHeader)
		if !s.isFresh(timestamp, now) {
			return 0, staleTimestamp
		}
		before = timestamp + "."
	}
	for _, signed := range s.signed(b) {
		for position, macs := range s.macs {
			mac := macs.Get().(hash.Hash)
			mac.Reset()
			mac.Write([]byte(before))
			mac.Write(signed)
			sum := mac.Sum(nil)
			macs.Put(mac)
			for _, g := range given {
				if hmac.Equal(sum, g) {
					return position, accepted
				}
			}
		}
	}
	return 0, wrongSignature
}

// given returns the signatures in the header that are encoded as configured.
func (s *signature) given(header http.Header) [][]byte {
	var given [][]byte
	for _, text := range header.Values(s.header) {
		encoded, hasPrefix := strings.CutPrefix(text, s.prefix)
		decoded, err := s.decode(encoded)
		if hasPrefix && err == nil && len(decoded) > 0 {
			given = append(given, decoded)
		}
	}
	return given
}

// signed returns the texts of which one must be signed. Some senders compress a body before they sign it, most after that.
func (s *signature) signed(b body) [][]byte {
	signed := [][]byte{b.text}
	if b.isCompressed {
		signed = append(signed, b.sent)
	}
	if s.signs == signsFirstElement {
		if first := firstElement(b.text); first != nil {
			signed = append([][]byte{first}, signed...)
		}
	}
	return signed
}

// firstElement returns the first element of a JSON array as sent, or nil if the text isn't one.
func firstElement(text []byte) []byte {
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("[")) {
		return nil
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := decoder.ReadToken(); err != nil {
		return nil
	}
	first, err := decoder.ReadValue()
	if err != nil {
		return nil
	}
	return first
}

// maxSeconds is the greatest timestamp that is in seconds. Greater ones are in milliseconds.
const maxSeconds = 100_000_000_000

// isFresh reports whether a timestamp is near enough to now, in the past or in the future.
func (s *signature) isFresh(timestamp string, now time.Time) bool {
	number, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || number <= 0 {
		return false
	}
	signedAt := time.Unix(number, 0)
	if number > maxSeconds {
		signedAt = time.UnixMilli(number)
	}
	return now.Sub(signedAt).Abs() <= s.tolerance
}
