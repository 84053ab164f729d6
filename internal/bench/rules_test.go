// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// fields are the fields that a rule is about, by key. The value missing stands for a field that isn't there.
type fields map[string]any

type absent struct{}

var missing = absent{}

// outcome is what becomes of an impression.
type outcome string

const (
	isSet     outcome = "set"
	isUnset   outcome = "unset"
	leftAlone outcome = "left alone"
	untouched outcome = "untouched"
)

// rule describes an ordinary impression, except for these fields.
type rule struct {
	name string
	// properties are the event's, and event holds the fields beside them. The layout otel has both in one map.
	properties, event, resource fields
	// body is the record's in the layout otel.
	body      any
	timestamp pcommon.Timestamp
	want      outcome
	// oursOnly excludes the peers, because they don't follow this rule. Their configurations say why.
	oursOnly bool
}

// again at the end of a key makes the key occur twice.
const again = " (again)"

// variantRules, metadataRules, flagKeyRules and halfFormRules apply to every layout.
var variantRules = []rule{
	{name: "variant is a string", want: isSet},
	{name: "variant is control", properties: fields{"variant": "control"}, want: isSet},
	{name: "variant is off", properties: fields{"variant": "off"}, want: isSet},
	{name: "variant is an integer", properties: fields{"variant": 3}, want: isSet},
	{name: "variant is a double", properties: fields{"variant": 2.5}, want: isSet},
	{name: "variant is a whole double", properties: fields{"variant": 20.0}, want: isSet},
	{name: "variant is zero", properties: fields{"variant": 0.0}, want: isSet},
	{name: "variant is true", properties: fields{"variant": true}, want: isSet},
	{name: "variant is false", properties: fields{"variant": false}, want: isSet},
	{name: "variant is missing", properties: fields{"variant": missing}, want: isUnset},
	{name: "variant is null", properties: fields{"variant": nil}, want: isUnset},
	{name: "variant is empty", properties: fields{"variant": ""}, want: isUnset},
	{name: "variant is a map", properties: fields{"variant": map[string]any{"key": "a"}}, want: untouched},
	{name: "variant is an empty map", properties: fields{"variant": map[string]any{}}, want: untouched},
	{name: "variant is a list", properties: fields{"variant": []any{"a"}}, want: untouched},
	{name: "variant is bytes", properties: fields{"variant": []byte("a")}, want: untouched},
	{name: "variant is empty bytes", properties: fields{"variant": []byte{}}, want: untouched},
	{name: "variant is NaN", properties: fields{"variant": math.NaN()}, want: untouched},
	{name: "variant is a very large double", properties: fields{"variant": 1e21}, want: isSet, oursOnly: true},
	{name: "variant is infinite", properties: fields{"variant": math.Inf(-1)}, want: untouched},
}

var metadataRules = []rule{
	{name: "default", properties: fields{"metadata": map[string]any{"default": true}}, want: isUnset},
	{name: "default without variant", properties: fields{"metadata": map[string]any{"default": true}, "variant": missing}, want: isUnset},
	{name: "default with a number", properties: fields{"metadata": map[string]any{"default": true}, "variant": 3.0}, want: isUnset},
	{name: "default is the text true", properties: fields{"metadata": map[string]any{"default": "true"}}, want: isUnset},
	{name: "default is null", properties: fields{"metadata": map[string]any{"default": nil}}, want: isSet},
	{name: "metadata is missing", properties: fields{"metadata": missing}, want: isSet},
	{name: "metadata is null", properties: fields{"metadata": nil}, want: isSet},
	{name: "metadata is a string", properties: fields{"metadata": "default"}, want: isSet},
	{name: "metadata is a string, variant empty", properties: fields{"metadata": "default", "variant": ""}, want: isUnset},
	{name: "metadata is a list", properties: fields{"metadata": []any{"default"}}, want: isSet},
	{name: "mutual exclusion group", properties: fields{"metadata": mutualExclusion(false)}, want: leftAlone},
	{name: "mutual exclusion group, default", properties: fields{"metadata": mutualExclusion(true)}, want: leftAlone},
	{name: "mutual exclusion group without variant", properties: fields{"metadata": mutualExclusion(false), "variant": missing}, want: leftAlone},
	{name: "default is the text false", properties: fields{"metadata": map[string]any{"default": "false"}}, want: isSet},
	{name: "metadata is a JSON text", properties: fields{"metadata": `{"flagType": "experiment", "default": false}`}, want: isSet},
	{name: "default in a JSON text", properties: fields{"metadata": ` {"default": true}`}, want: isUnset},
	{name: "default is the text true in a JSON text", properties: fields{"metadata": `{"default": "true"}`}, want: isUnset},
	{name: "mutual exclusion group in a JSON text", properties: fields{"metadata": `{"flagType": "mutual-exclusion-group"}`}, want: leftAlone},
	{name: "metadata is the JSON text of a list", properties: fields{"metadata": `["default"]`}, want: isSet},
	{name: "metadata is malformed JSON", properties: fields{"metadata": `{"default": true`}, want: isSet},
	{name: "metadata is malformed JSON, variant missing", properties: fields{"metadata": `{"default"}`, "variant": missing}, want: isUnset},
	{name: "flagType is a list", properties: fields{"metadata": map[string]any{"flagType": []any{"mutual-exclusion-group"}}}, want: isSet},
}

