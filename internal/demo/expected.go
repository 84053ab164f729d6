// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
)

// objectOf returns a record in the form of expected.ndjson. It omits the body, because pair compares it with the input.
func objectOf(record plog.LogRecord) map[string]any {
	object := map[string]any{"attributes": record.Attributes().AsRaw()}
	if name := record.EventName(); name != "" {
		object["event_name"] = name
	}
	if at := record.Timestamp(); at != 0 {
		object["timestamp"] = at.AsTime().Format(time.RFC3339Nano)
	}
	return object
}

func objectsOf(records plog.LogRecordSlice) []map[string]any {
	var objects []map[string]any
	for _, record := range records.All() {
		objects = append(objects, objectOf(record))
	}
	return objects
}

func writeExpected(path string, objects []map[string]any) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, object := range objects {
		if err := encoder.Encode(object); err != nil {
			return err
		}
	}
	return os.WriteFile(path, lines.Bytes(), 0o644)
}

// checkExpected compares the objects with those in a file. The error lists the differences of the first object that
// differs.
func checkExpected(path string, objects []map[string]any) error {
	want, err := readExpected(path)
	if err != nil {
		return err
	}
	for i := range max(len(want), len(objects)) {
		var wanted, got map[string]string
		if i < len(want) {
			wanted = valuesOf(want[i])
		}
		if i < len(objects) {
			got = valuesOf(objects[i])
		}
		if differences := differencesOf(wanted, got); len(differences) > 0 {
			return fmt.Errorf("\nthe output (%d records) differs from %s (%d records), first in record %d:\n  %s",
				len(objects), path, len(want), i+1, strings.Join(differences, "\n  "))
		}
	}
	return nil
}

func readExpected(path string) ([]map[string]any, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var objects []map[string]any
	for line := range bytes.Lines(data) {
		var object map[string]any
		if err = json.Unmarshal(line, &object); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(objects)+1, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func differencesOf(want, got map[string]string) []string {
	places := maps.Clone(got)
	if places == nil {
		places = map[string]string{}
	}
	maps.Copy(places, want)
	var differences []string
	for _, place := range slices.Sorted(maps.Keys(places)) {
		wanted, isWanted := want[place]
		found, isFound := got[place]
		switch {
		case !isFound:
			differences = append(differences, fmt.Sprintf("%s: expected %s, got nothing", place, wanted))
		case !isWanted:
			differences = append(differences, fmt.Sprintf("%s: expected nothing, got %s", place, found))
		case wanted != found:
			differences = append(differences, fmt.Sprintf("%s: expected %s, got %s", place, wanted, found))
		}
	}
	return differences
}

// valuesOf returns the values in an object by path, such as `attributes["properties"]["variant"]`.
func valuesOf(object map[string]any) map[string]string {
	values := map[string]string{}
	for key, value := range object {
		collect(key, value, values)
	}
	return values
}

func collect(place string, value any, into map[string]string) {
	inner, isMap := value.(map[string]any)
	if !isMap || len(inner) == 0 {
		into[place] = text(value)
		return
	}
	for key, member := range inner {
		collect(fmt.Sprintf("%s[%q]", place, key), member, into)
	}
}
