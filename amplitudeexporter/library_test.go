// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLibraryName(t *testing.T) {
	other := &debug.Module{Path: "go.opentelemetry.io/collector/component", Version: "v1.67.0"}
	release := &debug.Module{Path: modulePath, Version: "v1.2.3"}
	folder := &debug.Module{Path: modulePath, Version: "v0.0.0", Replace: &debug.Module{Path: "../"}}
	for name, test := range map[string]struct {
		collector string
		build     *debug.BuildInfo
		want      string
	}{
		"a release in somebody's collector": {"9.9.9", &debug.BuildInfo{Deps: []*debug.Module{other, release}}, "impression-bridge/1.2.3"},
		"our collector":                     {"1.2.4", &debug.BuildInfo{Deps: []*debug.Module{other, folder}}, "impression-bridge/1.2.4"},
		"without a collector's version":     {"", &debug.BuildInfo{Deps: []*debug.Module{other, release}}, "impression-bridge/1.2.3"},
		"unknown modules":                   {"1.2.4", nil, "impression-bridge/1.2.4"},
		"no version":                        {"", &debug.BuildInfo{Deps: []*debug.Module{folder}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, libraryName(test.collector, test.build))
		})
	}
}