func mutualExclusion(isDefault bool) map[string]any {
	return map[string]any{"flagType": "mutual-exclusion-group", "default": isDefault}
}

var flagKeyRules = []rule{
	{name: "flag_key is missing", properties: fields{"flag_key": missing}, want: untouched},
	{name: "flag_key is null", properties: fields{"flag_key": nil}, want: untouched},
	{name: "flag_key is empty", properties: fields{"flag_key": ""}, want: untouched},
	{name: "flag_key is an integer", properties: fields{"flag_key": 7}, want: untouched},
	{name: "flag_key is a double", properties: fields{"flag_key": 7.5}, want: untouched},
	{name: "flag_key is true", properties: fields{"flag_key": true}, want: untouched},
	{name: "flag_key is a map", properties: fields{"flag_key": map[string]any{"a": "b"}}, want: untouched},
	{name: "flag_key is a list", properties: fields{"flag_key": []any{"a"}}, want: untouched},
	{name: "flag_key is bytes", properties: fields{"flag_key": []byte("a")}, want: untouched},
	{name: "flag_key and variant are wrong", properties: fields{"flag_key": nil, "variant": []any{}}, want: untouched},
	{name: "experiment_key is missing", properties: fields{"experiment_key": missing}, want: isSet},
	{name: "experiment_key is null", properties: fields{"experiment_key": nil}, want: isSet},
	{name: "experiment_key is a number", properties: fields{"experiment_key": 4.0}, want: isSet},
	{name: "post form names are replaced", properties: fields{"[Experiment] Flag Key": "old", "[Experiment] Variant": "old"}, want: isSet},
	{name: "repeated post form names are replaced", properties: repeatedPostForms, want: isSet},
	{name: "repeated post form names, variant null", properties: fields{"[Experiment] Flag Key": "old", "[Experiment] Flag Key" + again: "older", "variant": nil}, want: isUnset},
	{name: "repeated post form names, experiment_key missing", properties: repeatedPostForms.plus(fields{"experiment_key": missing}), want: isSet},
}

var repeatedPostForms = fields{
	"[Experiment] Flag Key": "old", "[Experiment] Flag Key" + again: "older",
	"[Experiment] Variant": "old", "[Experiment] Variant" + again: nil,
	"[Experiment] Experiment Key": "old", "[Experiment] Experiment Key" + again: 7.0,
}

