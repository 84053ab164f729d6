// SPDX-License-Identifier: Apache-2.0

// Package diagnosis says why a record stays behind, and how to cure it. docs/troubleshooting.md has the same cures by what users see.
package diagnosis // import "github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/diagnosis"

import "strings"

// Finding is why a record stays behind, and how to cure it.
type Finding struct {
	// Text says what is wrong, and Cure what to do. Cure is "" if nothing needs to be done.
	Text string `json:"text"`
	Cure string `json:"cure,omitempty"`
}

const (
	raiseLimit   = "If such texts are meant to be read, raise `json_body.%` of the processor and the exporter."
	sameLayouts  = "Give the exporter the processor's `layouts` and `min_id_length`, for instance with a YAML anchor: `layouts: &layouts` in the processor, `layouts: *layouts` in the exporter."
	giveIDs      = "Set `user_id` and `device_id` of the layout by hand."
	fixInSender  = "Mend the event in the sender, or remove the value before the exporter."
	setByHand    = "Set the layout's `properties` by hand, with the path of the map that has `flag_key` and `variant`."
	askAmplitude = "Look at the event in the file of dead letters (`dead_letter.path`)."
)

// reasons has a finding for each reason that the components' metrics know.
var reasons = map[string]Finding{
	// Records that the processor passes.
	"not_an_event":         {"No layout finds an event type in the record.", "Compare the record with the presets in docs/layouts.md."},
	"unread_json":          {"The body is JSON text without a listed event type, so it isn't parsed.", "If there are impressions in it, check that their name is as in `event_types`."},
	"json_too_large":       {"The body is a JSON text that is too large.", strings.Replace(raiseLimit, "%", "max_bytes", 1)},
	"json_too_deep":        {"The body is a JSON text that is nested too deeply.", strings.Replace(raiseLimit, "%", "max_depth", 1)},
	"json_too_many_values": {"The body is a JSON text with too many values.", strings.Replace(raiseLimit, "%", "max_values", 1)},
	"json_invalid":         {"The body begins like JSON but isn't valid.", "Look for what cuts or joins texts before the collector: a limit of a log shipper, or several objects in one record."},
	"mixed_events":         {"A list has events and other things, or the record has several lists of events.", "Split the list before the processor."},
	"envelope_too_large":   {"The envelope's own fields would take too much space in its events.", "Remove what the events don't need from the envelope."},
	"envelope_too_deep":    {"The events are inside too many envelopes.", "Split the outer envelopes before the processor."},
	// Events of a listed type that the processor leaves as they are, drops, or gives no update.
	"malformed_flag_key":     {"`flag_key` is missing, empty, or not a string.", setByHand},
	"malformed_variant":      {"`variant` is a map, a list, or not a finite number.", "Mend the sender: a variant is a text, a number, or a boolean."},
	"malformed_properties":   {"The event has no map of properties.", setByHand},
	"mixed_forms":            {"There is an `[Experiment] Variant` but no `variant`.", "Find and remove what renames half of the impression before the processor."},
	"dropped":                {"The variant unsets the user property, and `unassigned: drop` removes such impressions.", ""},
	"no_identity":            {"The impression has neither a user nor a device id, so there is no user property to update.", giveIDs},
	"mutual_exclusion_group": {"The flag only assigns users to one of several experiments, so there is no user property to update.", ""},
	// Events that the exporter doesn't send.
	"not_an_impression": {"`send: impressions` leaves out other events.", ""},
	"older_update":      {"A newer update of the same user and flag was sent before.", ""},
	"unpaired_update":   {"The processor read the impression with another identity than the exporter.", sameLayouts},
	"refused_id":        {"Amplitude refuses the event's ids, and it has no others.", giveIDs},
	"id_too_short":      {"The event's ids are shorter than `min_id_length`, and it has no others.", "If the project takes shorter ids, lower `min_id_length` of the processor and the exporter."},
	"missing_id":        {"The event has neither a user nor a device id.", giveIDs},
	"nothing_to_send":   {"The identify call has no traits.", ""},
	"unchanged":         {"The identify call says the same as the last one of its user.", ""},
	"identify":          {"`calls.identify` turns such calls off.", ""},
	"page":              {"`calls.page` turns such calls off.", ""},
	"screen":            {"`calls.screen` turns such calls off.", ""},
	"group":             {"The exporter doesn't send group calls unless `calls.group` turns them on.", ""},
	"alias":             {"Amplitude has nothing that corresponds to an alias call.", ""},
	"page_ping":         {"Amplitude has nothing that corresponds to a page ping.", ""},
	"other":             {"Amplitude has nothing that corresponds to this message, such as the start of a session.", ""},
	// Refusals of Amplitude.
	"invalid_field":     {"Amplitude refused a field of the event.", fixInSender},
	"missing_field":     {"Amplitude misses a field of the event.", fixInSender},
	"invalid_id_length": {"Amplitude refused the length of an id.", "Give the exporter the `min_id_length` of the project."},
	"silenced":          {"Amplitude silenced the device.", "Ask Amplitude's support to lift it."},
	"daily_quota":       {"The user or device exceeded its daily quota.", "Find out what sends so many events for one user."},
	"bad_request":       {"The event alone is refused with 400, without a reason.", askAmplitude},
	"forbidden":         {"The event alone is refused with 403, as firewalls do with a text such as `<script>`.", askAmplitude},
	"too_large":         {"The event alone is refused because of its size.", askAmplitude},
}

// OfReason returns the finding for a reason in the components' metrics.
func OfReason(reason string) Finding {
	if finding, known := reasons[reason]; known {
		return finding
	}
	return Finding{Text: strings.ReplaceAll(reason, "_", " ")}
}
