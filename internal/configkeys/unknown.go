// SPDX-License-Identifier: Apache-2.0

// Package configkeys finds the keys of a configuration that its struct does not have, to say which keys it has instead:
// the decoder names only the wrong ones.
package configkeys // import "github.com/impression-collector/impressionprocessor/internal/configkeys"

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Unknown returns an error for each key in given that config, a struct or a pointer to one with mapstructure tags, does
// not have, with its place, value, and the keys that are allowed there; joined, nil where there is none.
func Unknown(given map[string]any, config any) error {
	return errors.Join(unknown("", given, reflect.TypeOf(config))...)
}

func unknown(at string, given any, of reflect.Type) []error {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	var faults []error
	switch value := given.(type) {
	case []any:
		if of.Kind() != reflect.Slice {
			return nil
		}
		for i, element := range value {
			faults = append(faults, unknown(fmt.Sprintf("%s[%d]", at, i), element, of.Elem())...)
		}
	case map[string]any:
		if of.Kind() != reflect.Struct {
			return nil
		}
		fields := fieldsByKey(of)
		for _, key := range slices.Sorted(maps.Keys(value)) {
			place := strings.TrimPrefix(at+"."+key, ".")
			field, known := fields[key]
			if !known {
				faults = append(faults, fmt.Errorf("%s: %v: no such key; allowed: %s",
					place, value[key], strings.Join(slices.Sorted(maps.Keys(fields)), ", ")))
				continue
			}
			faults = append(faults, unknown(place, value[key], field)...)
		}
	}
	return faults
}

func fieldsByKey(of reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range of.Fields() {
		fields[field.Tag.Get("mapstructure")] = field.Type
	}
	return fields
}
