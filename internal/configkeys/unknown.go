// SPDX-License-Identifier: Apache-2.0

// Package configkeys reports unknown keys in a configuration together with the keys that are allowed in the same place.
// The collector's decoder names only the unknown ones.
package configkeys // import "github.com/impression-collector/impression-bridge/internal/configkeys"

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Unknown returns an error for each key in given that has no field in config, which is a struct with mapstructure tags or
// a pointer to one. Each error has the key's path and the keys that are allowed there, but not the value, which may be a secret
// under a misspelled key. The errors are joined. Unknown returns nil if there are none.
func Unknown(given map[string]any, config any) error {
	return errors.Join(unknown("", given, reflect.TypeOf(config))...)
}

func unknown(at string, given any, of reflect.Type) []error {
	of, isOptional := content(of)
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
		if of.Kind() == reflect.Map {
			for _, key := range slices.Sorted(maps.Keys(value)) {
				faults = append(faults, unknown(within(at, key), value[key], of.Elem())...)
			}
			return faults
		}
		if of.Kind() != reflect.Struct {
			return nil
		}
		fields := fieldsByKey(of)
		if isOptional {
			fields["enabled"] = reflect.TypeFor[bool]()
		}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			place := within(at, key)
			field, known := fields[key]
			if !known && fields[remain] != nil {
				// The struct checks its remaining keys itself.
				continue
			}
			if !known {
				faults = append(faults, fmt.Errorf("%s: no such key; allowed: %s", place, strings.Join(slices.Sorted(maps.Keys(fields)), ", ")))
				continue
			}
			faults = append(faults, unknown(place, value[key], field)...)
		}
	}
	return faults
}

func within(at, key string) string {
	return strings.TrimPrefix(at+"."+key, ".")
}

// content returns the type that a pointer or a configoptional.Optional holds, or the type itself. An Optional has the key
// "enabled" in addition to the keys of its content.
func content(of reflect.Type) (held reflect.Type, isOptional bool) {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	get, isOptional := reflect.PointerTo(of).MethodByName("Get")
	if isOptional && of.Kind() == reflect.Struct && strings.HasPrefix(of.Name(), "Optional[") {
		held, _ = content(get.Type.Out(0))
		return held, true
	}
	return of, false
}

// remain is the option of a field that holds all keys without a field of their own.
const remain = "remain"

// fieldsByKey returns the types of a struct's fields by key, including the fields of structs that are squashed into it.
func fieldsByKey(of reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range of.Fields() {
		key, options, _ := strings.Cut(field.Tag.Get("mapstructure"), ",")
		switch {
		case options == "squash":
			maps.Copy(fields, fieldsByKey(field.Type))
		case options == remain:
			fields[remain] = field.Type
		case field.IsExported():
			fields[key] = field.Type
		}
	}
	return fields
}