// halfFormRules are about impressions that have some properties in the post form.
var halfFormRules = []rule{
	{name: "post form variant without variant", properties: fields{"variant": missing, "[Experiment] Variant": "b"}, want: untouched},
	{name: "post form variant, a map, without variant", properties: fields{"variant": missing, "[Experiment] Variant": map[string]any{}}, want: untouched},
	{name: "post form variant, variant null", properties: fields{"variant": nil, "[Experiment] Variant": "b"}, want: untouched},
	{name: "empty post form variant, variant null", properties: fields{"variant": nil, "[Experiment] Variant": ""}, want: untouched},
	{name: "post form variant null, variant null", properties: fields{"variant": nil, "[Experiment] Variant": nil}, want: isUnset},
	{name: "post form variant, variant empty", properties: fields{"variant": "", "[Experiment] Variant": "b"}, want: isUnset},
	{name: "post form variant, default without variant", properties: fields{"variant": missing, "[Experiment] Variant": "b", "metadata": map[string]any{"default": true}}, want: untouched},
	{name: "post form flag key without flag_key", properties: fields{"flag_key": missing, "[Experiment] Flag Key": "f"}, want: untouched},
	{name: "post form experiment key without experiment_key", properties: fields{"experiment_key": missing, "[Experiment] Experiment Key": "e"}, want: isSet},
	{name: "post form variant null, variant missing", properties: fields{"variant": missing, "[Experiment] Variant": nil}, want: untouched, oursOnly: true},
}

// updateFields are unrelated values under the names of a user property update's fields.
var updateFields = fields{"user_id": "other", "device_id": "other", "insert_id": "other", "user_properties": map[string]any{"plan": "free"}}

var otelRules = []rule{
	{name: "no identity", event: fields{"user.id": missing, "device.id": missing}, want: leftAlone},
	{name: "no identity that is a text", event: fields{"user.id": true, "device.id": []any{"d"}, "enduser.id": math.NaN(), "app.installation.id": ""}, want: leftAlone},
	{name: "no identity in a mutual exclusion group", event: fields{"user.id": nil, "device.id": "", "metadata": mutualExclusion(false)}, want: leftAlone},
	{name: "user only", event: fields{"device.id": missing}, want: isSet},
	{name: "device only", event: fields{"user.id": missing}, want: isSet},
	{name: "ids are numbers", event: fields{"user.id": 123456789, "device.id": 0}, want: isSet},
	{name: "user.id before all others", event: fields{"enduser.id": "e"}, resource: fields{"user.id": "r", "device.id": "r"}, want: isSet},
	{name: "enduser.id", event: fields{"user.id": "", "enduser.id": "e"}, resource: fields{"user.id": "r"}, want: isSet},
	{name: "enduser is a number", event: fields{"user.id": nil, "enduser.id": 42}, want: isSet},
	{name: "installation", event: fields{"device.id": nil, "app.installation.id": "i"}, resource: fields{"device.id": "r"}, want: isSet},
	{name: "user of the resource", event: fields{"user.id": false, "device.id": missing}, resource: fields{"user.id": "r", "enduser.id": "e"}, want: isSet},
	{name: "enduser of the resource", event: fields{"user.id": missing, "device.id": missing}, resource: fields{"user.id": "", "enduser.id": "e"}, want: isSet},
	{name: "device of the resource", event: fields{"user.id": missing, "device.id": missing}, resource: fields{"device.id": 77, "app.installation.id": "i"}, want: isSet},
	{name: "installation of the resource", event: fields{"device.id": map[string]any{"id": "d"}}, resource: fields{"app.installation.id": "i"}, want: isSet},
	{name: "Timestamp is not set", timestamp: 0, want: isSet},
	{name: "time among the properties", properties: fields{"time": 1795424400123}, want: isSet},
	{name: "time with a Timestamp that was set", properties: fields{"time": 1795424400123}, timestamp: 1795424400000000000, want: isSet},
	{name: "insert id is a number", event: fields{"log.record.uid": 4711}, want: isSet},
	{name: "insert id is missing", event: fields{"log.record.uid": missing}, want: isSet, oursOnly: true},
	{name: "attributes named like the update's", event: updateFields, want: isSet},
	{name: "attributes named like the update's, no user", event: updateFields.with(fields{"user.id": nil}), want: isSet},
	{name: "user.id is refused, no other", event: fields{"user.id": "anonymous", "device.id": missing}, want: isSet},
	{name: "user.id is refused, enduser.id", event: fields{"user.id": "null", "enduser.id": "e"}, want: isSet},
	{name: "user.id is a refused number, user of the resource", event: fields{"user.id": -1}, resource: fields{"user.id": "r"}, want: isSet},
	{name: "user.id and enduser.id are refused", event: fields{"user.id": "{}", "enduser.id": "n/a"}, resource: fields{"enduser.id": "e"}, want: isSet},
	{name: "all user ids are refused", event: fields{"user.id": "none", "enduser.id": "0"}, resource: fields{"user.id": "nil", "enduser.id": "undefined"}, want: isSet},
	{name: "user.id is refused in another case", event: fields{"user.id": "NULL", "enduser.id": "e"}, want: isSet},
	{name: "user.id is zeros", event: fields{"user.id": "00", "enduser.id": "e"}, want: isSet},
	{name: "device.id is zeros", event: fields{"device.id": "000000"}, resource: fields{"device.id": "r"}, want: isSet},
	{name: "device.id is a UUID of zeros", event: fields{"device.id": "00000000-0000-0000-0000-000000000000", "app.installation.id": "i"}, want: isSet},
	{name: "all device ids are refused", event: fields{"device.id": 0, "app.installation.id": "00"}, resource: fields{"device.id": "unknown"}, want: isSet},
}

