// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// script is what answers are not the usual ones. Of several that would apply, the first of its fields does.
type script struct {
	// choose is read without the server's mutex, so that it may call the server.
	choose atomic.Pointer[func(*Request) (Answer, bool)]
	queue  []repeated
	all    *Answer
	shares []share
	random *rand.Rand
}

type repeated struct {
	left   int
	answer Answer
}

type share struct {
	of     float64
	answer Answer
}

func (s *script) byFunc(request *Request) (Answer, bool) {
	choose := s.choose.Load()
	if choose == nil {
		return Answer{}, false
	}
	return (*choose)(request)
}

func (s *script) next() (Answer, bool) {
	if len(s.queue) > 0 {
		answer := s.queue[0].answer
		s.queue[0].left--
		if s.queue[0].left <= 0 {
			s.queue = s.queue[1:]
		}
		return answer, true
	}
	if s.all != nil {
		return *s.all, true
	}
	if len(s.shares) == 0 {
		return Answer{}, false
	}
	drawn := s.random.Float64()
	for _, share := range s.shares {
		if drawn < share.of {
			return share.answer, true
		}
		drawn -= share.of
	}
	return Answer{}, false
}

// AnswerNext gives the next so many requests an answer. Called again, it goes on after those.
func (s *Server) AnswerNext(requests int, answer Answer) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if requests > 0 {
		s.script.queue = append(s.script.queue, repeated{left: requests, answer: answer})
	}
}

// AnswerAll gives all requests an answer, until AnswerUsually.
func (s *Server) AnswerAll(answer Answer) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.script.all = &answer
}

// AnswerShare gives a share of the requests an answer, chosen by the seed, until AnswerUsually. Shares add up.
func (s *Server) AnswerShare(of float64, answer Answer) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.script.shares = append(s.script.shares, share{of: of, answer: answer})
}

// AnswerFunc has a function choose the answer, until AnswerUsually; where it returns false it chooses none. It may be
// called at the same time for several requests, and before Status and Ingested are known.
func (s *Server) AnswerFunc(choose func(*Request) (Answer, bool)) {
	s.script.choose.Store(&choose)
}

// AnswerUsually ends what the other Answer methods began.
func (s *Server) AnswerUsually() {
	s.script.choose.Store(nil)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.script.queue, s.script.all, s.script.shares = nil, nil, nil
}

// SetLatency is how long each answer takes to begin, besides its own delay.
func (s *Server) SetLatency(latency time.Duration) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.latency = latency
}

// SetLimits replaces the limits of a request.
func (s *Server) SetLimits(limits Limits) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.limits = limits
}

// RefuseKey has all API keys refused as unknown, until it is called with false.
func (s *Server) RefuseKey(refuse bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.keyRefused = refuse
}
