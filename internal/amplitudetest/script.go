// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// script holds the answers that replace the usual ones. If several apply, the first field in this order wins.
type script struct {
	// choose is called without holding the server's mutex, so that it may call the server's methods.
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

// AnswerNext sets the answer to the next requests. Further calls append to the queue.
func (s *Server) AnswerNext(requests int, answer Answer) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if requests > 0 {
		s.script.queue = append(s.script.queue, repeated{left: requests, answer: answer})
	}
}

// AnswerAll sets the answer to all requests until AnswerUsually is called.
func (s *Server) AnswerAll(answer Answer) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.script.all = &answer
}

// AnswerShare sets the answer to a random share of the requests, until AnswerUsually is called. Further calls add shares.
func (s *Server) AnswerShare(of float64, answer Answer) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.script.shares = append(s.script.shares, share{of: of, answer: answer})
}

// AnswerFunc sets a function that chooses the answer, until AnswerUsually is called. If the function returns false, the
// server answers as if there were no function. It may be called concurrently. The request's Status and Ingested aren't
// set yet.
func (s *Server) AnswerFunc(choose func(*Request) (Answer, bool)) {
	s.script.choose.Store(&choose)
}

// AnswerUsually undoes the other Answer methods.
func (s *Server) AnswerUsually() {
	s.script.choose.Store(nil)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.script.queue, s.script.all, s.script.shares = nil, nil, nil
}

// SetLatency sets a delay before each answer, in addition to the answer's own.
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

// RefuseKey makes the server refuse all API keys until it is called with false.
func (s *Server) RefuseKey(refuse bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.keyRefused = refuse
}
