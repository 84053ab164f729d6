// SPDX-License-Identifier: Apache-2.0

package impression // import "github.com/impression-collector/impressionprocessor/internal/impression"

import "go.opentelemetry.io/collector/pdata/pcommon"

// renames are the properties that Amplitude renames.
var renames = [...]struct{ pre, post string }{
	{flagKey, "[Experiment] Flag Key"},
	{variant, "[Experiment] Variant"},
	{experimentKey, "[Experiment] Experiment Key"},
}

// Renamer renames event properties. It holds the values on their way, so that renaming allocates nothing, and is not
// safe for concurrent use.
type Renamer struct {
	values [len(renames)]pcommon.Value
}

// NewRenamer returns a renamer.
func NewRenamer() *Renamer {
	r := &Renamer{}
	for i := range r.values {
		r.values[i] = pcommon.NewValueEmpty()
	}
	return r
}

// Rename gives the properties of an impression their post form names. Values are kept as they are, null too. Of a
// repeated property the first is renamed, the others stay. A property that has the post form name already gives way.
func (r *Renamer) Rename(properties pcommon.Map) {
	var moved [len(renames)]bool
	properties.RemoveIf(func(key string, value pcommon.Value) bool {
		for i := range renames {
			if key == renames[i].pre && !moved[i] {
				value.MoveTo(r.values[i])
				moved[i] = true
				return true
			}
		}
		return false
	})
	for i := range renames {
		if moved[i] {
			r.values[i].MoveTo(properties.PutEmpty(renames[i].post))
		}
	}
}
