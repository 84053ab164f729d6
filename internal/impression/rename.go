// SPDX-License-Identifier: Apache-2.0

package impression // import "github.com/impression-collector/impression-bridge/internal/impression"

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// The names that Amplitude gives to flag_key, variant, and experiment_key.
const (
	postFlagKey       = "[Experiment] Flag Key"
	postVariant       = "[Experiment] Variant"
	postExperimentKey = "[Experiment] Experiment Key"
)

// postForms are the names in the order of Impression.renamed.
var postForms = [...]string{postFlagKey, postVariant, postExperimentKey}

// Renamer renames event properties. It holds the values while it moves them, so that renaming doesn't allocate. It isn't safe
// for concurrent use.
type Renamer struct {
	values [len(postForms)]pcommon.Value
}

// NewRenamer returns a renamer.
func NewRenamer() *Renamer {
	r := &Renamer{}
	for i := range r.values {
		r.values[i] = pcommon.NewValueEmpty()
	}
	return r
}

// Rename gives the properties that an impression was read from their post form names. Values stay as they are, also null. Of
// a duplicate property the first is renamed and the others stay. Properties that have the post form's name already are
// removed. The properties must not have changed since they were read.
func (r *Renamer) Rename(i *Impression, properties pcommon.Map) {
	none := pcommon.Value{}
	for n, value := range i.renamed {
		if value != none {
			value.MoveTo(r.values[n])
		}
	}
	properties.RemoveIf(func(key string, value pcommon.Value) bool {
		// The place of a value identifies it, so that duplicate keys are told apart.
		return value == i.renamed[0] || value == i.renamed[1] || value == i.renamed[2] || i.hasPostForms && i.replaces(key)
	})
	for n, value := range i.renamed {
		if value != none {
			r.values[n].MoveTo(properties.PutEmpty(postForms[n]))
		}
	}
}

// replaces reports whether a property has the post form's name of one that is renamed.
func (i *Impression) replaces(key string) bool {
	n := slices.Index(postForms[:], key)
	return n >= 0 && i.renamed[n] != pcommon.Value{}
}

// HasFlagKey reports whether event properties name a flag, before or after renaming.
func HasFlagKey(properties pcommon.Map) bool {
	for key, value := range properties.All() {
		if (key == flagKey || key == postFlagKey) && pdatautil.IsSet(value) {
			return true
		}
	}
	return false
}
