// SPDX-License-Identifier: Apache-2.0

// Package jsonvalue parses JSON text into a pcommon.Value without losing information. Integers keep all their digits,
// objects keep duplicate fields and the order of fields, and strings keep their bytes even if they aren't valid UTF-8.
//
// # Mapping
//
//   - null becomes an Empty value, a string a Str, an object a Map, an array a Slice.
//   - An integer becomes an Int. An integer outside the range of int64 becomes a Str with its digits, because a Double
//     would lose some of them.
//   - Any other number becomes a Double, and so does -0. A number outside the range of float64, such as 1e400, becomes a
//     Str with its original spelling.
//   - An unpaired surrogate in an escape becomes U+FFFD, as in encoding/json. Bytes that aren't UTF-8 stay as they are.
//
// A text is refused if encoding/json finds it invalid or if it exceeds a limit. Then the target value is unchanged.
//
// # Why jsontext
//
// The parser reads tokens with github.com/go-json-experiment/json/jsontext, the Go team's preview of the package that Go
// 1.27 calls encoding/json/jsontext. It is pure Go and behaves the same on every architecture. It reports the position of
// each token, so that strings can share the memory of the text.
//
// The table compares parsers that fill a pcommon.Value: time and allocations for a track call of 734 bytes, then for an
// array of 100 such calls. Measured with Go 1.26 on one core of a busy amd64 machine, best of 30 runs:
//
//	this package                  4.1 µs    44   373 µs   4,212
//	go-faster/jx                  3.3 µs    45   341 µs   4,312   misreads a high surrogate before a pair
//	bytedance/sonic, visitor      3.2 µs    44   325 µs   4,212   accepts control characters and trailing text
//	  the same after its Valid    4.0 µs    44   419 µs   4,212   needs code and runtime links for each Go release
//	tidwall/gjson after Valid     4.5 µs    44   452 µs   4,212   unbounded recursion, rereads the text at each level
//	valyala/fastjson, validated   4.7 µs    87   507 µs   8,583   keeps surrogate escapes as written; hangs on a million [
//	json-iterator/go              4.8 µs    92   457 µs   8,913   misreads surrogates; unmaintained since 2021
//	ohler55/ojg                   5.7 µs    91   484 µs   8,912   accepts [ and {"a":}
//	minio/simdjson-go             5.8 µs    96   506 µs   9,117   amd64 only; refuses invalid UTF-8, rounds integers
//	bytedance/sonic, decoder      7.0 µs    75   583 µs   7,112   loses order and duplicates
//	goccy/go-json                10.5 µs   133   771 µs  11,732   loses order and duplicates
//	encoding/json                13.2 µs   132  1230 µs  11,931   loses order, duplicates and invalid UTF-8
package jsonvalue // import "github.com/impression-collector/impression-bridge/internal/jsonvalue"
