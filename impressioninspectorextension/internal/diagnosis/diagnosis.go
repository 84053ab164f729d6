// SPDX-License-Identifier: Apache-2.0

package diagnosis // import "github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/diagnosis"

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// limits bound the texts that are parsed for a diagnosis.
var limits = jsonvalue.Limits{MaxBytes: 1 << 20, MaxDepth: 40, MaxValues: 10_000}

// maxName is the length of the longest name that a finding has.
const maxName = 200

// Diagnoser finds out why records aren't events. It isn't safe for concurrent use.
type Diagnoser struct {
	// presets finds the events of all presets.
	presets *reader.Reader
	parser  *jsonvalue.Parser
}

// New returns a diagnoser.
func New() (*Diagnoser, error) {
	layouts, err := layout.CompilePresets()
	if err != nil {
		return nil, err
	}
	// Several presets claim the same calls. The one that is tried first stands for all of them.
	slices.SortStableFunc(layouts, func(a, b layout.Layout) int { return cmp.Compare(rank(a.Name), rank(b.Name)) })
	return &Diagnoser{
		presets: reader.New(reader.Settings{Layouts: layouts, Fields: []event.Field{event.Properties}, Limits: limits}),
		parser:  jsonvalue.NewParser(limits),
	}, nil
}

// calls are the presets that claim the same track calls.
var calls = []string{"segment", "hightouch", "customerio", "rudderstack", "jitsu"}

func rank(preset string) int {
	switch {
	case preset == calls[0]:
		return 0
	case slices.Contains(calls, preset):
		return 2
	default:
		return 1
	}
}

// Of returns the finding for a record or event that stays behind, and reports whether there is one.
func (d *Diagnoser) Of(e *inspection.Event) (Finding, bool) {
	switch {
	case e.Problem == reader.NotAnEvent.String():
		return d.ofRecord(e.Record), true
	case e.Problem != "":
		return OfReason(e.Problem), true
	case e.HasFlagKey && len(e.Type) <= maxName:
		return ofUnlisted(e.Type), true
	case e.Outcome == "malformed_flag_key" && hasFlagKeyInOtherCase(e.Record):
		return Finding{
			"The properties have a `flagKey` instead of a `flag_key`.",
			"Rename it in the sender, or in `file_log` after `json_parser`: `{type: move, if: 'body.properties?.flagKey != nil', from: body.properties.flagKey, to: body.properties.flag_key}`.",
		}, true
	case e.Outcome != "" && e.Outcome != "transformed":
		return OfReason(e.Outcome), true
	case e.Reason != "":
		return OfReason(e.Reason), true
	}
	return Finding{}, false
}

func ofUnlisted(eventType string) Finding {
	return Finding{
		fmt.Sprintf("The event has the properties of an impression, but its name %#q isn't listed.", eventType),
		fmt.Sprintf("If it is an impression, add %s to the processor's `event_types`.", entry(eventType)),
	}
}

// entry returns an entry of event_types for an event type.
func entry(eventType string) string {
	post := "[Experiment] Impression"
	if strings.Contains(strings.ToLower(eventType), "exposure") {
		post = "[Experiment] Exposure"
	}
	return fmt.Sprintf("`%q: %q`", eventType, post)
}

// IsLikeImpression reports whether an event type that isn't listed looks like that of impressions.
func IsLikeImpression(eventType string) bool {
	lower := strings.ToLower(eventType)
	return strings.Contains(lower, "impression") || strings.Contains(lower, "exposure")
}

// OfName returns the finding for an event type that isn't listed, and reports whether there is one. listed are the types that are.
func OfName(eventType string, listed []string) (Finding, bool) {
	if slices.Contains(listed, eventType) || !IsLikeImpression(eventType) {
		return Finding{}, false
	}
	for _, known := range listed {
		if strings.EqualFold(strings.Trim(eventType, "$ "), strings.Trim(known, "$ ")) {
			return Finding{
				fmt.Sprintf("The name %#q isn't listed, but %#q is.", eventType, known),
				fmt.Sprintf("Rename it in the sender, or add %s to the processor's `event_types`.", entry(eventType)),
			}, true
		}
	}
	return Finding{
		fmt.Sprintf("The name %#q isn't listed.", eventType),
		fmt.Sprintf("If it is that of impressions, add %s to the processor's `event_types`.", entry(eventType)),
	}, true
}

