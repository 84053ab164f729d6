// SPDX-License-Identifier: Apache-2.0

package configtest // import "github.com/impression-collector/impression-bridge/internal/configtest"

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

// Load decodes a configuration in YAML over the defaults, which is a pointer, and validates it, as the collector does.
func Load[C any](tb testing.TB, defaults C, text string) (C, error) {
	tb.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
	require.NoError(tb, err)
	conf, err := retrieved.AsConf()
	require.NoError(tb, err)
	return defaults, load(conf, defaults)
}

// LoadFile is like Load for the configuration of an id in testdata/config.yaml, which must be valid.
func LoadFile[C any](tb testing.TB, defaults C, id component.ID) C {
	tb.Helper()
	components, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(tb, err)
	conf, err := components.Sub(id.String())
	require.NoError(tb, err)
	require.NoError(tb, load(conf, defaults))
	return defaults
}

func load(conf *confmap.Conf, config any) error {
	if err := conf.Unmarshal(config); err != nil {
		return err
	}
	return confmap.Validate(config)
}
