// SPDX-License-Identifier: Apache-2.0

// Package impression defines what Amplitude makes of an impression at ingestion: which of its properties are renamed, and
// whether the user property of its flag is set, unset, or left alone.
//
// The facts are those of Amplitude's public documentation of Experiment event tracking
// (https://amplitude.com/docs/web-experiment/tracking), read on 2026-11-23.
package impression // import "github.com/impression-collector/impression-bridge/internal/impression"

import (
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
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

// Fault is why an event of a listed type can't be transformed.
type Fault uint8

// The faults, in the order in which they are looked for.
const (
	NoFault Fault = iota
	// MalformedFlagKey is a flag_key that is missing, empty, or not a string.
	MalformedFlagKey
	// MalformedVariant is a variant that has no text: a map, a list, bytes, NaN, or an infinity.
	MalformedVariant
	// MixedForms is a variant in its post form without one in its pre form, beside a flag_key in its pre form.
	MixedForms

	// NumFaults is the number of faults.
	NumFaults = iota
)

// Impression is what the event properties of an impression say.
type Impression struct {
	// FlagKey is the flag or experiment that was shown.
	FlagKey string
	// Variant is the text of the variant that was shown, "" if there is none.
	Variant string
	// Default says that the variant is the flag's fallback: the user isn't assigned to a variant.
	Default bool
	// MutualExclusionGroup says that the flag isn't an experiment of its own.
	MutualExclusionGroup bool
	// Time is the `time` property as a time, 0 without one.
	Time pcommon.Timestamp

	// hasPostForms says that a property has the name of a post form already.
	hasPostForms bool
	// renamed are the values of the properties that get the postForms, the zero Value for one that is missing.
	renamed [len(postForms)]pcommon.Value
}

// Reader reads impressions. It keeps its memory from one to the next, so it isn't safe for concurrent use.
type Reader struct {
	parser   *jsonvalue.Parser
	metadata pcommon.Value
}

// NewReader returns a reader that parses metadata that is a JSON text up to these limits.
func NewReader(limits jsonvalue.Limits) *Reader {
	return &Reader{parser: jsonvalue.NewParser(limits), metadata: pcommon.NewValueEmpty()}
}

// Read reads the event properties in one pass. Of a duplicate property the first counts.
func (r *Reader) Read(properties pcommon.Map) (Impression, Fault) {
	var of struct{ flagKey, variant, postVariant, experimentKey, metadata, time pcommon.Value }
	hasPostForms := false
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
		case postVariant:
			keepFirst(&of.postVariant, value)
			hasPostForms = true
		case postFlagKey, postExperimentKey:
			hasPostForms = true
		}
	}
	if !pdatautil.IsSet(of.flagKey) || of.flagKey.Type() != pcommon.ValueTypeStr || of.flagKey.Str() == "" {
		return Impression{}, MalformedFlagKey
	}
	shown := Impression{
		FlagKey: of.flagKey.Str(), hasPostForms: hasPostForms, renamed: [...]pcommon.Value{of.flagKey, of.variant, of.experimentKey},
	}
	shown.Time, _ = pdatautil.Time(of.time)
	switch {
	case pdatautil.IsSet(of.variant):
		text, isText := pdatautil.Text(of.variant)
		if !isText {
			return Impression{}, MalformedVariant
		}
		shown.Variant = text
	case pdatautil.IsSet(of.postVariant), of.variant == pcommon.Value{} && of.postVariant != pcommon.Value{}:
		return Impression{}, MixedForms
	}
	if m, isMap := r.metadataMap(of.metadata); isMap {
		shown.readMetadata(m)
	}
	return shown, NoFault
}

// Reset drops the references to the metadata that was read last.
func (r *Reader) Reset() {
	if r.metadata.Type() != pcommon.ValueTypeEmpty {
		r.metadata = pcommon.NewValueEmpty()
	}
}

func keepFirst(first *pcommon.Value, value pcommon.Value) {
	if *first == (pcommon.Value{}) {
		*first = value
	}
}

// metadataMap returns metadata that is a map or the JSON text of one.
func (r *Reader) metadataMap(v pcommon.Value) (pcommon.Map, bool) {
	switch {
	case !pdatautil.IsSet(v):
		return pcommon.Map{}, false
	case v.Type() == pcommon.ValueTypeStr:
		if !strings.HasPrefix(strings.TrimLeft(v.Str(), " \t\r\n"), "{") || r.parser.Parse(v.Str(), r.metadata) != nil {
			return pcommon.Map{}, false
		}
		v = r.metadata
	}
	if v.Type() != pcommon.ValueTypeMap {
		return pcommon.Map{}, false
	}
	return v.Map(), true
}

func (i *Impression) readMetadata(m pcommon.Map) {
	if isDefault, present := m.Get("default"); present {
		text, _ := pdatautil.Text(isDefault)
		i.Default = text == "true"
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

	// NumOperations is the number of operations.
	NumOperations = iota
)

// Updates reports whether the user property is set or unset.
func (o Operation) Updates() bool {
	return o == Set || o == Unset
}

// Operation returns what happens to the user property `[Experiment] <flag_key>`. identified says whether the impression names
// a user or a device. unsetVariants are the variants that mean that the user isn't assigned to one.
func (i *Impression) Operation(identified bool, unsetVariants []string) Operation {
	switch {
	case !identified:
		return SkipNoIdentity
	case i.MutualExclusionGroup:
		return SkipMutualExclusionGroup
	case i.Variant == "" || i.Default || slices.Contains(unsetVariants, i.Variant):
		return Unset
	default:
		return Set
	}
}