func hasFlagKeyInOtherCase(record plog.LogRecord) bool {
	found := false
	walk(record, func(key string) {
		folded := strings.ReplaceAll(strings.ToLower(key), "_", "")
		found = found || folded == "flagkey" && key != "flag_key"
	})
	return found
}

// walk calls visit with the keys of the record's maps, down to a few levels.
func walk(record plog.LogRecord, visit func(key string)) {
	var down func(m pcommon.Map, levels int)
	down = func(m pcommon.Map, levels int) {
		for key, value := range m.All() {
			visit(key)
			if value.Type() == pcommon.ValueTypeMap && levels > 0 {
				down(value.Map(), levels-1)
			}
		}
	}
	down(record.Attributes(), 2)
	if record.Body().Type() == pcommon.ValueTypeMap {
		down(record.Body().Map(), 2)
	}
}

// Parsed returns the value of a text that is a JSON object or list, or else the value itself.
func (d *Diagnoser) Parsed(v pcommon.Value) pcommon.Value {
	parsed := pcommon.NewValueEmpty()
	if v.Type() != pcommon.ValueTypeStr || d.parser.Parse(v.Str(), parsed) != nil {
		return v
	}
	if parsed.Type() != pcommon.ValueTypeMap && parsed.Type() != pcommon.ValueTypeSlice {
		return v
	}
	return parsed
}

// ofRecord returns the finding for a record in which no layout finds an event type.
func (d *Diagnoser) ofRecord(record plog.LogRecord) Finding {
	body := d.Parsed(record.Body())
	if body.Type() == pcommon.ValueTypeStr {
		return ofText(body.Str(), record.Attributes())
	}
	if body.Type() == pcommon.ValueTypeSlice && body.Slice().Len() > 0 {
		body = body.Slice().At(0)
	}
	if preset := d.presetOf(record); preset != "" {
		return missingPreset(preset)
	}
	for _, root := range []pcommon.Value{body, mapValue(record.Attributes())} {
		if root.Type() != pcommon.ValueTypeMap {
			continue
		}
		if finding, found := d.ofMap(root.Map()); found {
			return finding
		}
	}
	return OfReason(reader.NotAnEvent.String())
}

func mapValue(m pcommon.Map) pcommon.Value {
	v := pcommon.NewValueMap()
	m.CopyTo(v.Map())
	return v
}

// presetOf returns the name of the preset that claims an event in a record, or "".
func (d *Diagnoser) presetOf(record plog.LogRecord) string {
	records := plog.NewLogRecordSlice()
	record.CopyTo(records.AppendEmpty())
	defer d.presets.Reset()
	for _, e := range d.presets.Events(pcommon.NewResource(), records) {
		if e.Problem == reader.NoProblem {
			return e.Trace().Layout
		}
	}
	return ""
}

func missingPreset(preset string) Finding {
	f := Finding{
		fmt.Sprintf("It is an event of the preset %#q, which isn't among the `layouts`.", preset),
		fmt.Sprintf("Add `- preset: %s` to the `layouts` of the processor and the exporter.", preset),
	}
	if preset == calls[0] {
		f.Text = fmt.Sprintf("It is a track call. Presets for it are %s, none of which is among the `layouts`.", "`"+strings.Join(calls, "`, `")+"`")
		f.Cure = "Add that of the sender, such as `- preset: segment`, to the `layouts` of the processor and the exporter."
	}
	return f
}

