// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// operators are the user property operations of Amplitude's Identify API, in the order in which the operations of one
// event are applied according to the documentation of Amplitude's clients.
var operators = []struct {
	name  string
	apply func(properties map[string]any, name string, value any)
}{
	{"$unset", func(properties map[string]any, name string, _ any) { delete(properties, name) }},
	{"$set", func(properties map[string]any, name string, value any) { properties[name] = value }},
	{"$setOnce", func(properties map[string]any, name string, value any) {
		if _, isSet := properties[name]; !isSet {
			properties[name] = value
		}
	}},
	{"$add", add},
	{"$append", func(properties map[string]any, name string, value any) {
		properties[name] = slices.Concat(list(properties, name), values(value))
	}},
	{"$prepend", func(properties map[string]any, name string, value any) {
		properties[name] = slices.Concat(values(value), list(properties, name))
	}},
	{"$preInsert", func(properties map[string]any, name string, value any) {
		known := list(properties, name)
		properties[name] = slices.Concat(without(values(value), known), known)
	}},
	{"$postInsert", func(properties map[string]any, name string, value any) {
		known := list(properties, name)
		properties[name] = slices.Concat(known, without(values(value), known))
	}},
	{"$remove", func(properties map[string]any, name string, value any) {
		if _, isSet := properties[name]; isSet {
			properties[name] = without(list(properties, name), values(value))
		}
	}},
}

const clearAll = "$clearAll"

// operationsAreValid reports whether user properties are either valid operations or plain properties, but not both.
func operationsAreValid(userProperties map[string]any) bool {
	operations := 0
	for name, value := range userProperties {
		if !strings.HasPrefix(name, "$") {
			continue
		}
		operations++
		_, isMap := value.(map[string]any)
		if name != clearAll && (!isMap || !isOperator(name)) {
			return false
		}
	}
	return operations == 0 || operations == len(userProperties)
}

func isOperator(name string) bool {
	for _, operator := range operators {
		if operator.name == name {
			return true
		}
	}
	return false
}

// applyOperations applies operations to user properties. It never modifies a property's value in place, because copies
// share the values.
func applyOperations(properties, operations map[string]any) map[string]any {
	if _, isCleared := operations[clearAll]; isCleared {
		properties = map[string]any{}
	}
	for _, operator := range operators {
		members, _ := operations[operator.name].(map[string]any)
		for name, value := range members {
			operator.apply(properties, name, value)
		}
	}
	for name, value := range operations {
		if !strings.HasPrefix(name, "$") {
			properties[name] = value
		}
	}
	return properties
}

// add adds to a number. A property that isn't a number counts as 0. Numbers may be strings.
func add(properties map[string]any, name string, value any) {
	if amount, isNumber := number(value); isNumber {
		before, _ := number(properties[name])
		properties[name] = before + amount
	}
}

func number(value any) (float64, bool) {
	switch value := value.(type) {
	case float64:
		return value, true
	case string:
		parsed, err := strconv.ParseFloat(value, 64)
		return parsed, err == nil
	default:
		return 0, false
	}
}

// list returns the value of a user property as a list. A value that isn't a list becomes its only element.
func list(properties map[string]any, name string) []any {
	value, isSet := properties[name]
	if !isSet {
		return nil
	}
	return values(value)
}

func values(value any) []any {
	if many, isList := value.([]any); isList {
		return many
	}
	return []any{value}
}

func without(of, those []any) []any {
	return slices.DeleteFunc(slices.Clone(of), func(value any) bool {
		return slices.ContainsFunc(those, func(that any) bool { return reflect.DeepEqual(value, that) })
	})
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
