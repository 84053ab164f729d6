// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// summary compares the events that the collector accepted with those that Amplitude has.
type summary struct {
	// accepted counts the events that the collector accepted.
	accepted int
	// lost counts the accepted events that Amplitude doesn't have.
	lost int
	// duplicated counts the events that Amplitude has more than once.
	duplicated int
	// outOfOrder counts the events and updates that arrived after a later one of the same person.
	outOfOrder int
	// missingUpdates counts the updates that Amplitude doesn't have.
	missingUpdates int
	// wrongProperties counts the people whose user properties aren't the last ones accepted.
	wrongProperties int
	// ignoredDuplicates counts the events that were sent again and that Amplitude ignored because of their insert_id.
	ignoredDuplicates int
}

func (s summary) String() string {
	return fmt.Sprintf("%d events accepted, %d lost, %d duplicated, %d out of order, %d updates missing, %d users with wrong properties, %d duplicates ignored by Amplitude",
		s.accepted, s.lost, s.duplicated, s.outOfOrder, s.missingUpdates, s.wrongProperties, s.ignoredDuplicates)
}

// updateSuffix distinguishes the insert_id of an update from that of its event.
const updateSuffix = "-user-property"

func summaryOf(people []*person, server *amplitudetest.Server) summary {
	s := summary{ignoredDuplicates: server.Counts().Duplicates}
	for _, p := range people {
		known := server.User(p.id())
		s.add(p, &known)
	}
	return s
}

func (s *summary) add(p *person, known *amplitudetest.User) {
	times := make([]int, p.sent)
	last, updates := 0, 0
	for i := range known.Events {
		number, isUpdate := numberOf(&known.Events[i])
		if !isUpdate {
			times[number]++
		}
		// An update is sent before its event.
		at := 2*number + 1
		if isUpdate {
			at--
			updates++
		}
		if at < last {
			s.outOfOrder++
		}
		last = max(last, at)
	}
	for _, n := range times {
		switch {
		case n == 0:
			s.lost++
		case n > 1:
			s.duplicated++
		}
	}
	s.accepted += p.sent
	s.missingUpdates += p.updates - updates
	if !maps.Equal(known.Properties, p.properties) {
		s.wrongProperties++
	}
}

// numberOf returns the number of an event. An update has the number of its event.
func numberOf(e *amplitudetest.Event) (number int, isUpdate bool) {
	if e.Type != "$identify" {
		number, _ := e.Properties["number"].(float64)
		return int(number), false
	}
	id := strings.TrimSuffix(e.InsertID, updateSuffix)
	number, err := strconv.Atoi(id[strings.LastIndexByte(id, '-')+1:])
	if err != nil {
		panic(err)
	}
	return number, true
}

// assertPerfect asserts that every event and update arrived once and in order.
func (s summary) assertPerfect(t *testing.T) {
	t.Helper()
	assert.Zero(t, s.lost, "lost")
	assert.Zero(t, s.duplicated, "duplicated")
	assert.Zero(t, s.outOfOrder, "out of order")
	assert.Zero(t, s.missingUpdates, "updates missing")
	assert.Zero(t, s.wrongProperties, "wrong properties")
}
