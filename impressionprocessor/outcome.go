// SPDX-License-Identifier: Apache-2.0

package impressionprocessor // import "github.com/impression-collector/impression-bridge/impressionprocessor"

import (
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/reader"
)

// This file holds all values of the metrics' attributes outcome, operation, and reason. metadata.yaml lists the same.

// outcome is what became of an event of a listed type.
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

// outcomeOf returns the outcome of an event with a fault.
var outcomeOf = [impression.NumFaults]outcome{
	impression.MalformedFlagKey: malformedFlagKey,
	impression.MalformedVariant: malformedVariant,
	impression.MixedForms:       mixedForms,
}

// operationTexts are what was done to a user property, and why nothing was.
var operationTexts = [impression.NumOperations]struct{ operation, reason string }{
	impression.Set:                      {"set", ""},
	impression.Unset:                    {"unset", ""},
	impression.SkipNoIdentity:           {"skipped", "no_identity"},
	impression.SkipMutualExclusionGroup: {"skipped", "mutual_exclusion_group"},
}

// untouchedProblems are why a record that may hold impressions is left as it is.
var untouchedProblems = problemsAfter(reader.NotAnEvent)

func problemsAfter(p reader.Problem) []reader.Problem {
	var problems []reader.Problem
	for p++; p < reader.NumProblems; p++ {
		problems = append(problems, p)
	}
	return problems
}
