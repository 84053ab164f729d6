// SPDX-License-Identifier: Apache-2.0

package configkeys // import "github.com/impression-collector/impression-bridge/internal/configkeys"

import (
	"errors"
	"maps"
	"slices"

	"go.opentelemetry.io/collector/confmap"
)

// DecodeByKey decodes each key of a configuration by itself, because if one key beside a squashed struct doesn't decode, none is
// set. It returns the keys that don't decode, and their errors joined. The type of config must not have a method Unmarshal.
func DecodeByKey(conf *confmap.Conf, config any) (failed []string, err error) {
	given := conf.ToStringMap()
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(given)) {
		one := confmap.New()
		if err := one.Merge(conf); err != nil {
			return nil, err
		}
		for other := range given {
			if other != key {
				one.Delete(other)
			}
		}
		if err := one.Unmarshal(config, confmap.WithIgnoreUnused()); err != nil {
			failed = append(failed, key)
			errs = append(errs, err)
		}
	}
	return failed, errors.Join(errs...)
}
