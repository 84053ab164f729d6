// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"slices"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/layout"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// kind is what a record is to an experiment: the attribute kind of exporter_amplitude_events.
type kind uint8

const (
	// kindOther is any other event, and any record that isn't an event.
	kindOther kind = iota
	// kindImpression is an event of a type in event_types.
	kindImpression
	// kindUpdate is a $identify event that sets or unsets the user property of an experiment.
	kindUpdate
)

// metadata.yaml also lists kindTexts.
var kindTexts = [...]string{"other", "impression", "update"}

const kindCount = len(kindTexts)

func (k kind) String() string { return kindTexts[k] }

// kindOf returns the kind of a record. isUnpaired reports whether it follows the update that the processor made of it.
func (r *batchReader) kindOf(e *reader.Event, isUnpaired bool) kind {
	switch {
	case e.Problem != reader.NoProblem && isUnpaired:
		return kindImpression
	case e.Problem != reader.NoProblem, e.Call().Kind != layout.Track:
		return kindOther
	case slices.Contains(r.config.EventTypes, e.Text(event.Type)):
		return kindImpression
	case e.Text(event.Type) != impression.IdentifyEventType:
		return kindOther
	}
	if userProperties, _ := e.Map(event.UserProperties); updatesExperiment(userProperties) {
		return kindUpdate
	}
	return kindOther
}
