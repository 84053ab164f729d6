// SPDX-License-Identifier: Apache-2.0

package impression // import "github.com/impression-collector/impression-bridge/internal/impression"

import "go.opentelemetry.io/collector/pdata/pcommon"

// postForms are the names that Amplitude gives to flag_key, variant and experiment_key, in this order.
var postForms = [...]string{"[Experiment] Flag Key", "[Experiment] Variant", "[Experiment] Experiment Key"}

// Renamer renames event properties. It holds the values on their way, so that renaming allocates nothing, and is not
// safe for concurrent use.
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

// Rename gives the properties that an impression was read from their post form names. Values are kept as they are, null
// too. Of a repeated property the first is renamed, the others stay. A property that has the post form name already gives
// way. Nothing may have been added to or removed from the properties since they were read.
func (r *Renamer) Rename(i *Impression, properties pcommon.Map) {
	none := pcommon.Value{}
	for n, value := range i.renamed {
		if value != none {
			value.MoveTo(r.values[n])
		}
	}
	// The place of a value tells it apart, repeated keys too, without a comparison of keys.
	properties.RemoveIf(func(_ string, value pcommon.Value) bool {
		return value == i.renamed[0] || value == i.renamed[1] || value == i.renamed[2]
	})
	for n, value := range i.renamed {
		if value != none {
			r.values[n].MoveTo(properties.PutEmpty(postForms[n]))
		}
	}
}