// otelBodyRules are about properties in the body.
var otelBodyRules = []rule{
	{name: "properties in the body", properties: inBody, body: bodyProperties, want: isSet},
	{name: "properties in the body, Timestamp is set", properties: inBody, body: bodyProperties, timestamp: 1795424400000000000, want: isSet},
	{name: "properties in the body, no identity", properties: inBody, event: fields{"user.id": nil, "device.id": nil}, body: bodyProperties, want: leftAlone},
	{name: "properties in the body, variant missing", properties: inBody, body: bodyProperties.with(fields{"variant": missing}), want: isUnset},
	{name: "properties in the body, variant null", properties: inBody, body: bodyProperties.with(fields{"variant": nil}), want: isUnset},
	{name: "properties in the body, variant is a double", properties: inBody, body: bodyProperties.with(fields{"variant": 2.5}), want: isSet},
	{name: "properties in the body, variant is a list", properties: inBody, body: bodyProperties.with(fields{"variant": []any{}}), want: untouched},
	{name: "properties in the body, variant in post form", properties: inBody, body: bodyProperties.with(fields{"variant": missing, "[Experiment] Variant": "b"}), want: untouched},
	{name: "properties in the body, default", properties: inBody, body: bodyProperties.with(fields{"metadata": map[string]any{"default": true}}), want: isUnset},
	{name: "properties in the body, default in a JSON text", properties: inBody, body: bodyProperties.with(fields{"metadata": `{"default":true}`}), want: isUnset},
	{name: "properties in the body, mutual exclusion group", properties: inBody, body: bodyProperties.with(fields{"metadata": mutualExclusion(false)}), want: leftAlone},
	{name: "properties in the body, mutual exclusion group in a JSON text", properties: inBody, body: bodyProperties.with(fields{"metadata": `{"flagType":"mutual-exclusion-group"}`}), want: leftAlone},
	{name: "properties in the body, repeated post form names", properties: inBody, body: bodyProperties.with(repeatedPostForms), want: isSet},
	{name: "flag_key in the body, others in the attributes", properties: fields{"flag_key": missing}, body: fields{"flag_key": "f"}, want: isUnset},
	{name: "flag_key null in the attributes", properties: fields{"flag_key": nil}, body: bodyProperties, want: isSet},
	{name: "flag_key in both", body: bodyProperties.with(fields{"variant": []any{}}), want: isSet},
	{name: "flag_key empty in the attributes", properties: fields{"flag_key": ""}, body: bodyProperties, want: untouched},
	{name: "post form flag key in the attributes", properties: inBody.plus(fields{"[Experiment] Flag Key": "f"}), body: bodyProperties, want: untouched},
	{name: "flag_key in neither", properties: inBody, body: bodyProperties.with(fields{"flag_key": missing}), want: untouched},
	{name: "flag_key empty in the body", properties: inBody, body: bodyProperties.with(fields{"flag_key": ""}), want: untouched},
	{name: "body is a string", properties: inBody, body: "flag_key", want: untouched},
	{name: "body is a string beside properties", body: "flag_key", want: isSet},
}

