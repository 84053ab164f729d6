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

// postForms has the names in the order of Impression.renamed.
var postForms = [...]string{postFlagKey, postVariant, postExperimentKey}

// Renamer renames event properties. It reuses memory between calls, so it isn't safe for concurrent use.
type Renamer struct {
	// values has the values while they are moved.
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

// Rename renames the properties of an impression to their post forms. i must be the impression that was read from properties,
// which must not have changed since. Values, including null, are kept. If a property occurs more than once, only the first is
// renamed. Properties that already have the new name of a renamed property are removed.
func (r *Renamer) Rename(i *Impression, properties pcommon.Map) {
	none := pcommon.Value{}
	for n, value := range i.renamed {
		if value != none {
			value.MoveTo(r.values[n])
		}
	}
	properties.RemoveIf(func(key string, value pcommon.Value) bool {
		// Compare values by identity, not by key, because keys can occur more than once.
		return value == i.renamed[0] || value == i.renamed[1] || value == i.renamed[2] || i.hasPostForms && i.replaces(key)
	})
	for n, value := range i.renamed {
		if value != none {
			r.values[n].MoveTo(properties.PutEmpty(postForms[n]))
		}
	}
}

// replaces reports whether the key is the new name of a renamed property.
func (i *Impression) replaces(key string) bool {
	n := slices.Index(postForms[:], key)
	return n >= 0 && i.renamed[n] != pcommon.Value{}
}

// HasFlagKey reports whether event properties have a flag key that isn't null, in its pre or post form.
func HasFlagKey(properties pcommon.Map) bool {
	for key, value := range properties.All() {
		if (key == flagKey || key == postFlagKey) && pdatautil.IsSet(value) {
			return true
		}
	}
	return false
}
