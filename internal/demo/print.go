// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"go.opentelemetry.io/collector/pdata/plog"
)

// printLines prints each line before and after the processor, and then the values of each user property.
func printLines(out io.Writer, lines []line) error {
	if _, err := io.WriteString(out, `The Segment calls in testdata/demo/events.ndjson, before and after the impression processor.
+ marks a record that the processor adds: a user property update, directly before its impression.

`); err != nil {
		return err
	}
	t := &table{}
	t.row("line", "user or device", "before", "after")
	for i, l := range lines {
		number, who := fmt.Sprintf("%4d", i+1), l.who()
		for _, update := range l.updates {
			t.row(number, who, "", "+ $identify: "+readUpdate(update).String())
			number, who = "", ""
		}
		t.row(number, who, l.name(), l.nameAfter())
		if l.call["event"] == "$impression" {
			l.addProperties(t)
		}
	}
	if err := t.write(out); err != nil {
		return err
	}
	return printUserProperties(out, lines)
}

// table collects rows of cells.
type table struct {
	rows strings.Builder
}

func (t *table) row(cells ...string) {
	t.rows.WriteString(strings.Join(cells, "\t") + "\n")
}

// write writes the rows with aligned columns.
func (t *table) write(out io.Writer) error {
	aligned := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(aligned, t.rows.String()); err != nil {
		return err
	}
	return aligned.Flush()
}

// who returns the user id, or else the beginning of the device id.
func (l line) who() string {
	if user, given := l.call["userId"].(string); given {
		return user
	}
	if device, given := l.call["anonymousId"].(string); given {
		return device[:8] + "…"
	}
	if l.call == nil {
		return "(unknown)"
	}
	return "(none)"
}

func (l line) name() string {
	if event, isTrack := l.call["event"].(string); isTrack {
		return event
	}
	if l.call != nil {
		return fmt.Sprintf("(%s call)", l.call["type"])
	}
	return l.text[:30] + "… (not JSON)"
}

func (l line) nameAfter() string {
	attributes := l.after.Attributes().AsRaw()
	if reflect.DeepEqual(attributes, l.call) || l.call == nil && len(attributes) == 0 {
		return "unchanged"
	}
	return text(attributes["event"])
}

// renames lists the properties that the processor renames.
var renames = []struct{ before, after string }{
	{"flag_key", "[Experiment] Flag Key"},
	{"variant", "[Experiment] Variant"},
	{"experiment_key", "[Experiment] Experiment Key"},
}

// addProperties adds rows with the properties that matter for the user property update.
func (l line) addProperties(t *table) {
	before, after := members(l.call["properties"]), members(l.after.Attributes().AsRaw()["properties"])
	for _, name := range renames {
		value, given := before[name.before]
		if !given {
			if name.before == "flag_key" {
				t.row("", "", "  no flag_key", "  no flag_key")
			}
			continue
		}
		became := "  " + name.before + ": " + text(after[name.before])
		if renamed, isRenamed := after[name.after]; isRenamed {
			became = "  " + name.after + ": " + text(renamed)
		}
		t.row("", "", "  "+name.before+": "+text(value), became)
	}
	metadata := members(before["metadata"])
	if metadata["default"] == true {
		t.row("", "", "  metadata.default: true", "  metadata.default: "+text(members(after["metadata"])["default"]))
	}
	if flagType := text(metadata["flagType"]); flagType != "experiment" {
		t.row("", "", "  metadata.flagType: "+flagType, "  metadata.flagType: "+text(members(after["metadata"])["flagType"]))
	}
	if len(l.updates) == 0 {
		t.row("", "", "", "no user property update")
	}
}

// update is the content of a user property update.
type update struct {
	who, verb, property, value string
}

func readUpdate(record plog.LogRecord) update {
	attributes := record.Attributes().AsRaw()
	u := update{who: text(attributes["device_id"])}
	if user, given := attributes["user_id"]; given {
		u.who = text(user)
	}
	for operator, properties := range members(attributes["user_properties"]) {
		for property, value := range members(properties) {
			u.verb, u.property, u.value = strings.TrimPrefix(operator, "$"), property, text(value)
		}
	}
	return u
}

// String describes the update. The value of an unset has no meaning.
func (u update) String() string {
	if u.verb == "unset" {
		return "unset " + u.property
	}
	return u.verb + " " + u.property + " to " + u.value
}

// printUserProperties prints the sequence of values of each user property.
func printUserProperties(out io.Writer, lines []line) error {
	type userProperty struct{ who, property string }
	var order []userProperty
	values := map[userProperty][]string{}
	for _, l := range lines {
		for _, record := range l.updates {
			u := readUpdate(record)
			of := userProperty{u.who, u.property}
			if !slices.Contains(order, of) {
				order = append(order, of)
			}
			if u.verb == "unset" {
				u.value = "(unset)"
			}
			values[of] = append(values[of], u.value)
		}
	}
	slices.SortStableFunc(order, func(a, b userProperty) int { return strings.Compare(a.who, b.who) })
	t := &table{}
	t.row("\nuser or device", "user property", "values, in order")
	for _, of := range order {
		t.row(of.who, of.property, strings.Join(values[of], ", "))
	}
	return t.write(out)
}

// members returns the value if it is a map, else nil.
func members(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

// text returns a string as it is and any other value as JSON.
func text(value any) string {
	if s, isString := value.(string); isString {
		return s
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}