// inBody removes the properties from the attributes.
var inBody = fields{"flag_key": missing, "variant": missing, "experiment_key": missing, "metadata": missing, "page": missing}

var bodyProperties = fields{
	"flag_key": "new-checkout", "variant": "treatment", "experiment_key": "exp-1", "time": 1795424400123, "page": "/checkout",
	"metadata": map[string]any{"flagType": "experiment", "default": false},
}

var segmentRules = []rule{
	{name: "properties are missing", event: fields{"properties": missing}, want: untouched},
	{name: "properties are null", event: fields{"properties": nil}, want: untouched},
	{name: "properties are a string", event: fields{"properties": "flag_key"}, want: untouched},
	{name: "properties are a list", event: fields{"properties": []any{"flag_key"}}, want: untouched},
	{name: "properties are empty", event: fields{"properties": map[string]any{}}, want: untouched},
	{name: "no identity", event: fields{"userId": nil, "anonymousId": missing}, want: leftAlone},
	{name: "no identity that is a text", event: fields{"userId": "", "anonymousId": true, "context": device(math.NaN())}, want: leftAlone},
	{name: "no identity, context isn't a map", event: fields{"userId": nil, "anonymousId": "", "context": "web"}, want: leftAlone},
	{name: "no identity, device isn't a map", event: fields{"userId": nil, "anonymousId": "", "context": map[string]any{"device": "id"}}, want: leftAlone},
	{name: "user only", event: fields{"anonymousId": nil}, want: isSet},
	{name: "device only", event: fields{"userId": nil}, want: isSet},
	{name: "ids are numbers", event: fields{"userId": 123456789.0, "anonymousId": 0.5}, want: isSet},
	{name: "only a user, a number", event: fields{"userId": 12.0, "anonymousId": nil}, want: isSet},
	{name: "only a device, a number", event: fields{"userId": nil, "anonymousId": 12.0}, want: isSet},
	{name: "device of the context", event: fields{"context": device("c")}, want: isSet},
	{name: "device of the context only", event: fields{"userId": nil, "anonymousId": nil, "context": device("c")}, want: isSet},
	{name: "device of the context is a number", event: fields{"userId": nil, "anonymousId": nil, "context": device(12.0)}, want: isSet},
	{name: "device of the context is empty", event: fields{"context": device("")}, want: isSet},
	{name: "device of the context is null", event: fields{"context": device(nil)}, want: isSet},
	{name: "context isn't a map", event: fields{"context": "web"}, want: isSet},
	{name: "context is missing", event: fields{"context": missing}, want: isSet},
	{name: "type is missing", event: fields{"type": missing}, want: isSet},
	{name: "type is null", event: fields{"type": nil}, want: isSet},
	{name: "type is page", event: fields{"type": "page"}, want: untouched},
	{name: "type is Track", event: fields{"type": "Track"}, want: isSet},
	{name: "type is TRACK", event: fields{"type": "TRACK"}, want: isSet},
	{name: "type is tracks", event: fields{"type": "tracks"}, want: untouched},
	{name: "type is empty", event: fields{"type": ""}, want: untouched},
	{name: "type is a number", event: fields{"type": 1.0}, want: untouched},
	{name: "type is NaN", event: fields{"type": math.NaN()}, want: untouched},
	{name: "type is a list", event: fields{"type": []any{"track"}}, want: untouched},
	{name: "type is missing, userId", event: noType.plus(fields{"userId": "u-1"}), properties: fields{"metadata": mutualExclusion(false)}, want: leftAlone},
	{name: "type is missing, anonymousId", event: noType.plus(fields{"anonymousId": "d-1"}), properties: fields{"metadata": mutualExclusion(false)}, want: leftAlone},
	{name: "type is null, messageId", event: noType.plus(fields{"type": nil, "messageId": "id-1"}), want: leftAlone},
	{name: "type is missing, userId is empty", event: noType.plus(fields{"userId": ""}), want: leftAlone},
	{name: "type is missing, no ids", event: noType.plus(fields{"context": device("c")}), want: untouched},
	{name: "type is null, ids are null", event: fields{"type": nil, "userId": nil, "anonymousId": nil, "messageId": nil}, want: untouched},
	{name: "device of the context is refused", event: fields{"context": device("unknown")}, want: isSet},
	{name: "device of the context is zeros", event: fields{"context": device("0000")}, want: isSet},
	{name: "device of the context is a refused number", event: fields{"context": device(0.0)}, want: isSet},
	{name: "device of the context is refused, anonymousId is a number", event: fields{"context": device("nil"), "anonymousId": 12.0}, want: isSet},
	{name: "device of the context is refused, no other", event: fields{"context": device("lmy47d"), "anonymousId": nil}, want: isSet},
	{name: "both device ids are refused", event: fields{"userId": nil, "context": device("none"), "anonymousId": "na"}, want: isSet},
	{name: "device of the context is refused, anonymousId isn't an id", event: fields{"context": device("-1"), "anonymousId": true}, want: isSet},
	{name: "only a refused user", event: fields{"userId": "anonymous", "anonymousId": nil}, want: isSet},
	{name: "time is missing", properties: fields{"time": missing}, want: isSet},
	{name: "time and timestamp are missing", properties: fields{"time": missing}, event: fields{"timestamp": missing}, timestamp: 1795424400000000000, want: isSet},
	{name: "Timestamp is set", timestamp: 1795424400000000000, want: isSet},
	{name: "insert id is a number", event: fields{"messageId": 4711.0}, want: isSet},
	{name: "insert id is missing", event: fields{"messageId": missing}, want: isSet, oursOnly: true},
	{name: "fields named like the update's", event: updateFields, want: isSet},
	{name: "fields named like the update's, no user", event: updateFields.with(fields{"userId": nil}), want: isSet},
}

