// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import "strconv"

// postTypes maps the event types that Amplitude rewrites at ingestion to their post form.
var postTypes = map[string]string{
	"$impression": "[Experiment] Impression",
	"$exposure":   "[Experiment] Exposure",
}

// postProperties maps the event properties that Amplitude renames at the same time.
var postProperties = map[string]string{
	"flag_key":       "[Experiment] Flag Key",
	"variant":        "[Experiment] Variant",
	"experiment_key": "[Experiment] Experiment Key",
}

// transform changes an impression in pre form to its post form, and returns the user property operation that it causes.
// It deliberately shares no code with the processor, so that tests of the processor against this server compare two
// implementations.
func (e *Event) transform() map[string]any {
	postType, isRaw := postTypes[e.Type]
	flag, _ := e.Properties["flag_key"].(string)
	variant, isText := variantText(e.Properties["variant"])
	if !isRaw || flag == "" || !isText {
		return nil
	}
	renamed := make(map[string]any, len(e.Properties))
	for name, value := range e.Properties {
		if post, isRenamed := postProperties[name]; isRenamed {
			name = post
		}
		renamed[name] = value
	}
	e.Type, e.Properties = postType, renamed
	metadata, _ := renamed["metadata"].(map[string]any)
	property := "[Experiment] " + flag
	switch {
	case metadata["flagType"] == "mutual-exclusion-group":
		return nil
	case variant == "", metadata["default"] == true:
		return map[string]any{"$unset": map[string]any{property: "-"}}
	default:
		return map[string]any{"$set": map[string]any{property: variant}}
	}
}

// variantText returns the text of a variant, "" if there is none, and false if the variant has no text, such as a map.
func variantText(variant any) (string, bool) {
	switch variant := variant.(type) {
	case nil:
		return "", true
	case string:
		return variant, true
	case bool:
		return strconv.FormatBool(variant), true
	case float64:
		return strconv.FormatFloat(variant, 'f', -1, 64), true
	default:
		return "", false
	}
}
