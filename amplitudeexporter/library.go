// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"runtime/debug"
	"strings"
)

const modulePath = "github.com/impression-collector/impression-bridge"

// libraryName returns the library of events that name none. Its version is that of this module if the collector is built from a
// release of it. If it is built from a folder, as make collector does, it is the collector's version. Without either, it is "".
func libraryName(collectorVersion string, build *debug.BuildInfo) string {
	version := collectorVersion
	if build != nil {
		for _, module := range build.Deps {
			if module.Path == modulePath && module.Replace == nil {
				version = strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	if version == "" {
		return ""
	}
	return "impression-bridge/" + version
}