// noType leaves only the event name of a call.
var noType = fields{"type": missing, "userId": missing, "anonymousId": missing, "messageId": missing}

func device(id any) map[string]any {
	return map[string]any{"device": map[string]any{"id": id}}
}

func rulesOf(layout string) []rule {
	of := segmentRules
	if layout == otel {
		of = slices.Concat(otelRules, otelBodyRules, otelIdentityRules())
	}
	return slices.Concat(variantRules, metadataRules, flagKeyRules, halfFormRules, of)
}

// otelIdentityRules returns rules with an id in only one of its places.
func otelIdentityRules() []rule {
	var rules []rule
	for _, place := range []string{"user.id", "enduser.id", "device.id", "app.installation.id"} {
		for _, id := range []any{"x", 12, 0.5} {
			name := fmt.Sprintf("%s is %v, no other id", place, id)
			rules = append(rules,
				rule{name: name, event: fields{"user.id": missing, "device.id": missing, place: id}, want: isSet},
				rule{name: "resource " + name, event: fields{"user.id": missing, "device.id": missing}, resource: fields{place: id}, want: isSet},
			)
		}
		rules = append(rules, rule{
			name:     "resource " + place + " isn't an id",
			event:    fields{"user.id": missing, "device.id": missing, "enduser.id": true, "app.installation.id": "i"},
			resource: fields{place: true}, want: isSet,
		}, rule{
			name:     "resource " + place + " isn't an id, user",
			event:    fields{"user.id": missing, "device.id": missing, "enduser.id": "e", "app.installation.id": true},
			resource: fields{place: true}, want: isSet,
		})
	}
	return rules
}

// TestContendersFollowTheSameRules covers the rules that the workload has no events for.
func TestContendersFollowTheSameRules(t *testing.T) {
	for _, layout := range layouts() {
		t.Run(layout, func(t *testing.T) {
			reference := mustCollect(t, ours, layout)
			peers := map[string]collected{}
			for _, name := range []string{ottlFanOut, ottlIdealRouter} {
				peers[name] = mustCollect(t, name, layout)
			}
			all := plog.NewLogs()
			check := func(r rule, batch plog.Logs) []string {
				want, err := reference.output(batch)
				require.NoError(t, err)
				for name, peer := range peers {
					got, err := peer.output(batch)
					require.NoError(t, err)
					if r.oursOnly {
						assert.Error(t, compareRecords(name, want, got), "%s: the peers follow this rule, so compare them", r.name)
					} else {
						assert.NoError(t, compareRecords(name, want, got), r.name)
					}
				}
				return want
			}
			for _, r := range rulesOf(layout) {
				batch := r.batch(t, layout)
				assert.Equal(t, r.want, outcomeOf(check(r, batch)), r.name)
				if !r.oursOnly {
					batch.ResourceLogs().MoveAndAppendTo(all.ResourceLogs())
				}
			}
			check(rule{name: "all rules in one batch"}, all)
		})
	}
}

