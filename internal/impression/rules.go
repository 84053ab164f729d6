// SPDX-License-Identifier: Apache-2.0

// Package impression knows what Amplitude makes of an impression at ingestion: which of its properties are renamed, and
// whether the user property of its flag is set, unset, or left alone.
//
// The facts are those of Amplitude's public documentation of Experiment event tracking, read 2026-11-23.
package impression // import "github.com/impression-collector/impression-bridge/internal/impression"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/layout"
)

const (
	flagKey       = "flag_key"
	variant       = "variant"
	experimentKey = "experiment_key"
	metadata      = "metadata"
	eventTime     = "time"

	// mutualExclusionGroup is the metadata.flagType of a flag that only divides users among experiments.
	mutualExclusionGroup = "mutual-exclusion-group"
)

// Fault is what makes an event of a listed type no impression.
type Fault uint8

// The faults, in the order in which they are looked for. NoFault is none.
const (
	NoFault Fault = iota
	MalformedFlagKey
	MalformedVariant
)

// Impression is what the event properties of an impression say.
type Impression struct {
	// FlagKey is the flag or experiment that was shown.
	FlagKey string
	// Variant is the text of the variant that was shown, "" where there is none.
	Variant string
	// Default says that the variant is the flag's fallback: the user is in no variant.
	Default bool
	// MutualExclusionGroup says that the flag is no experiment of its own.
	MutualExclusionGroup bool
	// Time is the value of the `time` property, the zero Value where there is none.
	Time pcommon.Value

	// renamed are the values of the properties that get the postForms, the zero Value where there is none.
	renamed [len(postForms)]pcommon.Value
}

// Read reads the event properties in one pass. Of a repeated property the first counts.
func Read(properties pcommon.Map) (Impression, Fault) {
	var of struct{ flagKey, variant, experimentKey, metadata, time pcommon.Value }
	for key, value := range properties.All() {
		switch key {
		case flagKey:
			keepFirst(&of.flagKey, value)
		case variant:
			keepFirst(&of.variant, value)
		case experimentKey:
			keepFirst(&of.experimentKey, value)
		case metadata:
			keepFirst(&of.metadata, value)
		case eventTime:
			keepFirst(&of.time, value)
		}
	}
	if !given(of.flagKey) || of.flagKey.Type() != pcommon.ValueTypeStr || of.flagKey.Str() == "" {
		return Impression{}, MalformedFlagKey
	}
	shown := Impression{
		FlagKey: of.flagKey.Str(),
		Time:    of.time,
		renamed: [...]pcommon.Value{of.flagKey, of.variant, of.experimentKey},
	}
	if given(of.variant) {
		text, isText := layout.Text(of.variant)
		if !isText {
			return Impression{}, MalformedVariant
		}
		shown.Variant = text
	}
	if given(of.metadata) && of.metadata.Type() == pcommon.ValueTypeMap {
		shown.readMetadata(of.metadata.Map())
	}
	return shown, NoFault
}

func keepFirst(first *pcommon.Value, value pcommon.Value) {
	if *first == (pcommon.Value{}) {
		*first = value
	}
}

func given(v pcommon.Value) bool {
	return v != (pcommon.Value{}) && v.Type() != pcommon.ValueTypeEmpty
}

func (i *Impression) readMetadata(m pcommon.Map) {
	if isDefault, present := m.Get("default"); present && isDefault.Type() == pcommon.ValueTypeBool {
		i.Default = isDefault.Bool()
	}
	if flagType, present := m.Get("flagType"); present && flagType.Type() == pcommon.ValueTypeStr {
		i.MutualExclusionGroup = flagType.Str() == mutualExclusionGroup
	}
}

// Operation is what happens to the user property of the impression's flag.
type Operation uint8

// The operations. A skip leaves the user property alone, for the reason in its name.
const (
	Set Operation = iota
	Unset
	SkipNoIdentity
	SkipMutualExclusionGroup

	Operations = iota
)

// Updates says whether the user property is set or unset.
func (o Operation) Updates() bool {
	return o == Set || o == Unset
}

// Operation returns what happens to the user property `[Experiment] <flag_key>`. identified says whether the impression
// tells whom it was shown to. unsetVariants are the variants that mean that the user is in none.
func (i *Impression) Operation(identified bool, unsetVariants []string) Operation {
	switch {
	case i.MutualExclusionGroup:
		return SkipMutualExclusionGroup
	case !identified:
		return SkipNoIdentity
	case i.Variant == "" || i.Default || slices.Contains(unsetVariants, i.Variant):
		return Unset
	default:
		return Set
	}
}
