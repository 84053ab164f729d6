// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// This file has all values of the metric attributes outcome, operation, and reason. metadata.yaml lists the same values.

// outcome is what happened to an event of a listed type.
type outcome uint8

const (
	transformed outcome = iota
	dropped
	malformedFlagKey
	malformedVariant
	malformedProperties
	mixedForms

	numOutcomes = iota
)

var outcomeTexts = [numOutcomes]string{
	transformed:         "transformed",
	dropped:             "dropped",
	malformedFlagKey:    "malformed_flag_key",
	malformedVariant:    "malformed_variant",
	malformedProperties: "malformed_properties",
	mixedForms:          "mixed_forms",
}

// outcomeOf has the outcome for each fault.
var outcomeOf = [impression.NumFaults]outcome{
	impression.MalformedFlagKey: malformedFlagKey,
	impression.MalformedVariant: malformedVariant,
	impression.MixedForms:       mixedForms,
}

// operationTexts has, for each operation, the values of the attributes operation and reason. Only a skipped update has a
// reason.
var operationTexts = [impression.NumOperations]struct{ operation, reason string }{
	impression.Set:                      {"set", ""},
	impression.Unset:                    {"unset", ""},
	impression.SkipNoIdentity:           {"skipped", "no_identity"},
	impression.SkipMutualExclusionGroup: {"skipped", "mutual_exclusion_group"},
}

// untouchedProblems are the problems of records that may hold impressions, and are left as they are.
var untouchedProblems = problemsAfter(reader.NotAnEvent)

func problemsAfter(p reader.Problem) []reader.Problem {
	var problems []reader.Problem
	for p++; p < reader.NumProblems; p++ {
		problems = append(problems, p)
	}
	return problems
}
