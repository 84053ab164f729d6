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

// account compares what was accepted with what Amplitude has.
type account struct {
	// sent is how many events were accepted.
	sent int
	// lost are events that Amplitude does not have, twice are those that it has more than once.
	lost, twice int
	// omitted are updates that Amplitude does not have.
	omitted int
	// late are events and updates that came after one that was sent later by the same person.
	late int
	// wrong are the people with a user property that is not the last one accepted.
	wrong int
	// repeated is how many events came again, and Amplitude left out for their insert_id.
	repeated int
}

func (a account) String() string {
	return fmt.Sprintf("%d events accepted, %d lost, %d twice, %d late, %d updates omitted, %d users with wrong properties, %d repeated",
		a.sent, a.lost, a.twice, a.late, a.omitted, a.wrong, a.repeated)
}

// updateSuffix tells the insert_id of an update from that of its event.
const updateSuffix = "-user-property"

func newAccount(people []*person, server *amplitudetest.Server) account {
	var a account
	a.repeated = server.Counts().Duplicates
	for _, p := range people {
		known := server.User(p.id())
		a.add(p, &known)
	}
	return a
}

func (a *account) add(p *person, known *amplitudetest.User) {
	times := make([]int, p.sent)
	last, updates := 0, 0
	for i := range known.Events {
		number, isUpdate := numberOf(&known.Events[i])
		if !isUpdate {
			times[number]++
		}
		// An update goes before its event.
		at := 2*number + 1
		if isUpdate {
			at--
			updates++
		}
		if at < last {
			a.late++
		}
		last = max(last, at)
	}
	for _, n := range times {
		switch {
		case n == 0:
			a.lost++
		case n > 1:
			a.twice++
		}
	}
	a.sent += p.sent
	a.omitted += p.updates - updates
	if !maps.Equal(known.Properties, p.properties) {
		a.wrong++
	}
}

// numberOf returns the number of the event, or of the event that an update belongs to.
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

// assertPerfect asserts that nothing is missing and nothing out of order, whatever happened to the collector.
func (a account) assertPerfect(t *testing.T) {
	t.Helper()
	assert.Zero(t, a.lost, "lost")
	assert.Zero(t, a.twice, "twice")
	assert.Zero(t, a.late, "late")
	assert.Zero(t, a.omitted, "updates omitted")
	assert.Zero(t, a.wrong, "wrong properties")
}