// ofText returns the finding for a body that isn't JSON.
func ofText(text string, attributes pcommon.Map) Finding {
	trimmed := strings.TrimSpace(text)
	switch {
	case strings.Contains(text, "\uFFFD") || !utf8.ValidString(text) || strings.HasPrefix(text, "\x1f"):
		return Finding{"The body is binary: the file is compressed.", "Set `compression: auto` in `file_log`; `compression: gzip` if the file's name doesn't end in `.gz`."}
	case strings.HasPrefix(trimmed, "eyJ") || strings.HasPrefix(trimmed, "W3s") || strings.HasPrefix(trimmed, "data="):
		return Finding{"The body is base64 of JSON, or a form.", "Let the sender post plain JSON, or use the receiver `cdp_webhook`, which says what it can't read."}
	case strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "["):
		return OfReason(reader.JSONInvalid.String())
	case strings.Contains(trimmed, "{"):
		return Finding{"The body is text that has JSON only in the middle, as in a log line with a prefix.", "Cut the prefix before the processor, in `file_log` with `regex_parser` and `move`."}
	case attributes.Len() > 0:
		return Finding{"Neither the attributes nor the body, a text, have an event type.", reasons["not_an_event"].Cure}
	}
	return Finding{"The body is text that isn't JSON, such as a plain log line.", ""}
}

// foldedTypes are the keys under which presets have event types, without case and punctuation.
var foldedTypes = []string{"event", "eventtype", "eventname", "tealiumevent"}

func fold(key string) string {
	return strings.Map(func(c rune) rune {
		if c == '_' || c == '-' || c == '.' || c == ' ' || c == '$' {
			return -1
		}
		return c
	}, strings.ToLower(key))
}

// ofMap returns the finding for a map in which no preset finds an event type.
func (d *Diagnoser) ofMap(m pcommon.Map) (Finding, bool) {
	if kind, is := m.Get("type"); is && kind.Type() == pcommon.ValueTypeStr && len(kind.Str()) <= maxName && !strings.EqualFold(kind.Str(), "track") && isCall(m) {
		return Finding{fmt.Sprintf("It is a call of the type %#q, not a track call, so it isn't an event.", kind.Str()), ""}, true
	}
	for key, value := range m.All() {
		if len(key) > maxName {
			continue
		}
		switch value.Type() {
		case pcommon.ValueTypeStr:
			if d.isJSONObject(value.Str()) {
				return inField(key), true
			}
			if slices.Contains(foldedTypes, fold(key)) {
				return Finding{
					fmt.Sprintf("The event type is under %#q, which is in another case or under another name than the presets'.", key),
					fmt.Sprintf("Give the processor and the exporter a layout of your own, with `event_type: ['event[%q]']` and so on (docs/layouts.md).", key),
				}, true
			}
		case pcommon.ValueTypeMap:
			inner := plog.NewLogRecord()
			value.CopyTo(inner.Body())
			if preset := d.presetOf(inner); preset != "" {
				return Finding{
					fmt.Sprintf("The event is inside the field %#q.", key),
					fmt.Sprintf("Move it to the body, in `file_log` with `{type: move, from: body.%s, to: body}`, elsewhere with the `transform` processor: `set(log.body, log.body[%q])`.", key, key),
				}, true
			}
		}
	}
	return Finding{}, false
}

func (d *Diagnoser) isJSONObject(text string) bool {
	trimmed := strings.TrimSpace(text)
	if !strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, "[{") {
		return false
	}
	return d.parser.Parse(text, pcommon.NewValueEmpty()) == nil
}

func inField(key string) Finding {
	return Finding{
		fmt.Sprintf("The event is JSON text inside the field %#q, as container runtimes and log shippers write it.", key),
		fmt.Sprintf("Move the text to the body, where the processor reads it. In `file_log`, after `json_parser` with `parse_to: body`: `{type: move, from: body.%s, to: body}`. Elsewhere, with the `transform` processor: `set(log.body, log.body[%q]) where IsMap(log.body) and IsString(log.body[%q])`.", key, key, key),
	}
}

// isCall reports whether a map has one of the ids that all calls of CDPs have.
func isCall(m pcommon.Map) bool {
	for _, key := range []string{"userId", "anonymousId", "messageId"} {
		if _, has := m.Get(key); has {
			return true
		}
	}
	return false
}
