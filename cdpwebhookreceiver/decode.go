// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// decoder decompresses up to limit bytes.
type decoder func(sent []byte, limit int64) ([]byte, error)

// errTooLarge means that a body would be larger than the limit.
var errTooLarge = errors.New("the body is too large")

// decoders undo the content encodings that confighttp knows, except gzip. confighttp's own decoders read a body before the
// request is checked, and hide the compressed bytes, which may be signed.
var decoders = map[string]decoder{
	"zlib":            decodeZlib,
	"deflate":         decodeZlib,
	"zstd":            decodeZstd,
	"lz4":             decodeStream(func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }),
	"snappy":          decodeSnappy,
	"x-snappy-framed": decodeFramedSnappy,
}

var (
	decodeGzip         = decodeStream(func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
	decodeZlib         = decodeStream(func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) })
	decodeFramedSnappy = decodeStream(func(r io.Reader) (io.Reader, error) { return snappy.NewReader(r), nil })
)

// gzip is recognized by its first bytes, whether or not the header says so.
var gzipMagic = []byte{0x1f, 0x8b}

// encodingNames returns the names that a configuration may allow.
func encodingNames() []string {
	return append([]string{"gzip"}, slices.Sorted(maps.Keys(decoders))...)
}

// allowedDecoders returns the decoders by the names in the configuration, or all of them if it has none.
func allowedDecoders(names []string) map[string]decoder {
	if names == nil {
		return decoders
	}
	allowed := maps.Clone(decoders)
	maps.DeleteFunc(allowed, func(name string, _ decoder) bool { return !slices.Contains(names, name) })
	return allowed
}

func decodeStream(open func(io.Reader) (io.Reader, error)) decoder {
	return func(sent []byte, limit int64) ([]byte, error) {
		stream, err := open(bytes.NewReader(sent))
		if err != nil {
			return nil, err
		}
		return readUpTo(stream, limit)
	}
}

func readUpTo(stream io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(stream, limit+1))
	if int64(len(text)) > limit {
		return nil, errTooLarge
	}
	return text, err
}

// maxZstdWindow is the largest window that RFC 9659 allows in a request. A larger one takes memory for a body of a few bytes.
const maxZstdWindow = 8 << 20

func decodeZstd(sent []byte, limit int64) ([]byte, error) {
	stream, err := zstd.NewReader(bytes.NewReader(sent), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	return readUpTo(stream, limit)
}

// framedSnappyMagic is how framed Snappy starts. OpenTelemetry's senders have sent it as "snappy", the name of the other format.
var framedSnappyMagic = []byte("\xff\x06\x00\x00sNaPpY")

func decodeSnappy(sent []byte, limit int64) ([]byte, error) {
	if bytes.HasPrefix(sent, framedSnappyMagic) {
		return decodeFramedSnappy(sent, limit)
	}
	length, err := snappy.DecodedLen(sent)
	if err != nil {
		return nil, err
	}
	if int64(length) > limit {
		return nil, errTooLarge
	}
	return snappy.Decode(nil, sent)
}
