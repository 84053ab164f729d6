// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// FuzzNothingIsLostOrOvertaken: events of users and devices that are tied together at random come in batches, while
// Amplitude fails and throttles at random and the exporter crashes at random; in the end each event is there once, and each
// user's and device's are in order.
func FuzzNothingIsLostOrOvertaken(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			o := newOrdeal(t, seed)
			for range 40 {
				o.deliver(o.batch())
				o.pass(3)
			}
			o.assertAllThere()
		})
	})
}

// ordeal is what an exporter goes through.
type ordeal struct {
	*pushed
	t      *testing.T
	random *rand.Rand
	disk   *disk
	// sent are the ids of each event, by its number.
	sent []person
}

type person struct{ user, device string }

// lockedSource is for the lanes, which ask side by side.
type lockedSource struct {
	mutex sync.Mutex
	rand.Source
}

func (s *lockedSource) Uint64() uint64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.Source.Uint64()
}

func newOrdeal(t *testing.T, seed uint64) *ordeal {
	t.Helper()
	o := &ordeal{t: t, random: rand.New(&lockedSource{Source: rand.NewPCG(seed, 0)}), disk: newDisk(map[string][]byte{})}
	server := amplitudetest.New()
	server.AnswerFunc(o.answer)
	o.pushed = startDeferring(t, o.disk, server)
	return o
}

// oneIn is true one time in so many.
func (o *ordeal) oneIn(times int) bool {
	return o.random.IntN(times) == 0
}

func (o *ordeal) answer(request *amplitudetest.Request) (amplitudetest.Answer, bool) {
	several := request.EventCount > 1
	switch n := o.random.IntN(100); {
	case n < 8:
		return amplitudetest.Answer{Status: http.StatusServiceUnavailable}, true
	case n < 11:
		return amplitudetest.Answer{Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "7"}}, true
	case n < 15:
		return amplitudetest.Answer{Status: http.StatusInternalServerError, Ingest: true}, true
	case n < 17:
		return amplitudetest.Answer{Status: http.StatusUnauthorized}, true
	case n < 20 && several:
		return amplitudetest.Answer{Status: http.StatusRequestEntityTooLarge}, true
	case n < 24 && several:
		return amplitudetest.Answer{Status: http.StatusBadRequest, Body: "names no event"}, true
	default:
		return amplitudetest.Answer{}, true
	}
}

// batch makes the texts of the next events, and throttles some people.
func (o *ordeal) batch() []string {
	var texts []string
	for range 1 + o.random.IntN(12) {
		p := person{device: o.id("device", 5), user: o.id("user", 6)}
		if p == (person{}) {
			p.user = "user-1"
		}
		texts = append(texts, fmt.Sprintf(`{"event":"%d","userId":%q,"anonymousId":%q,"messageId":"%[1]d","timestamp":"2026-11-23T10:00:00Z"}`,
			len(o.sent), p.user, p.device))
		o.sent = append(o.sent, p)
		if o.oneIn(5) {
			texts = append(texts, "no event")
		}
	}
	for o.oneIn(3) {
		o.server.Restrict(amplitudetest.ThrottledUser, 1+o.random.IntN(3), o.id("user", 6))
	}
	for o.oneIn(3) {
		o.server.Restrict(amplitudetest.ThrottledDevice, 1+o.random.IntN(3), o.id("device", 5))
	}
	return texts
}

// id is one of so many, one of which is none.
func (o *ordeal) id(kind string, of int) string {
	if n := o.random.IntN(of); n > 0 {
		return fmt.Sprintf("%s-%d", kind, n)
	}
	return ""
}

// deliver brings a batch as a queue on disk does: what is given back again, and after a crash all of it.
func (o *ordeal) deliver(texts []string) {
	for logs := logsOf(texts...); logs != (plog.Logs{}); {
		before := len(o.disk.history()) - 1
		err := o.push(o.t.Context(), logs)
		switch {
		case o.oneIn(12):
			o.crash(before)
			logs = logsOf(texts...)
		case err == nil:
			logs = plog.Logs{}
		case o.pass(1):
			logs = logsOf(texts...)
		}
	}
}

// pass lets time pass, one time in so many. It says whether the exporter crashed meanwhile.
func (o *ordeal) pass(times int) (crashed bool) {
	before := len(o.disk.history()) - 1
	if o.oneIn(times) {
		time.Sleep(time.Duration(o.random.IntN(40_000)) * time.Millisecond)
		synctest.Wait()
	}
	if !o.oneIn(12) {
		return false
	}
	o.crash(before)
	return true
}

// crash starts another exporter on one of the states in which the disk has been since.
func (o *ordeal) crash(since int) {
	history := o.disk.history()
	state := history[since+o.random.IntN(len(history)-since)]
	o.stop(o.t)
	o.disk = newDisk(state)
	o.pushed = startDeferring(o.t, o.disk, o.server)
}

func (o *ordeal) assertAllThere() {
	o.server.AnswerUsually()
	o.server.LiftAll()
	time.Sleep(2 * time.Hour)
	synctest.Wait()
	last := map[string]int{}
	for _, event := range o.server.Events() {
		number, err := strconv.Atoi(event.Type)
		require.NoError(o.t, err)
		for _, id := range []string{o.sent[number].user, o.sent[number].device} {
			require.LessOrEqual(o.t, last[id], number, "%s was overtaken", id)
			if id != "" {
				last[id] = number
			}
		}
	}
	require.Equal(o.t, len(o.sent), o.server.Counts().Ingested)
	o.assertDeferred(o.t, 0)
	require.Zero(o.t, stored(o.disk))
	o.stop(o.t)
}
