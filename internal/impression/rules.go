// SPDX-License-Identifier: Apache-2.0

// Package impression defines how Amplitude transforms an impression at ingestion: which of its properties are renamed, and
// whether the user property of its flag is set, unset, or left alone.
//
// The rules are from Amplitude's public documentation of Experiment event tracking
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

	// mutualExclusionGroup is the metadata.flagType of a flag that only assigns users to one of several experiments.
	mutualExclusionGroup = "mutual-exclusion-group"
)

// Fault is the reason why an event of a listed type can't be transformed.
type Fault uint8

// The faults, in the order in which they are checked.
const (
	NoFault Fault = iota
	// MalformedFlagKey is a flag_key that is missing, empty, or not a string.
	MalformedFlagKey
	// MalformedVariant is a variant that has no text: a map, a list, bytes, NaN, or an infinity.
	MalformedVariant
	// MixedForms is a flag_key in its pre form with a variant that is only in its post form.
	MixedForms

	// NumFaults is the number of faults.
	NumFaults = iota
)

// Impression has the content of an impression's event properties.
type Impression struct {
	// FlagKey is the key of the flag or experiment that was shown.
	FlagKey string
	// Variant is the text of the variant that was shown, or "" if there is none.
	Variant string
	// Default reports whether the variant is the flag's fallback, because the user isn't assigned to a variant.
	Default bool
	// MutualExclusionGroup reports whether the flag is a mutual exclusion group, not an experiment.
	MutualExclusionGroup bool
	// Time is the `time` property, or 0 if it is missing or not a time.
	Time pcommon.Timestamp

	// hasPostForms reports whether a property already has the name of a post form.
	hasPostForms bool
	// renamed has the values of the properties to rename to postForms. A missing one is the zero Value.
	renamed [len(postForms)]pcommon.Value
}

// Reader reads impressions. It reuses memory between calls, so it isn't safe for concurrent use.
type Reader struct {
	parser   *jsonvalue.Parser
	metadata pcommon.Value
}

// NewReader returns a reader. The limits are those of metadata that is a JSON text.
func NewReader(limits jsonvalue.Limits) *Reader {
	return &Reader{parser: jsonvalue.NewParser(limits), metadata: pcommon.NewValueEmpty()}
}

// values are the properties that matter, the zero Value for one that is missing.
type values struct {
	flagKey, variant, postVariant, experimentKey, metadata, time pcommon.Value
	hasPostForms                                                 bool
}

// find finds the properties in one pass. If a property occurs more than once, the first is used.
func (of *values) find(properties pcommon.Map) {
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
			of.hasPostForms = true
		case postFlagKey, postExperimentKey:
			of.hasPostForms = true
		}
	}
}

// Read reads an impression from its event properties. The impression is valid only if Read returns NoFault.
func (r *Reader) Read(properties pcommon.Map) (Impression, Fault) {
	var of values
	of.find(properties)
	if !pdatautil.IsSet(of.flagKey) || of.flagKey.Type() != pcommon.ValueTypeStr || of.flagKey.Str() == "" {
		return Impression{}, MalformedFlagKey
	}
	shown := Impression{
		FlagKey: of.flagKey.Str(), hasPostForms: of.hasPostForms, renamed: [...]pcommon.Value{of.flagKey, of.variant, of.experimentKey},
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

// OwnTime returns the `time` property of an impression and the time that it stands for, or 0 if it is missing or not a time.
func OwnTime(properties pcommon.Map) (pcommon.Value, pcommon.Timestamp) {
	v, present := properties.Get(eventTime)
	if !present {
		return pcommon.Value{}, 0
	}
	at, _ := pdatautil.Time(v)
	return v, at
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

// metadataMap returns metadata that is a map or the JSON text of an object.
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

// Operation is the effect of an impression on the user property of its flag.
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

// Operation returns the effect on the user property `[Experiment] <flag_key>`. identified reports whether the impression has a
// user or device id. unsetVariants has the names of variants that mean that the user isn't assigned to a variant.
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
