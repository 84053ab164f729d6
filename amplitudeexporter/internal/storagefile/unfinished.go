// SPDX-License-Identifier: Apache-2.0

package storagefile // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagefile"

import (
	"errors"
	"io/fs"
	"os"
)

// initialPages is how many pages a new file has.
const initialPages = 4

// EmptyUnfinished empties a file that couldn't be opened because there was no room for a new one. Nothing was ever in it, but bbolt
// would never open it again.
func EmptyUnfinished(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(emptyUnfinished(file), file.Close())
}

func emptyUnfinished(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	// In a file that was written to, this meta page is that of a later transaction.
	first, err := readMeta(file, 0)
	if err != nil || first.transaction > 0 || info.Size() >= int64(initialPages*first.pageSize) {
		return nil //nolint:nilerr // what else is wrong with it is for Check to say
	}
	return file.Truncate(0)
}
