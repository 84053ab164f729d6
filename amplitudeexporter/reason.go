// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import "slices"

// outcome is what became of a record: the label outcome of exporter_amplitude_events.
type outcome uint8

const (
	outcomeDelivered outcome = iota
	// outcomeDryRun replaces outcomeDelivered in a dry run.
	outcomeDryRun
	outcomeDropped
	// outcomeFiltered is a record that the configuration excludes.
	outcomeFiltered
)

// outcomeTexts and reasonTexts are also listed in metadata.yaml.
var outcomeTexts = [...]string{"delivered", "dry_run", "dropped", "filtered"}

func (o outcome) String() string { return outcomeTexts[o] }

// reason is why a record was not delivered, or why values of an event were changed: the label reason of
// exporter_amplitude_events and exporter_amplitude_changed_values.
type reason uint8

const (
	reasonNone reason = iota
	reasonNotAnImpression
	reasonOlderUpdate
	reasonRefusedID
	reasonIDTooShort
	// Other packages name the other reasons; see reasonOf.
)

const reasonCount = len(reasonTexts)

var reasonTexts = [...]string{
	"none", "not_an_impression", "older_update",
	// amplitude.IDFault
	"refused_id", "id_too_short", "missing_id",
	// reader.Problem
	"not_an_event", "json_too_large", "json_too_deep", "json_too_many_values", "json_invalid", "mixed_events",
	"envelope_too_large", "envelope_too_deep",
	// amplitude.Reason
	"invalid_field", "missing_field", "invalid_id_length", "silenced", "daily_quota", "bad_request", "too_large",
	// amplitude.Change
	"not_finite", "too_deep", "too_long", "invalid_utf8", "session_id_not_integer", "repeated_key",
}

func (r reason) String() string { return reasonTexts[r] }

// reasonOf returns the reason with this text, which another package gave. A test checks that there is one for each.
func reasonOf(text string) reason {
	return reason(max(0, slices.Index(reasonTexts[:], text)))
}
