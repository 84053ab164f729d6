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

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// FuzzNothingIsLostOrOvertaken pushes batches of events whose users and devices are tied together at random, while Amplitude
// fails and throttles and the exporter crashes, both at random. In the end each event must have arrived once, and those of
// each user and device in order.
func FuzzNothingIsLostOrOvertaken(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			c := newCrashFuzz(t, seed)
			for range 40 {
				c.deliver(c.batch())
				c.maybeSleep(3)
			}
			c.assertAllArrived()
		})
	})
}

// crashFuzz is an exporter that crashes at random, between a random Amplitude and a disk.
type crashFuzz struct {
	*pushed
	t      *testing.T
	random *rand.Rand
	disk   *storagetest.Disk
	limits deferralLimits
	// sent has the ids of each event, by its number.
	sent []person
}

type person struct{ user, device string }

// lockedSource is a random source for lanes, which use it concurrently.
type lockedSource struct {
	mutex sync.Mutex
	rand.Source
}

func (s *lockedSource) Uint64() uint64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.Source.Uint64()
}

func newCrashFuzz(t *testing.T, seed uint64) *crashFuzz {
	t.Helper()
	c := &crashFuzz{t: t, random: rand.New(&lockedSource{Source: rand.NewPCG(seed, 0)}), disk: storagetest.NewDisk(nil)}
	server := amplitudetest.New()
	server.AnswerFunc(c.answer)
	c.limits = c.randomLimits()
	c.pushed = startLimited(t, c.disk, server, c.limits)
	return c
}

// randomLimits returns limits by which, in half of the runs, hardly any deferred event has room in memory.
func (c *crashFuzz) randomLimits() deferralLimits {
	limits := limitsOnDisk()
	if c.oneIn(2) {
		limits.loaded.events, limits.perID.events = 1+c.random.IntN(20), 1+c.random.IntN(10)
	}
	if c.oneIn(4) {
		limits.stored = c.random.IntN(30)
	}
	return limits
}

// oneIn is true with a probability of one in so many.
func (c *crashFuzz) oneIn(times int) bool {
	return c.random.IntN(times) == 0
}

func (c *crashFuzz) answer(request *amplitudetest.Request) (amplitudetest.Answer, bool) {
	several := request.EventCount > 1
	switch n := c.random.IntN(100); {
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

// batch returns the texts of the next events, and throttles some users and devices.
func (c *crashFuzz) batch() []string {
	var texts []string
	for range 1 + c.random.IntN(12) {
		p := person{device: c.id("device", 5), user: c.id("user", 6)}
		if p == (person{}) {
			p.user = "user-1"
		}
		texts = append(texts, fmt.Sprintf(`{"event":"%d","userId":%q,"anonymousId":%q,"messageId":"%[1]d","timestamp":"2026-11-23T10:00:00Z"}`,
			len(c.sent), p.user, p.device))
		c.sent = append(c.sent, p)
		if c.oneIn(5) {
			texts = append(texts, "no event")
		}
	}
	for c.oneIn(3) {
		c.server.Restrict(amplitudetest.ThrottledUser, 1+c.random.IntN(3), c.id("user", 6))
	}
	for c.oneIn(3) {
		c.server.Restrict(amplitudetest.ThrottledDevice, 1+c.random.IntN(3), c.id("device", 5))
	}
	return texts
}

// id returns one of so many ids, one of which is "".
func (c *crashFuzz) id(kind string, of int) string {
	if n := c.random.IntN(of); n > 0 {
		return fmt.Sprintf("%s-%d", kind, n)
	}
	return ""
}

// deliver pushes a batch as a queue on disk does: after a failure what the exporter returned, after a crash all of it.
func (c *crashFuzz) deliver(texts []string) {
	for logs := logsOf(texts...); logs != (plog.Logs{}); {
		before := len(c.disk.History()) - 1
		err := c.push(c.t.Context(), logs)
		switch {
		case c.oneIn(12):
			c.crash(before)
			logs = logsOf(texts...)
		case err == nil:
			logs = plog.Logs{}
		case c.maybeSleep(1):
			logs = logsOf(texts...)
		}
	}
}

// maybeSleep lets time pass with a probability of one in so many. It reports whether the exporter crashed meanwhile.
func (c *crashFuzz) maybeSleep(times int) (crashed bool) {
	before := len(c.disk.History()) - 1
	if c.oneIn(times) {
		time.Sleep(time.Duration(c.random.IntN(40_000)) * time.Millisecond)
		synctest.Wait()
	}
	if !c.oneIn(12) {
		return false
	}
	c.crash(before)
	return true
}

// crash starts another exporter on one of the states that the disk was in since.
func (c *crashFuzz) crash(since int) {
	history := c.disk.History()
	state := history[since+c.random.IntN(len(history)-since)]
	c.stop(c.t)
	c.disk = storagetest.NewDisk(state)
	c.pushed = startLimited(c.t, c.disk, c.server, c.limits)
}

func (c *crashFuzz) assertAllArrived() {
	c.server.AnswerUsually()
	c.server.LiftAll()
	time.Sleep(2 * time.Hour)
	synctest.Wait()
	last := map[string]int{}
	for _, event := range c.server.Events() {
		number, err := strconv.Atoi(event.Type)
		require.NoError(c.t, err)
		for _, id := range []string{c.sent[number].user, c.sent[number].device} {
			require.LessOrEqual(c.t, last[id], number, "%s was overtaken", id)
			if id != "" {
				last[id] = number
			}
		}
	}
	require.Equal(c.t, len(c.sent), c.server.Counts().Ingested)
	c.assertDeferred(c.t, 0)
	require.Zero(c.t, stored(c.disk))
	c.stop(c.t)
}
