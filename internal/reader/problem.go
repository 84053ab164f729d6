// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"errors"

	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

// Problem is the reason why a record can't be read as an event.
type Problem uint8

// The problems. All except NoProblem and NotAnEvent are of records that may hold events but can't be read.
const (
	// NoProblem means that the record is an event.
	NoProblem Problem = iota
	// NotAnEvent is a record in which no layout finds an event type.
	NotAnEvent
	// JSONTooLarge, JSONTooDeep, and JSONTooManyValues are JSON texts that exceed the reader's limits.
	JSONTooLarge
	JSONTooDeep
	JSONTooManyValues
	// JSONInvalid is a text that starts like JSON but isn't valid.
	JSONInvalid
	// MixedEvents is a list of events and other values, or an envelope with two lists of events.
	MixedEvents
	// EnvelopeTooLarge is an envelope whose fields are too large to be copied to each of its events.
	EnvelopeTooLarge
	// EnvelopeTooDeep is an envelope whose events of the reader's types are all within more than maxLevels envelopes, or
	// an envelope with more than maxNesting nested envelopes.
	EnvelopeTooDeep

	// NumProblems is the number of problems.
	NumProblems = iota
)

// String returns the problem as the value of a metric attribute.
func (p Problem) String() string {
	return [NumProblems]string{
		"none", "not_an_event", "json_too_large", "json_too_deep", "json_too_many_values", "json_invalid", "mixed_events", "envelope_too_large",
		"envelope_too_deep",
	}[p]
}

func problemOf(err error) Problem {
	switch {
	case errors.Is(err, jsonvalue.ErrTooLarge):
		return JSONTooLarge
	case errors.Is(err, jsonvalue.ErrTooDeep):
		return JSONTooDeep
	case errors.Is(err, jsonvalue.ErrTooMany):
		return JSONTooManyValues
	default:
		return JSONInvalid
	}
}
