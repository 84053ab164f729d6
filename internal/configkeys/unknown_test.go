// SPDX-License-Identifier: Apache-2.0

package configkeys

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
)

type config struct {
	Base     `mapstructure:",squash"`
	Name     string                           `mapstructure:"name,omitempty"`
	List     []entry                          `mapstructure:"list"`
	Optional configoptional.Optional[entry]   `mapstructure:"optional"`
	Pointer  *entry                           `mapstructure:"pointer"`
	Nested   configoptional.Optional[*config] `mapstructure:"nested"`
	Free     map[string]any                   `mapstructure:"free"`
	Named    map[string]entry                 `mapstructure:"named"`

	_ struct{}
}

type Base struct {
	Endpoint string `mapstructure:"endpoint"`
}

type entry struct {
	Key string `mapstructure:"key"`
}

func TestKnownKeys(t *testing.T) {
	assert.NoError(t, Unknown(map[string]any{
		"endpoint": "x", "name": "x", "list": []any{map[string]any{"key": "x"}, "of another type"},
		"optional": map[string]any{"enabled": true, "key": "x"}, "pointer": map[string]any{"key": "x"},
		"nested": map[string]any{"name": "x", "list": "of another type"}, "free": map[string]any{"any": "x", "map": map[string]any{"any": "x"}},
		"named": map[string]any{"a": map[string]any{"key": "x"}, "b": "of another type"},
	}, &config{}))
}

func TestUnknownKeys(t *testing.T) {
	err := Unknown(map[string]any{
		"nam": "secret", "_": 2, "list": []any{nil, map[string]any{"enabled": map[string]any{"secret": "secret"}}},
		"optional": map[string]any{"ky": []any{"secret"}}, "nested": map[string]any{"pointer": map[string]any{"ky": "secret"}},
		"named": map[string]any{"b": map[string]any{"ky": "secret"}, "a": map[string]any{"ky": "secret"}},
	}, &config{})
	require.EqualError(t, err, `_: no such key; allowed: endpoint, free, list, name, named, nested, optional, pointer
list[1].enabled: no such key; allowed: key
nam: no such key; allowed: endpoint, free, list, name, named, nested, optional, pointer
named.a.ky: no such key; allowed: key
named.b.ky: no such key; allowed: key
nested.pointer.ky: no such key; allowed: key
optional.ky: no such key; allowed: enabled, key`)
}