func mustCollect(t *testing.T, name, layout string) collected {
	t.Helper()
	c, err := newCollected(name, layout)
	require.NoError(t, err)
	return c
}

// outcomeOf returns the outcome for one impression by the records that came out.
func outcomeOf(records []string) outcome {
	text := strings.Join(records, "\n")
	switch {
	case strings.Contains(text, `"$set"=`):
		return isSet
	case strings.Contains(text, `"$unset"=`):
		return isUnset
	case strings.Contains(text, "[Experiment] Impression"):
		return leftAlone
	default:
		return untouched
	}
}

// batch returns a batch with the impression that the rule is about.
func (r rule) batch(t *testing.T, layout string) plog.Logs {
	t.Helper()
	properties := fields{
		"flag_key":       "new-checkout",
		"variant":        "treatment",
		"experiment_key": "exp-1",
		"metadata":       map[string]any{"flagType": "experiment", "default": false},
		"page":           "/checkout",
	}.with(r.properties)
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	require.NoError(t, resource.Resource().Attributes().FromRaw(fields{"service.name": "web-shop"}.with(r.resource)))
	record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetObservedTimestamp(1795424401000000000)
	record.SetTimestamp(r.timestamp)
	switch layout {
	case otel:
		record.SetEventName(impressionType)
		event := fields{"user.id": "u-1", "device.id": "d-1", "log.record.uid": "id-1"}.with(properties).with(r.event)
		require.NoError(t, record.Attributes().FromRaw(event))
		require.NoError(t, record.Body().FromRaw(raw(r.body)))
	case segmentBody:
		record.Attributes().PutStr("log.file.name", "events.jsonl")
		require.NoError(t, record.Body().SetEmptyMap().FromRaw(segmentEvent(properties, r)))
	case segmentAttributes:
		record.Body().SetStr("{}")
		require.NoError(t, record.Attributes().FromRaw(segmentEvent(properties, r)))
	}
	return withRepeatedKeys(t, logs)
}

// raw returns a value that pdata accepts.
func raw(value any) any {
	if f, isFields := value.(fields); isFields {
		return map[string]any(f)
	}
	return value
}

// withRepeatedKeys removes again from the keys. Only an encoding can repeat a key: pdata's own methods don't.
func withRepeatedKeys(t *testing.T, logs plog.Logs) plog.Logs {
	t.Helper()
	text, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
	require.NoError(t, err)
	if !bytes.Contains(text, []byte(again)) {
		return logs
	}
	logs, err = (&plog.JSONUnmarshaler{}).UnmarshalLogs(bytes.ReplaceAll(text, []byte(again), nil))
	require.NoError(t, err)
	return logs
}

func segmentEvent(properties fields, of rule) fields {
	given := fields{"time": 1795424400123.0}.with(properties)
	if _, isGiven := of.properties["time"]; isGiven {
		delete(given, "time")
	}
	return fields{
		"type": "track", "event": impressionType, "userId": "u-1", "anonymousId": "d-1", "messageId": "id-1",
		"timestamp": "2026-11-23T09:00:02.345Z", "context": map[string]any{"ip": "203.0.113.7"},
		"properties": map[string]any(given),
	}.with(of.event)
}

// plus returns a copy of the fields, overwritten with others.
func (f fields) plus(others fields) fields {
	result := maps.Clone(f)
	maps.Copy(result, others)
	return result
}

// with is like plus, without the fields that are missing.
func (f fields) with(others fields) fields {
	result := f.plus(others)
	maps.DeleteFunc(result, func(_ string, value any) bool { return value == any(missing) })
	return result
}
