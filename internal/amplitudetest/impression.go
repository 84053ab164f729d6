// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import "strconv"

// postTypes are the event types that Amplitude rewrites at ingestion.
var postTypes = map[string]string{
	"$impression": "[Experiment] Impression",
	"$exposure":   "[Experiment] Exposure",
}

// postProperties are the event properties that Amplitude renames with them.
var postProperties = map[string]string{
	"flag_key":       "[Experiment] Flag Key",
	"variant":        "[Experiment] Variant",
	"experiment_key": "[Experiment] Experiment Key",
}

// transform makes a raw impression what Amplitude shows, and returns the user property operation that comes with it. The
// rules are written down here a second time, so that a test of the processor against this server is one.
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

// variantText is "" where there is no variant, and false where there is one without a text.
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
