// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"slices"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// outcome is what happened to a record: the attribute outcome of exporter_amplitude_events.
type outcome uint8

const (
	outcomeDelivered outcome = iota
	// outcomeDryRun replaces outcomeDelivered in a dry run.
	outcomeDryRun
	outcomeDropped
	// outcomeFiltered is a record that the configuration excludes.
	outcomeFiltered
)

// metadata.yaml also lists outcomeTexts and reasonTexts.
var outcomeTexts = [...]string{"delivered", "dry_run", "dropped", "filtered"}

const outcomeCount = len(outcomeTexts)

func (o outcome) String() string { return outcomeTexts[o] }

// reason is why a record wasn't delivered, or why values of an event were changed: the attribute reason of
// exporter_amplitude_events and exporter_amplitude_changed_values.
type reason uint8

const (
	reasonNone reason = iota
	reasonNotAnImpression
	reasonOlderUpdate
	// reasonUnpairedUpdate is also the reason of impressions that are delivered, but with another identity than their update.
	reasonUnpairedUpdate
	// reasonNothingToSend is an identify call without traits.
	reasonNothingToSend
	// reasonUnchanged is an identify call that says the same as the one before of its user.
	reasonUnchanged
	reasonRefusedID
	reasonIDTooShort
	reasonMissingID
	// The other reasons have no constant, because other packages name them: see reasonOf.
)

const reasonCount = len(reasonTexts)

var reasonTexts = [...]string{
	"none", "not_an_impression", "older_update", "unpaired_update", "nothing_to_send", "unchanged",
	// amplitude.IDFault
	"refused_id", "id_too_short", "missing_id",
	// reader.Problem
	"not_an_event", "json_too_large", "json_too_deep", "json_too_many_values", "json_invalid", "mixed_events",
	"envelope_too_large", "envelope_too_deep",
	// layout.Kind
	"identify", "page", "screen", "group", "alias", "page_ping", "other",
	// amplitude.Reason
	"invalid_field", "missing_field", "invalid_id_length", "silenced", "daily_quota", "bad_request", "forbidden", "too_large",
	// amplitude.Change
	"not_finite", "too_deep", "too_long", "invalid_utf8", "session_id_not_integer", "remote_ip", "repeated_key",
	"not_an_operation", "too_many_groups",
}

var reasonNotAnEvent = reasonOf(reader.NotAnEvent.String())

// notKept are the reasons whose events aren't dead letters unless they are listed. An event that a configuration excludes isn't
// refused, and neither is one without content. An older update must not be sent again, because it would undo a newer one.
var notKept = append([]reason{reasonNone, reasonNotAnImpression, reasonOlderUpdate, reasonNotAnEvent, reasonNothingToSend, reasonUnchanged}, callReasons()...)

// callReasons returns the reasons of calls that the configuration turns off.
func callReasons() []reason {
	var all []reason
	for k := layout.Track + 1; k < layout.Kinds; k++ {
		all = append(all, reasonOf(k.String()))
	}
	return all
}

// keepable returns the reasons that dead_letter.reasons may list.
func keepable() []string {
	texts := []string{reasonNotAnEvent.String()}
	for _, r := range callReasons() {
		texts = append(texts, r.String())
	}
	return texts
}

// lossesOf returns the reasons for which events of a kind are dropped. It returns none for other events, of which many are never meant for
// Amplitude.
func lossesOf(k kind) []reason {
	if k == kindOther {
		return nil
	}
	losses := []reason{reasonRefusedID, reasonIDTooShort, reasonMissingID}
	for r := amplitude.ReasonNone + 1; r < amplitude.Reasons; r++ {
		losses = append(losses, reasonOf(r.String()))
	}
	if k == kindImpression {
		losses = append(losses, reasonUnpairedUpdate)
	}
	return losses
}

func (r reason) String() string { return reasonTexts[r] }

// outcome returns what becomes of records that aren't sent for this reason.
func (r reason) outcome() outcome {
	if r == reasonNotAnImpression {
		return outcomeFiltered
	}
	return outcomeDropped
}

// reasonOf returns the reason with a text that another package defines. A test checks that reasonTexts has all of them.
func reasonOf(text string) reason {
	return reason(max(0, slices.Index(reasonTexts[:], text)))
}
