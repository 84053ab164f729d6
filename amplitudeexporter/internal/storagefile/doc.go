// SPDX-License-Identifier: Apache-2.0

// Package storagefile knows what storage.Extension doesn't tell about the extension file_storage: where its files are, and
// whether they are damaged.
package storagefile // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagefile"
