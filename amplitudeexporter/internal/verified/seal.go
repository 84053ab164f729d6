// SPDX-License-Identifier: Apache-2.0

package verified // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/verified"

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"google.golang.org/protobuf/encoding/protowire"
)

// A seal ends a value: a checksum of the key and the value. It is a protobuf field that no message has, so that older versions
// of the exporter, which don't know seals, read sealed values too.
var (
	sealTag = protowire.AppendTag(nil, protowire.MaxValidNumber, protowire.Fixed32Type)
	// sealSize is the size of the tag and the checksum.
	sealSize = len(sealTag) + 4
	table    = crc32.MakeTable(crc32.Castagnoli)
)

func checksum(key string, value []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(key), table), table, value)
}

// seal returns a value with its seal. It doesn't change the value.
func seal(key string, value []byte) []byte {
	sealed := make([]byte, 0, len(value)+sealSize)
	sealed = append(append(sealed, value...), sealTag...)
	return binary.LittleEndian.AppendUint32(sealed, checksum(key, value))
}

// unseal returns a value without its seal, whether it has one, and whether that is intact.
func unseal(key string, stored []byte) (value []byte, isSealed, isIntact bool) {
	end := len(stored) - sealSize
	if end < 0 || !bytes.HasPrefix(stored[end:], sealTag) {
		return stored, false, false
	}
	value = stored[:end]
	return value, true, checksum(key, value) == binary.LittleEndian.Uint32(stored[end+len(sealTag):])
}
